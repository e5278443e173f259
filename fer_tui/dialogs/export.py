"""The dialog that exports the comparison to a file or, in a browser, downloads it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, RadioButton, RadioSet, Static

from core.comparison.table import Row
from core.comparison.table_formats import format_table
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

FORMATS = {
    "csv": ("CSV", ".csv", "text/csv"),
    "markdown": ("Markdown", ".md", "text/markdown"),
    "latex": ("LaTeX", ".tex", "application/x-tex"),
    "json": ("JSON", ".json", "application/json"),
}


class FormatButton(RadioButton):
    """The button of a format; a marker shows whether it is chosen, readable without colour."""

    @property
    def BUTTON_INNER(self) -> str:
        """The marker."""
        return "●" if self.value else "○"


class ExportScreen(ModalScreen[str | None]):
    """Ask for a path and a format, and write the table; the result is the written path or the download's name.

    The app remembers both for the next export.
    """

    BINDING_GROUP_TITLE = "Export"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", id="export.cancel", tooltip="Write nothing"),
    ]
    AUTO_FOCUS = "#export-path"

    def __init__(self, rows: Sequence[Row]) -> None:
        """Store the rows to write, in their order."""
        super().__init__()
        self.rows = rows

    def compose(self) -> ComposeResult:
        """Yield the path field, the formats, the line for a problem and the buttons."""
        choice = self.fer.state_store.state.export
        verb = "Download" if self.app.is_web else "Export"
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = f"{verb} {len(self.rows)} rows"
            yield Static("File")
            if self.app.is_web:
                # The browser chooses the folder for downloads.
                yield SafeInput(Path(choice.path).name, id="export-path", compact=True, select_on_focus=False)
            else:
                yield PathInput(choice.path, id="export-path")
            yield Static("Format")
            with RadioSet(id="export-form", compact=True):
                for form, (title, *_) in FORMATS.items():
                    yield FormatButton(title, value=form == choice.form, name=form, compact=True)
            yield Static(id="export-problem", classes="problem", markup=False)
            with Horizontal(classes="buttons"):
                yield Button(verb, variant="primary", id="export", compact=True)
                yield Button(f"Cancel ({key_label(self, 'export.cancel')})", id="cancel", compact=True)

    @property
    def fer(self) -> Workbench:
        """The app, typed as `Workbench`."""
        return cast("Workbench", self.app)

    @property
    def chosen_format(self) -> str:
        """The name of the chosen format."""
        pressed = self.query_one(RadioSet).pressed_button
        return str(pressed.name) if pressed else "csv"

    @on(RadioSet.Changed)
    def _fit_ending(self) -> None:
        """Change the path's suffix to the format's, if it is the suffix of another format."""
        field = self.query_one(Input)
        path = Path(field.value)
        if path.suffix in {ending for _, ending, _ in FORMATS.values()}:
            field.value = str(path.with_suffix(FORMATS[self.chosen_format][1]))

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        """Write nothing."""
        self.dismiss(None)

    @on(Button.Pressed, "#export")
    @on(Input.Submitted)
    def _export(self) -> None:
        text = self.query_one(Input).value.strip()
        path = read_typed_path(text)
        if self.app.is_web:
            self._download(path.name)
        elif not text or path.is_dir():
            self._tell(f"{text}: this is a folder; enter the path of a file" if text else "enter the path of a file")
        elif path.exists():
            question = f"{escape_control(str(path))} exists.\nReplace it?"
            self.app.push_screen(ConfirmScreen(question, "Replace"), lambda yes: self._write(path) if yes else None)
        else:
            self._write(path)

    def _content(self) -> bytes:
        return to_utf8(format_table(self.rows, self.chosen_format))

    def _write(self, path: Path) -> None:
        try:
            write_output(path, self._content())
        except OSError as error:
            self._tell(f"{path}: {error.strerror}; enter a path that can be written")
            return
        self.fer.state_store.update(export=ExportChoice(form=self.chosen_format, path=str(path)))
        self.dismiss(str(path.absolute()))

    def _download(self, name: str) -> None:
        """Send the table to the browser; the path remembered for terminals does not change."""
        if not name:
            self._tell("enter a file name")
            return
        mime_type = FORMATS[self.chosen_format][2]
        self.app.deliver_binary(BytesIO(self._content()), save_filename=name, mime_type=mime_type)
        self.fer.state_store.update(export=replace(self.fer.state_store.state.export, form=self.chosen_format))
        self.dismiss(name)

    def _tell(self, problem: str) -> None:
        self.query_one("#export-problem", Static).update(escape_control(problem))
