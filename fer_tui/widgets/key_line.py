"""The footer: the last line of a screen with its keys."""

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
    """A key in the footer.

    Attributes:
        key: Textual's name of the key.
        shown: the displayed key.
        title: the action in one or two words.
        tooltip: a sentence about the action.
        is_enabled: whether the action is possible now.
    """

    key: str
    shown: str
    title: str
    tooltip: str
    is_enabled: bool

    @property
    def width(self) -> int:
        """The width in cells, including the spaces around."""
        return Content(f" {self.shown} {self.title} ").cell_length


class KeyLine(Widget):
    """The screen's keys in one widget; a click on a key presses it.

    Textual's Footer has one widget per key and mounts all of them again whenever the focus moves. That took a third
    of the time of a mode switch, and a click in that moment was lost.
    """

    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {"key-line--key", "key-line--title", "key-line--hover"}

    keys: reactive[tuple[FooterKey, ...]] = reactive[tuple[FooterKey, ...]](())
    hovered: reactive[FooterKey | None] = reactive[FooterKey | None](None)

    def on_mount(self) -> None:
        """Subscribe to changes of the bindings."""
        self.screen.bindings_updated_signal.subscribe(self, self._take)

    def _take(self, screen: Screen[object]) -> None:
        # A terminal that loses the focus blurs every widget, but the possible actions stay the same.
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
        """Return the keys that fit, each with its first column."""
        column, placed = 0, []
        for key in self.keys:
            if column + key.width > self.size.width:
                break
            placed.append((column, key))
            column += key.width
        return placed

    def render(self) -> Content:
        """Render the keys with their titles."""
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
        """Highlight the key under the mouse and show its tooltip."""
        self.hovered = self._at(event.x)
        self.tooltip = self.hovered.tooltip if self.hovered else None

    def on_leave(self) -> None:
        """Remove the highlight."""
        self.hovered = None

    def on_click(self, event: events.Click) -> None:
        """Press the key under the mouse; a disabled key does nothing, as on the keyboard."""
        key = self._at(event.x)
        if key is not None:
            self.app.simulate_key(key.key)
