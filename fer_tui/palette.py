"""The palette's commands that open one thing by its name: a run, or a training of a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, NamedTuple, cast

from textual.command import Hit, Hits, Provider
from textual.content import Content
from textual.markup import escape

from core.models.registry import MODELS
from fer_tui.output import visible

if TYPE_CHECKING:
    from fer_tui.app import FerApp


class Opened(NamedTuple):
    """What is offered: its words, what is said of it, and what opens it."""

    words: str
    told: str
    open: Callable[[], None]


class OpenCommands(Provider):
    """Finds runs and models by some of their letters."""

    def _offers(self) -> Iterator[Opened]:
        app = cast("FerApp", self.app)
        if "train" in app.MODES:
            for spec in MODELS.values():
                yield Opened(f"Train {spec.name}", spec.title, lambda name=spec.name: app.open_train(name))
        for run in app.runs or ():
            words = visible(f"Run {run.name}")
            yield Opened(words, visible(f"{run.model}, {run.state}"), lambda name=run.name: app.open_run(name))

    async def search(self, query: str) -> Hits:
        """The runs and models that have the letters of the query, in order."""
        matcher = self.matcher(query)
        for offer in self._offers():
            score, offsets = matcher.fuzzy_search.match(query, offer.words)
            if score > 0:
                # Textual's own highlighting reads a name as markup.
                shown = Content(offer.words)
                for offset in offsets:
                    shown = shown.stylize(matcher.match_style, offset, offset + 1)
                yield Hit(score, shown, offer.open, text=offer.words, help=escape(offer.told))
