"""What can be done here, with its keys: the last line of a screen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.content import Content
from textual.reactive import reactive
from textual.screen import Screen
from textual.style import Style
from textual.widget import Widget


@dataclass(frozen=True)
class FooterKey:
    """A key as the line has it.

    Attributes:
        key: as Textual names it.
        shown: as people know it.
        title: what it does, in a word or two.
        tooltip: what it does, in a sentence.
        is_enabled: whether it can be done now.
    """

    key: str
    shown: str
    title: str
    tooltip: str
    is_enabled: bool

    @property
    def width(self) -> int:
        """Columns, the spaces around included."""
        return Content(f" {self.shown} {self.title} ").cell_length


class KeyLine(Widget):
    """The screen's keys in one widget, each of which a click presses.

    Textual's Footer mounts a widget a key, and mounts them all anew whenever the focus moves: a third of what a switch
    between two modes took, and a click in that moment was lost.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"key-line--key", "key-line--title", "key-line--hover"}

    keys: reactive[tuple[FooterKey, ...]] = reactive[tuple[FooterKey, ...]](())
    hovered: reactive[FooterKey | None] = reactive[FooterKey | None](None)

    def on_mount(self) -> None:
        """Follow what can be done."""
        self.screen.bindings_updated_signal.subscribe(self, self._take)

    def _take(self, screen: Screen[object]) -> None:
        # A terminal without the focus takes it from every widget, which changes nothing of what can be done.
        if self.app.app_focus and self.is_attached:
            shown = [binding for binding in screen.active_bindings.values() if binding.binding.show]
            first = {each.binding.action: each for each in reversed(shown)}
            self.keys = tuple(
                FooterKey(
                    each.binding.key,
                    self.app.get_key_display(each.binding),
                    each.binding.description,
                    each.tooltip,
                    each.enabled,
                )
                for each in shown
                if first[each.binding.action] is each
            )

    def fitting(self) -> list[tuple[int, FooterKey]]:
        """The keys that there is room for, each with its first column."""
        column, placed = 0, []
        for key in self.keys:
            if column + key.width > self.size.width:
                break
            placed.append((column, key))
            column += key.width
        return placed

    def render(self) -> Content:
        """The keys with their titles."""
        parts: list[Content] = []
        for _, key in self.fitting():
            part = Content.assemble(
                Content.styled(f" {key.shown} ", self.get_visual_style("key-line--key")),
                Content.styled(f"{key.title} ", self.get_visual_style("key-line--title")),
            )
            if key == self.hovered:
                part = part.stylize(self.get_visual_style("key-line--hover"))
            parts.append(part if key.is_enabled else part.stylize(Style(dim=True)))
        return Content("").join(parts)

    def _at(self, column: int) -> FooterKey | None:
        return next((key for start, key in self.fitting() if start <= column < start + key.width), None)

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """Tell what a click would do."""
        self.hovered = self._at(event.x)
        self.tooltip = self.hovered.tooltip if self.hovered else None

    def on_leave(self) -> None:
        """No click would come here."""
        self.hovered = None

    def on_click(self, event: events.Click) -> None:
        """Press the key; one that can't be pressed now does nothing, as on the keyboard."""
        key = self._at(event.x)
        if key is not None:
            self.app.simulate_key(key.key)
