"""Users who operate the screens in a terminal with the keyboard only or with the mouse only."""

from __future__ import annotations

import re
from pathlib import Path

from installed import wait_until
from terminal_app import TerminalApp

PRESET = "[presets.hasty]\nepochs = 2\nimage_size = 32\nwidth = 0.1\n"


class KeyboardUser:
    """Presses the keys that the screen names, and uses no mouse."""

    # The help of a setting on the line below the form, and a value with which a training takes seconds.
    SETTINGS = (
        ("Maximum number of epochs", "2"),
        ("Width and height of the model's input", "32"),
        ("Multiplier for the model's filters", "0.1"),
    )

    def __init__(self, screen: TerminalApp) -> None:
        self.screen = screen

    @staticmethod
    def write_settings(configs: Path) -> None:
        """Write the user's settings below this folder, before the app starts: none."""

    def choose(self, title: str) -> None:
        """Press the key of an action that a tab or the footer names."""
        named = re.compile(rf"(\S+) {title}\b")
        self.screen.wait_for(named.search)
        self.screen.wait_until_stable()
        found = named.search(self.screen.text)
        assert found
        self.screen.press({"esc": "escape"}.get(found[1], found[1]))

    def accept(self, button: str) -> None:
        """Answer the dialog that has this button, as it stands."""
        self.screen.wait_for(lambda text: re.search(rf"{button} +Cancel", text))
        self.screen.press("enter")

    def mark(self, model: str) -> None:
        """Move the cursor down the list to a model and select it."""
        self.screen.wait_for(f"[ ]  {model}")
        self.screen.wait_until_stable()
        models, at = wait_until(self._list, "a list with one row marked by the cursor")
        self.screen.press(*["down"] * (models.index(model) - at), "space")

    def set_fast_settings(self) -> None:
        """Set the form's values so that a training takes seconds."""
        self.choose("Settings")
        self.screen.wait_for("Initial settings")
        for meaning, value in self.SETTINGS:
            while meaning not in (before := self._help()):
                self.screen.press("down")
                self.screen.wait_for(lambda _, before=before: self._help() not in (before, ""))
                # The line may have moved only because the command above it appeared.
                self.screen.wait_until_stable()
            self.screen.press(value)
        self.choose("Models")
        self.screen.wait_for("space Choose")

    def _list(self) -> tuple[list[str], int] | None:
        """Return the models in the list, and the cursor's row, which has the cursor's colour."""
        rows = self.screen.backgrounds(r"\[.\]  (\w+)")
        colours = [colour for _, colour in rows]
        marked = [row for row, colour in enumerate(colours) if colours.count(colour) == 1]
        return ([name for name, _ in rows], marked[0]) if len(marked) == 1 else None

    def _help(self) -> str:
        """Return the help of the current setting, which is above the command."""
        rows = self.screen.text.split("\n")
        command = next(number for number, row in enumerate(rows) if "$ fer-tui train" in row)
        return rows[command - 2].strip() or rows[command - 3].strip()


class MouseUser:
    """Clicks on the screen, and presses no key."""

    def __init__(self, screen: TerminalApp) -> None:
        self.screen = screen

    @staticmethod
    def write_settings(configs: Path) -> None:
        """Write a preset before the app starts, because numbers can't be entered by clicks."""
        (configs / "fer-tui").mkdir(parents=True)
        (configs / "fer-tui" / "config.toml").write_text(PRESET)

    def choose(self, title: str) -> None:
        """Click on a tab, a footer key, a button or a list item, after its position is stable."""
        self.screen.wait_for(title)
        self.screen.wait_until_stable()
        self.screen.click(title)

    def accept(self, button: str) -> None:
        """Answer the dialog that has this button, as it stands."""
        row = re.compile(rf"{button} +Cancel")
        found = row.search(self.screen.wait_for(row.search))
        assert found
        self.screen.click(found[0].rpartition("Cancel")[0])

    def mark(self, model: str) -> None:
        """Select a model in the list."""
        self.choose(f"[ ]  {model}")

    def set_fast_settings(self) -> None:
        """Choose the preset that sets the form's values."""
        self.choose("recipe: ")
        self.choose("hasty: ")
        self.screen.wait_for(lambda text: "hasty: " in text and "quick: " not in text)
