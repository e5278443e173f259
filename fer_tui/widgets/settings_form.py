"""The form of a run's settings, generated from the fields of TrainingConfig."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from core.config.command_line import format_value
from core.config.presets import Preset
from core.config.training_config import TrainingConfig, allowed_values
from fer_tui.widgets.choice import Choice, Control, Toggle
from fer_tui.widgets.safe_input import SafeInput
from fer_tui.widgets.typed_path import read_typed_path

# The Data screen and the list of models set these fields.
ELSEWHERE = ("data", "model")
PATHS = ("exclude", "relabel", "weights")
SETTINGS = {name: field for name, field in TrainingConfig.model_fields.items() if name not in ELSEWHERE}
PRESET = "preset"
DETACHED = "keep_training"
OWN = "own settings"
ERROR_SIGN = "✗"
_HELP = {
    PRESET: "Initial settings; a preset replaces the settings below.",
    DETACHED: "Train in a separate process, which continues after the app and the terminal are closed.",
}


class SettingsForm(VerticalScroll, can_focus=False):
    """One row per setting, in groups; settings that are not set follow each model's recipe."""

    BINDING_GROUP_TITLE = "Settings"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down", "app.focus_next", "Next", show=False, id="form.down", tooltip="Next setting"),
        Binding("up", "app.focus_previous", "Previous", show=False, id="form.up", tooltip="Previous setting"),
    ]

    class Changed(Message):
        """A setting changed."""

    class FocusChanged(Message):
        """The focus moved to a setting or left it."""

    def __init__(self, presets: Iterable[Preset], *, id: str) -> None:
        """Store the presets of the menu."""
        super().__init__(id=id)
        self.presets = tuple(presets)
        self._defaults: dict[str, Any] = {name: field.default for name, field in SETTINGS.items()}
        self._is_taking = False

    def compose(self) -> ComposeResult:
        """Yield the preset, the detached switch and the settings by group."""
        named = [(f"{preset.name}: {preset.summary}", preset.name) for preset in self.presets]
        yield from _row(PRESET, Choice(PRESET, [*named, (OWN, OWN)], id=f"set-{PRESET}"))
        yield from _row(DETACHED, Toggle(id=f"set-{DETACHED}"))
        group = ""
        for name, field in SETTINGS.items():
            extra = field.json_schema_extra
            if isinstance(extra, dict) and extra["group"] != group:
                group = str(extra["group"])
                yield Static(group, classes="group", markup=False)
            yield from _row(name, self._control(name))

    def _control(self, name: str) -> Widget:
        if SETTINGS[name].annotation is bool:
            return Toggle(bool(self._defaults[name]), id=f"set-{name}")
        if allowed_values(name):
            return Choice(setting_label(name), self._offers(name), id=f"set-{name}")
        return SafeInput(placeholder=format_value(name, self._defaults[name]), compact=True, id=f"set-{name}")

    def _offers(self, name: str) -> list[tuple[str, str]]:
        """Return the options of a menu: the recipe's default, then every value."""
        left = f"{format_value(name, self._defaults[name])} (recipe)"
        return [(left, ""), *((str(choice), str(choice)) for choice in allowed_values(name))]

    # Values

    def values(self) -> dict[str, Any]:
        """Return the settings that the user typed or chose, by field name."""
        found: dict[str, Any] = {}
        for name in SETTINGS:
            control = self.query_one(f"#set-{name}")
            if isinstance(control, Toggle):
                if control.value != self._defaults[name]:
                    found[name] = control.value
            elif isinstance(control, Choice | Input):
                text = str(control.value).strip()
                if text:
                    found[name] = str(read_typed_path(text)) if name in PATHS else text
        return found

    def set_values(self, values: Mapping[str, Any]) -> None:
        """Set these settings and reset all others to the recipe; ignore unknown names."""
        self._is_taking = True
        with self.prevent(Input.Changed, Control.Changed):
            for name in SETTINGS:
                control = self.query_one(f"#set-{name}")
                if isinstance(control, Toggle):
                    control.value = bool(values.get(name, self._defaults[name]))
                elif isinstance(control, Input):
                    control.value = format_value(name, values[name]) if name in values else ""
                elif isinstance(control, Choice):
                    text = format_value(name, values[name]) if name in values else ""
                    control.value = text if text in map(str, allowed_values(name)) else ""
        self._is_taking = False
        self._changed()

    @property
    def is_detached(self) -> bool:
        """Whether the training continues after the app quits."""
        return self.query_one(f"#set-{DETACHED}", Toggle).value

    def show_defaults(self, recipe: TrainingConfig) -> None:
        """Show the defaults of the settings that are not set.

        Args:
            recipe: the default config of the first chosen model under the chosen protocol.
        """
        defaults = recipe.model_dump()
        with self.prevent(Control.Changed):
            for name in SETTINGS:
                before, default = self._defaults[name], defaults[name]
                if before == default:
                    continue
                self._defaults[name] = default
                control = self.query_one(f"#set-{name}")
                if isinstance(control, Toggle) and control.value == before:
                    control.value = default
                elif isinstance(control, Input):
                    control.placeholder = format_value(name, default)
                elif isinstance(control, Choice):
                    control.set_options(self._offers(name))

    # Errors and help

    def show_errors(self, errors: Mapping[str, str]) -> None:
        """Mark the labels of invalid settings."""
        for name in SETTINGS:
            label = self.query_one(f"#label-{name}", Static)
            is_wrong = name in errors
            if label.has_class("-wrong") != is_wrong:
                label.set_class(is_wrong, "-wrong")
                label.update(f"{ERROR_SIGN if is_wrong else ' '} {setting_label(name)}")

    @property
    def focused_setting(self) -> str:
        """The field name of the focused setting; empty if no setting has the focus."""
        focused = self.screen.focused
        is_setting = focused is not None and focused.parent is self and focused.id
        return str(focused.id).removeprefix("set-") if focused is not None and is_setting else ""

    def show_visited(self) -> None:
        """Highlight the label of the focused setting."""
        visited = self.focused_setting
        for label in self.query(".label"):
            label.set_class(label.id == f"label-{visited}", "-visited")

    def help_of(self, name: str) -> str:
        """Return a setting's description and default."""
        if name in _HELP:
            return _HELP[name]
        return f"{SETTINGS[name].description} [{format_value(name, self._defaults[name])}]"

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Post `FocusChanged`."""
        self.post_message(self.FocusChanged())

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        """Post `FocusChanged`."""
        self.post_message(self.FocusChanged())

    @on(Input.Changed)
    @on(Control.Changed)
    def _edited(self, event: Input.Changed | Control.Changed) -> None:
        event.stop()
        preset = self.query_one(f"#set-{PRESET}", Choice)
        if event.control is preset:
            for each in self.presets:
                if each.name == preset.value and not self._matches_preset(each):
                    self.set_values(each.settings)
        elif not self._is_taking:
            self._changed()

    def _matches_preset(self, preset: Preset) -> bool:
        return self.values() == _as_typed(preset.settings)

    def _changed(self) -> None:
        with self.prevent(Control.Changed):
            names = [preset.name for preset in self.presets if self._matches_preset(preset)]
            self.query_one(f"#set-{PRESET}", Choice).value = names[0] if names else OWN
        self.post_message(self.Changed())

    @on(Input.Submitted)
    def _next(self, event: Input.Submitted) -> None:
        event.stop()
        self.screen.focus_next()


def _as_typed(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value if isinstance(value, bool) else format_value(name, value) for name, value in settings.items()}


def setting_label(name: str) -> str:
    """Return a setting's label."""
    return name.replace("_", " ")


def _row(name: str, control: Widget) -> ComposeResult:
    yield Static(f"  {setting_label(name)}", id=f"label-{name}", classes="label", markup=False)
    yield control
