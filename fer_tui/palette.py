"""The command palette: the actions of the app and the screen, and commands that open a run or a model by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from textual.app import SystemCommand
from textual.command import Hit, Hits, Provider
from textual.content import Content
from textual.markup import escape
from textual.screen import Screen

from core.models.registry import MODELS
from fer_tui.console.output import escape_control
from fer_tui.key_labels import key_label
from fer_tui.modes import SHOWN_MODES

if TYPE_CHECKING:
    from fer_tui.state.workbench import Workbench


def system_commands(app: Workbench, screen: Screen[Any]) -> Iterator[SystemCommand]:
    """Yield the commands for modes, the screen's current actions, themes, help and quit, with their keys."""

    def do(action: str) -> Callable[[], object]:
        return lambda: app.call_later(app.run_action, action)

    def with_key(binding_id: str, text: str) -> str:
        return escape(f"{key_label(app, binding_id)}  {text}")

    for mode in SHOWN_MODES:
        help_text = with_key(f"app.{mode.name}", mode.purpose)
        yield SystemCommand(mode.title, help_text, lambda name=mode.name: app.action_mode(name))
    for active in screen.active_bindings.values():
        if active.node is screen and active.enabled and active.binding.id:
            yield SystemCommand(
                active.binding.description,
                escape(f"{app.get_key_display(active.binding)}  {active.tooltip}"),
                lambda action=active.binding.action: app.call_later(app.run_action, action, screen),
            )
    yield SystemCommand(
        "Next theme", "Switch between the dark, light and colour-blind safe theme", do("app.next_theme")
    )
    yield SystemCommand("Theme", "Choose a theme", app.action_change_theme)
    yield SystemCommand("Help", with_key("app.help", "Show the available keys"), do("app.help"))
    yield SystemCommand("Quit", with_key("app.quit", "Quit; runs of other processes continue"), app.action_quit)


class PaletteEntry(NamedTuple):
    """An entry of the palette: its text, its help, and the function that opens it."""

    text: str
    help: str
    open: Callable[[], None]


class OpenCommands(Provider):
    """Finds runs and models by fuzzy search."""

    def _offers(self) -> Iterator[PaletteEntry]:
        app = cast("Workbench", self.app)
        if "train" in app.MODES:
            for spec in MODELS.values():
                yield PaletteEntry(f"Train {spec.name}", spec.title, lambda name=spec.name: app.open_train(name))
        for run in app.runs or ():
            words = escape_control(f"Run {run.name}")
            yield PaletteEntry(
                words, escape_control(f"{run.model}, {run.state}"), lambda name=run.name: app.open_run(name)
            )

    async def search(self, query: str) -> Hits:
        """Yield the runs and models whose names contain the query's letters in order."""
        matcher = self.matcher(query)
        for offer in self._offers():
            score, offsets = matcher.fuzzy_search.match(query, offer.text)
            if score > 0:
                # Highlight the match here, because Textual's own highlighting parses a name as markup.
                shown = Content(offer.text)
                for offset in offsets:
                    shown = shown.stylize(matcher.match_style, offset, offset + 1)
                yield Hit(score, shown, offer.open, text=offer.text, help=escape(offer.help))
