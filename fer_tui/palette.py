"""The palette's commands: what the app and the screen can do, and opening a run or a training by its name."""

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
    """Modes, what the screen can do now, themes, help and quitting, each with its key."""

    def do(action: str) -> Callable[[], object]:
        return lambda: app.call_later(app.run_action, action)

    def with_key(binding_id: str, told: str) -> str:
        return escape(f"{key_label(app, binding_id)}  {told}")

    for mode in SHOWN_MODES:
        told = with_key(f"app.{mode.name}", mode.purpose)
        yield SystemCommand(mode.title, told, lambda name=mode.name: app.action_mode(name))
    for active in screen.active_bindings.values():
        if active.node is screen and active.enabled and active.binding.id:
            yield SystemCommand(
                active.binding.description,
                escape(f"{app.get_key_display(active.binding)}  {active.tooltip}"),
                lambda action=active.binding.action: app.call_later(app.run_action, action, screen),
            )
    yield SystemCommand("Next theme", "Dark, light, and safe for any colour vision in turn", do("app.next_theme"))
    yield SystemCommand("Theme", "Dark, light, safe for any colour vision, and more", app.action_change_theme)
    yield SystemCommand("Help", with_key("app.help", "The keys that work here"), do("app.help"))
    yield SystemCommand("Quit", with_key("app.quit", "Leave; runs of other processes go on"), app.action_quit)


class PaletteEntry(NamedTuple):
    """What is offered: its words, what is said of it, and what opens it."""

    text: str
    help: str
    open: Callable[[], None]


class OpenCommands(Provider):
    """Finds runs and models by some of their letters."""

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
        """The runs and models that have the letters of the query, in order."""
        matcher = self.matcher(query)
        for offer in self._offers():
            score, offsets = matcher.fuzzy_search.match(query, offer.text)
            if score > 0:
                # Textual's own highlighting reads a name as markup.
                shown = Content(offer.text)
                for offset in offsets:
                    shown = shown.stylize(matcher.match_style, offset, offset + 1)
                yield Hit(score, shown, offer.open, text=offer.text, help=escape(offer.help))
