"""The dialog that exports a table to a file or, in a browser, downloads it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, RadioButton, RadioSet, Static

from core.comparison.table import Row
from core.comparison.table_formats import ENDINGS, find_format, format_table
from core.errors import ConfigError, pluralize
from core.system.files import to_utf8, write_output
from fer_tui.console.output import escape_control
from fer_tui.dialogs.confirm import ConfirmScreen
from fer_tui.key_labels import key_label
from fer_tui.state.app_state import ExportChoice
from fer_tui.widgets.path_input import PathInput
from fer_tui.widgets.safe_input import SafeInput
from fer_tui.widgets.typed_path import read_typed_path

if TYPE_CHECKING:
    from fer_tui.state.workbench import Workbench

# The label and the MIME type of each format.
FORMATS = {
    "csv": ("CSV", "text/csv"),
    "markdown": ("Markdown", "text/markdown"),
    "latex": ("LaTeX", "application/x-tex"),
    "json": ("JSON", "application/json"),
}


class FormatButton(RadioButton):
    """The button of a format; a marker shows whether it is chosen, readable without colour."""

    @property
    def BUTTON_INNER(self) -> str:
        """The marker."""
        return "●" if self.value else "○"


class ExportScreen(ModalScreen[str | None]):
    """Ask for a path and a format, and write the table; the result is the written path or the download's name.

    The path's ending and the chosen format always agree: a change of one changes the other. The app remembers both for
    the next export.
    """

    BINDING_GROUP_TITLE = "Export"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", id="export.cancel", tooltip="Write nothing"),
    ]
    AUTO_FOCUS = "#export-path"

    def __init__(
        self,
        rows: Sequence[Row],
        format_rows: Callable[[Sequence[Row], str], str] = format_table,
        remembered: str = "export",
    ) -> None:
        """Store what to write.

        Args:
            rows: the rows in their order.
            format_rows: formats the rows in the format of that name.
            remembered: the field of `AppState` with the last choices for this kind of table.
        """
        super().__init__()
        self.rows = rows
        self._format_rows = format_rows
        self._remembered = remembered

    def compose(self) -> ComposeResult:
        """Yield the path field, the formats, the line for a problem and the buttons."""
        choice = self.choice
        verb = "Download" if self.app.is_web else "Export"
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = f"{verb} {pluralize(len(self.rows), 'row')}"
            yield Static("File")
            if self.app.is_web:
                # The browser chooses the folder for downloads.
                yield SafeInput(Path(choice.path).name, id="export-path", compact=True, select_on_focus=False)
            else:
                yield PathInput(choice.path, id="export-path")
            yield Static("Format")
            with RadioSet(id="export-form", compact=True):
                first = _ending_format(choice.path) or choice.form
                for form, (title, _) in FORMATS.items():
                    yield FormatButton(title, value=form == first, name=form, compact=True)
            yield Static(id="export-problem", classes="problem", markup=False)
            with Horizontal(classes="buttons"):
                yield Button(verb, variant="primary", id="export", compact=True)
                yield Button(f"Cancel ({key_label(self, 'export.cancel')})", id="cancel", compact=True)

    @property
    def fer(self) -> Workbench:
        """The app, typed as `Workbench`."""
        return cast("Workbench", self.app)

    @property
    def choice(self) -> ExportChoice:
        """The last choices for this kind of table."""
        return getattr(self.fer.state_store.state, self._remembered)

    @on(RadioSet.Changed)
    def _fit_ending(self, event: RadioSet.Changed) -> None:
        """Change the path's ending to the chosen format's, if it is the ending of another format."""
        field, chosen = self.query_one(Input), str(event.pressed.name)
        if _ending_format(field.value) not in (None, chosen):
            ending = next(known for known, form in ENDINGS.items() if form == chosen)
            field.value = str(Path(field.value).with_suffix(ending))

    @on(Input.Changed)
    def _fit_format(self, event: Input.Changed) -> None:
        """Choose the format that the path's ending stands for."""
        form = _ending_format(event.value)
        for button in self.query(FormatButton):
            if button.name == form:
                # The path may have changed again before RadioSet.Changed arrives, which would change it back.
                with self.prevent(RadioSet.Changed):
                    button.value = True

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        """Write nothing."""
        self.dismiss(None)

    @on(Button.Pressed, "#export")
    @on(Input.Submitted)
    def _export(self) -> None:
        text = self.query_one(Input).value.strip()
        path = read_typed_path(text)
        if not path.name:
            self._tell("enter a file name" if self.app.is_web else "enter the path of a file")
            return
        if path.is_dir() and not self.app.is_web:
            self._tell(f"{text}: this is a folder; enter the path of a file")
            return
        try:
            form = find_format(path)
        except ConfigError as error:
            self._tell(error.message)
            return
        if self.app.is_web:
            self._download(path.name, form)
        elif path.exists():
            question = f"{escape_control(str(path))} exists.\nReplace it?"
            self.app.push_screen(
                ConfirmScreen(question, "Replace"), lambda yes: self._write(path, form) if yes else None
            )
        else:
            self._write(path, form)

    def _content(self, form: str) -> bytes:
        return to_utf8(self._format_rows(self.rows, form))

    def _write(self, path: Path, form: str) -> None:
        try:
            write_output(path, self._content(form))
        except OSError as error:
            self._tell(f"{path}: {error.strerror}; enter a path that can be written")
            return
        self.fer.state_store.update(**{self._remembered: ExportChoice(form=form, path=str(path))})
        self.dismiss(str(path.absolute()))

    def _download(self, name: str, form: str) -> None:
        """Send the table to the browser; the path remembered for terminals does not change."""
        self.app.deliver_binary(BytesIO(self._content(form)), save_filename=name, mime_type=FORMATS[form][1])
        self.fer.state_store.update(**{self._remembered: replace(self.choice, form=form)})
        self.dismiss(name)

    def _tell(self, problem: str) -> None:
        self.query_one("#export-problem", Static).update(escape_control(problem))


def _ending_format(path: str) -> str | None:
    """Return the format that a path's ending stands for; None for other endings."""
    return ENDINGS.get(Path(path).suffix.lower())


def notify_exported(app: App[Any], path: str | None) -> None:
    """Notify about the result of an `ExportScreen`, unless the user has cancelled it."""
    if path:
        app.notify(escape_control(path), title="Downloaded" if app.is_web else "Written", markup=False)
