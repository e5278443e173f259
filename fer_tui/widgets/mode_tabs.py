"""The tabs of the modes, with their keys."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.content import Content
from textual.widgets import Static

from fer_tui.key_labels import key_label


class ModeTab(Static):
    """The key and title of a mode; a click switches to the mode."""

    def __init__(self, mode: str, key: str, title: str, *, is_current: bool) -> None:
        super().__init__(
            Content.assemble((key, "bold"), f" {title}"), id=f"tab-{mode}", classes="-current" if is_current else ""
        )
        self.mode = mode

    async def on_click(self) -> None:
        """Switch to the mode."""
        await self.app.run_action(f"app.mode('{self.mode}')")


class ActionLink(Static):
    """The key and title of an action; a click runs the action."""

    def __init__(self, key: str, title: str, action: str) -> None:
        super().__init__(Content.assemble((key, "bold $primary"), f" {title}"))
        self.action = action

    async def on_click(self) -> None:
        """Run the action."""
        await self.app.run_action(self.action)


class ModeTabs(Horizontal):
    """The app's name, a tab per mode, and links to help and quit."""

    def __init__(self, current: str) -> None:
        super().__init__()
        self.current = current

    def compose(self) -> ComposeResult:
        """Yield the name, the tabs and the links."""
        from fer_tui.modes import SHOWN_MODES

        yield Static("fer-tui", id="name")
        for mode in SHOWN_MODES:
            yield ModeTab(
                mode.name, key_label(self, f"app.{mode.name}"), mode.title, is_current=mode.name == self.current
            )
        yield Static(id="tab-gap")
        yield ActionLink(key_label(self, "app.help"), "Help", "app.help")
        yield ActionLink(key_label(self, "app.quit"), "Quit", "app.quit")
