"""The Train screen: choose models and settings, then start training."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, ClassVar

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, Vertical, VerticalScroll
from textual.message import Message
from textual.widgets import Button, Static

from core.config.command_line import train_command
from core.config.presets import PRESETS, Preset
from core.config.training_config import TrainingConfig, resolve, validation_errors
from core.errors import ConfigError, FerError
from core.training import estimate
from core.training.checks import check_files
from fer_tui.console.output import escape_control
from fer_tui.key_labels import tab_label
from fer_tui.screens.mode_screen import ModeScreen
from fer_tui.widgets.model_list import ModelList
from fer_tui.widgets.settings_form import ERROR_SIGN, SettingsForm, setting_label


class TrainScreen(ModeScreen):
    """The list of models, the form of settings and the equivalent command."""

    MODE = "train"
    AUTO_FOCUS = "ModelList"
    CSS_PATH = "train.tcss"
    # The form beside the list of models needs more columns than the panes of other screens.
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (120, "-wide")]  # noqa: RUF012
    BINDING_GROUP_TITLE = "Training"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "start", "Start", id="train.start", tooltip="Train the chosen models, one after another"),
        Binding("e", "edit", "Settings", id="train.edit", tooltip="Go to the settings"),
        Binding("r", "reset", "Reset", id="train.reset", tooltip="Reset every setting to the models' recipes"),
        Binding("c", "copy", "Copy", id="train.copy", tooltip="Copy the equivalent command"),
        Binding("escape", "leave_field", "Models", id="train.leave", tooltip="Focus the list of models"),
    ]

    class PaceMeasured(Message):
        """The worker has measured the processor's speed."""

        def __init__(self, pace: estimate.Pace) -> None:
            super().__init__()
            self.pace = pace

    def __init__(self) -> None:
        super().__init__()
        self.measured: estimate.Pace | None = None
        self._is_measuring = False
        self.errors: dict[str, str] = {}
        self.problem = ""
        self.is_starting = False
        self._is_stale = False

    def compose_mode(self) -> ComposeResult:
        """Yield the models, the settings, the command and the Start button."""
        with Container(id="train"):
            with Vertical(id="model-pane"):
                yield ModelList(id="model-list")
                yield Static(id="model-note", markup=False)
            yield SettingsForm(self._presets(), id="form")
        yield Static(id="setting-help", markup=False)
        with VerticalScroll(id="command-scroll", can_focus=False):
            yield Static(id="command", markup=False)
        with Horizontal(id="start-line"):
            yield Static(id="start-state", markup=False)
            yield Button("Start", variant="primary", id="start", compact=True, tooltip="Train the chosen models")

    def on_mount(self) -> None:
        """Watch the data set, the runs and the palette's model; then fill in the form."""
        self.watch(self.app, "counts", self.show_later)
        self.watch(self.app, "runs", self.show_later, init=False)
        self.watch(self.app, "wanted_model", self._take_wanted)
        self.call_after_refresh(self._begin)

    def repaint(self) -> None:
        """Draw errors in the new theme's colours."""
        self.show_later()

    def _presets(self) -> list[Preset]:
        """Return the built-in presets and the user's; the user's override built-in ones of the same name."""
        own = {name: Preset(name, "yours", values) for name, values in self.fer.settings.presets.items()}
        return list({**PRESETS, **own}.values())

    def _begin(self) -> None:
        """Fill in the form as at the last start, overridden by the user's settings file."""
        left, wanted = self.fer.state_store.state.train, self.fer.settings.train
        self.form.set_values(
            {**{name: value for name, value in left.items() if isinstance(value, str | bool)}, **wanted}
        )
        models = wanted.get("model", [])
        if models and not self.query_one(ModelList).chosen:
            self.query_one(ModelList).choose(*([models] if isinstance(models, str) else models))

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Show what changed while another mode was open."""
        self.problem = ""
        self.show_later()

    def _take_wanted(self) -> None:
        """Choose the model that was picked in the palette."""
        if self.fer.wanted_model:
            name, self.fer.wanted_model = self.fer.wanted_model, ""
            self.call_after_refresh(self._choose, name)

    def _choose(self, name: str) -> None:
        self.query_one(ModelList).choose(name)

    # The choices

    @property
    def form(self) -> SettingsForm:
        """The form of settings."""
        return self.query_one(SettingsForm)

    @property
    def data(self) -> Path | None:
        """The open data set's path; None until a data set is read."""
        return self.fer.data if self.fer.counts else None

    @property
    def models(self) -> list[str]:
        """The chosen models or, without any, the model under the cursor; the form shows their recipe."""
        models = self.query_one(ModelList)
        return models.chosen or [models.at_cursor.name]

    def configs(self) -> list[TrainingConfig]:
        """Return a config for every chosen model.

        Raises:
            ConfigError: a setting is not valid.
        """
        return [self._config(name) for name in self.query_one(ModelList).chosen]

    def _config(self, model: str) -> TrainingConfig:
        return resolve({**self.form.values(), "data": str(self.data or "DATA"), "model": model})

    @property
    def obstacle(self) -> str:
        """What the user must do before starting; empty if nothing is missing."""
        chosen = self.query_one(ModelList).chosen
        if self.data is None:
            return f"open a data set first: {tab_label(self, 'data')}"
        if self.errors:
            return f"{ERROR_SIGN} fix: {', '.join(map(setting_label, self.errors))}"
        return "" if chosen else "choose a model: press space or click it"

    # Rendering

    @on(ModelList.Changed)
    @on(SettingsForm.Changed)
    def _on_changed(self) -> None:
        self.problem = ""
        self.show_later()

    def show_later(self) -> None:
        """Show everything after the next refresh, once for several changes."""
        if not self._is_stale:
            self._is_stale = True
            self.call_after_refresh(self.show)

    def show(self) -> None:
        """Validate the settings and show what depends on them and on the chosen models."""
        self._is_stale = False
        if not self.is_mounted or not self.is_open:
            return
        values = self.form.values()
        self.errors = {}
        for name in self.models:
            self.errors |= {
                key: text for key, text in validation_errors({**values, "model": name}).items() if key in values
            }
        self.fer.take_reading_settings({name: value for name, value in values.items() if name not in self.errors})
        with self.app.batch_update():
            self._show_defaults(values)
            self.form.show_errors(self.errors)
            self._show_times()
            self._show_command()
            self._show_help()
            self._show_state()
        self.refresh_bindings()

    def _show_defaults(self, values: dict[str, Any]) -> None:
        protocol = {name: values[name] for name in ("protocol",) if name in values and name not in self.errors}
        self.form.show_defaults(resolve({"data": "DATA", "model": self.models[0], **protocol}))

    def _show_command(self) -> None:
        configs = [] if self.errors else [self._config(name) for name in self.models]
        told = escape_control(train_command(*configs).replace("\n", " ; ")) if configs and self.data else ""
        self.query_one("#command", Static).update(f"$ {told}" if told else "")
        self.query_one("#command-scroll").display = bool(told)

    def _show_state(self) -> None:
        chosen = len(self.query_one(ModelList).chosen)
        obstacle = self.obstacle
        runs = "1 run" if chosen == 1 else f"{chosen} runs"
        if self.is_starting:
            text = f"Starting {runs} …"
        else:
            text = f"{ERROR_SIGN} {self.problem}" if self.problem else obstacle or f"{runs} on {self.data}"
        state = self.query_one("#start-state", Static)
        state.update(escape_control(text))
        state.styles.color = self.app.theme_variables["error"] if self.problem or self.errors else None
        state.tooltip = escape_control(text)
        button = self.query_one("#start", Button)
        button.disabled = bool(obstacle) or self.is_starting
        button.label = f"Start {runs} (s)" if chosen else "Start (s)"

    @on(SettingsForm.FocusChanged)
    def _show_help(self) -> None:
        if not self.is_mounted:
            return
        self.form.show_visited()
        name = self.form.focused_setting
        line = self.query_one("#setting-help", Static)
        line.set_class(name in self.errors, "-wrong")
        if name in self.errors:
            line.update(escape_control(f"{ERROR_SIGN} {self.errors[name]}"))
        else:
            line.update(escape_control(self.form.help_of(name)) if name else "")

    # Estimated time

    def _show_times(self) -> None:
        models = self.query_one(ModelList)
        spec = models.at_cursor
        times: dict[str, str] = {}
        basis = ""
        for row in range(models.row_count if self.data else 0):
            name = str(models.ordered_rows[row].key.value)
            try:
                config = self._config(name)
            except ConfigError:
                continue
            pace = estimate.past_pace(config, self.fer.runs or ()) or self.measured
            if pace is None:
                self._measure()
                continue
            times[name] = estimate.approximate_duration(estimate.epoch_seconds(config, self.fer.counts, pace))
            if name == spec.name:
                basis = f"About {times[name][1:]} per epoch, {pace.basis}."
        models.show_times(times)
        self.query_one("#model-note", Static).update(f"{spec.source}\n{basis}".strip())

    def _measure(self) -> None:
        if not self._is_measuring:
            self._is_measuring = True
            self.run_worker(self._measure_pace, thread=True, group="pace", name="pace")

    def _measure_pace(self) -> None:
        self.post_message(self.PaceMeasured(estimate.measure_pace()))

    @on(PaceMeasured)
    def _on_measured(self, message: PaceMeasured) -> None:
        self.measured = message.pace
        self.show_later()

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Enable the actions that are possible now."""
        if not self.is_mounted:
            return True
        if action == "start":
            return not self.obstacle and not self.is_starting
        if action == "copy":
            return self.data is not None and not self.errors
        if action == "reset":
            return bool(self.form.values())
        if action == "leave_field":
            return not isinstance(self.focused, ModelList)
        return True

    def action_edit(self) -> None:
        """Focus the first invalid setting or, without one, the preset."""
        wrong = next(iter(self.errors), "preset")
        self.query_one(f"#set-{wrong}").focus()

    def action_reset(self) -> None:
        """Reset every setting to the models' recipes."""
        self.form.set_values({})

    def action_leave_field(self) -> None:
        """Focus the list of models, so that digits switch modes again."""
        self.query_one(ModelList).focus()

    def action_copy(self) -> None:
        """Copy the equivalent command to the clipboard."""
        self.app.copy_to_clipboard(train_command(*(self._config(name) for name in self.models)))
        self.notify("The command is in the clipboard if the terminal supports it.", title="Copied", markup=False)

    @on(Button.Pressed, "#start")
    def action_start(self) -> None:
        """Check the data set, queue the runs and open the Runs screen."""
        if self.check_action("start", ()):
            self.is_starting, self.problem = True, ""
            self._show_state()
            self.run_worker(self._start(self.configs()), group="start", name="start")

    async def _start(self, configs: list[TrainingConfig]) -> None:
        try:
            await asyncio.to_thread(check_files, configs)
            await self.fer.submit(configs, detached=self.form.is_detached)
        except FerError as error:
            self.problem = f"{setting_label(error.field)}: {error.message}" if error.field else str(error)
        finally:
            self.is_starting = False
            self.show_later()
        if not self.problem:
            self.fer.state_store.update(train=self.form.values())
            self.query_one(ModelList).choose()
            self.fer.action_mode("runs")
