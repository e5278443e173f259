"""The Data screen: a data set's class counts, sample faces and audit findings."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from rich.text import Text
from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container, Horizontal, VerticalScroll
from textual.message import Message
from textual.widgets import Input, Static, TabbedContent, TabPane
from textual.worker import get_current_worker

from core.errors import FerError
from fer_tui.console.output import escape_control
from fer_tui.dialogs.ask_path import AskPathScreen
from fer_tui.key_labels import key_label, tab_label
from fer_tui.screens.mode_screen import ModeScreen
from fer_tui.state.loaded_model import Superseded
from fer_tui.widgets.class_bars import ClassBars
from fer_tui.widgets.face_grid import Face, FaceGrid
from fer_tui.widgets.path_input import PathInput

if TYPE_CHECKING:
    from core.data.dataset import Dataset, Problem

SAMPLE = 48
PER_CLASS = 200
PATHS_SHOWN = 50
REPORT_INTERVAL = 0.1
EMPTY = """No data set is open.

Press {open} and type the path of a folder of faces or of fer2013.csv. Tab completes it.

  FOLDER/train/happy/*.jpg      FOLDER/validation/happy/*.jpg
  FOLDER/train/sad/*.png        FOLDER/validation/sad/*.png

No data set yet?  Press {draw} to generate a small one with drawn faces."""


class DataScreen(ModeScreen):
    """Class counts, sample faces and audit findings of one data set."""

    MODE = "data"
    AUTO_FOCUS = ""
    BINDING_GROUP_TITLE = "Data set"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "open", "Open", id="data.open", tooltip="Type the path of a data set"),
        Binding("d", "draw", "Draw faces", id="data.draw", tooltip="Generate a small data set of drawn faces"),
        Binding("n", "new_faces", "New faces", id="data.new_faces", tooltip="Show another sample of faces"),
        Binding("c", "next_class", "Class", id="data.next_class", tooltip="Show only the next class, or all"),
        Binding("f", "findings", "Findings", id="data.findings", tooltip="Switch between the findings and the faces"),
        Binding("escape", "leave_field", "Leave", show=False, id="data.leave", tooltip="Leave the text field"),
    ]

    class StatusReported(Message):
        """The worker reports its progress or the problem that stopped it."""

        def __init__(self, job: int, text: str, *, is_problem: bool = False) -> None:
            super().__init__()
            self.job, self.text, self.is_problem = job, text, is_problem

    class DatasetRead(Message):
        """The worker has listed the data set's images."""

        def __init__(self, job: int, folder: Path, dataset: Dataset, counts: dict[str, dict[str, int]]) -> None:
            """`folder` is the path that the user gave. The reader may have found the data set's file in it."""
            super().__init__()
            self.job, self.folder, self.dataset, self.counts = job, folder, dataset, counts

    class FacesSampled(Message):
        """The worker has decoded a sample of faces."""

        def __init__(self, job: int, faces: Sequence[Face]) -> None:
            super().__init__()
            self.job, self.faces = job, faces

    class Audited(Message):
        """The worker has checked every image."""

        def __init__(self, job: int, problems: Sequence[Problem]) -> None:
            super().__init__()
            self.job, self.problems = job, problems

    class FacesDrawn(Message):
        """The worker has written the demo faces to disk."""

        def __init__(self, job: int, folder: Path) -> None:
            super().__init__()
            self.job, self.folder = job, folder

    def __init__(self) -> None:
        super().__init__()
        self.add_class("-empty")
        self.dataset: Dataset | None = None
        self.counts: dict[str, dict[str, int]] = {}
        self.problems: Sequence[Problem] = ()
        self.chosen_class: str | None = None
        self.sample_number = 0
        self.folder = Path()
        # The newest job, and the job whose data set is shown. Handlers ignore messages of other jobs.
        self.job = self.shown_job = 0
        self.read_with: Mapping[str, Any] = {}

    def compose_mode(self) -> ComposeResult:
        """Yield the path field, the status line and the data set's panes."""
        open_key = key_label(self, "data.open")
        with Horizontal(id="folder-line"):
            yield Static("Folder", id="folder-label")
            yield PathInput(id="folder", placeholder=f"press {open_key} to type the path of a folder or of fer2013.csv")
        yield Static(id="data-state", markup=False)
        empty = EMPTY.format(open=open_key, draw=key_label(self, "data.draw"))
        yield Static(empty, id="data-empty", markup=False)
        with Container(id="dataset"):
            with VerticalScroll(id="classes"):
                yield ClassBars(id="bars")
            with TabbedContent(id="data-tabs"):
                with TabPane("Faces", id="faces-pane"):
                    yield FaceGrid(id="faces")
                with TabPane("Findings", id="findings-pane"), VerticalScroll(id="findings-scroll"):
                    yield Static(id="findings", markup=False)

    def on_mount(self) -> None:
        """Read the data set of the command line or, without one, the last open data set."""
        folder = self.fer.data or self._last()
        if folder is not None:
            self.query_one("#folder", Input).value = str(folder)
            self.read(folder)

    def on_screen_resume(self, event: events.ScreenResume) -> None:
        """Read the data set again if its settings on Train have changed."""
        if self.dataset is not None and self.read_with != self.fer.reading_settings:
            self.read(self.folder)

    def _last(self) -> Path | None:
        """Return the path of the last open data set, or None if it no longer exists."""
        last = self.fer.state_store.state.data
        return Path(last) if last and os.path.exists(last) else None  # noqa: PTH110

    def repaint(self) -> None:
        """Draw the bars in the new theme's colours."""
        self._show_counts()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Enable the actions on faces and findings only while a data set is open."""
        if action in ("new_faces", "next_class", "findings"):
            return self.dataset is not None
        return True

    # The folder

    def action_open(self) -> None:
        """Focus the path field."""
        field = self.query_one("#folder", Input)
        field.focus()
        field.cursor_position = len(field.value)

    def action_leave_field(self) -> None:
        """Clear the focus, so that digits switch modes again."""
        self.set_focus(None)

    @on(Input.Submitted, "#folder")
    def _folder_given(self, event: Input.Submitted) -> None:
        if event.value.strip():
            self.set_focus(None)
            self.read(self.query_one("#folder", PathInput).path)

    def action_draw(self) -> None:
        """Ask for a folder and draw faces into it."""
        note = f"Draw {PER_CLASS} faces of each of seven expressions into a new folder:"
        self.app.push_screen(AskPathScreen("Draw faces", note, "faces", "Draw"), self._draw_into)

    def _draw_into(self, answer: str | None) -> None:
        if answer:
            self._begin(f"Drawing {7 * PER_CLASS:,} faces into {answer} …")
            job, folder = self.job, Path(answer)
            self.run_worker(lambda: self._draw(job, folder), thread=True, group="data", name="draw")

    def read(self, folder: Path) -> None:
        """Read a data set and check every image in a worker thread."""
        self._begin(f"Reading {folder} …")
        job, settings = self.job, self.fer.reading_settings
        self.read_with = settings
        self.run_worker(lambda: self._read(job, folder, settings), thread=True, group="data", name="read")

    def _begin(self, text: str) -> None:
        self.job += 1
        self._show_status(text)

    # In the worker thread: it changes no widget and only posts messages

    def _draw(self, job: int, folder: Path) -> None:
        from core.data.demo import write_faces

        try:
            write_faces(folder, PER_CLASS)
        except FerError as error:
            self.post_message(self.StatusReported(job, str(error), is_problem=True))
        else:
            self.post_message(self.FacesDrawn(job, folder))

    def _read(self, job: int, folder: Path, settings: Mapping[str, Any]) -> None:
        from core.data.audit import audit_dataset
        from core.data.dataset import counts_by_split
        from core.data.readers.reader_factory import read_dataset

        worker, told = get_current_worker(), time.monotonic()
        total = 0

        def progress(done: int) -> None:
            nonlocal told
            if job not in (self.job, self.shown_job) or worker.is_cancelled:
                raise Superseded
            if time.monotonic() - told >= REPORT_INTERVAL:
                told = time.monotonic()
                self.post_message(self.StatusReported(job, f"Checking the images: {done:,} of {total:,}"))

        try:
            dataset = read_dataset(folder, **settings)
            total = len(dataset.frame)
            self.post_message(self.DatasetRead(job, folder, dataset, counts_by_split(dataset.frame)))
            self.post_message(self.Audited(job, audit_dataset(dataset, progress)))
        except FerError as error:
            where = f" (a setting of {tab_label(self, 'train')})" if error.field in settings else ""
            self.post_message(self.StatusReported(job, f"{error}{where}", is_problem=True))
        except Superseded:
            pass

    def _sample(self, job: int, dataset: Dataset, label: str | None, draw: int) -> None:
        from core.data.sample import sample_images

        found = sample_images(dataset, SAMPLE, label, draw)
        self.post_message(self.FacesSampled(job, [Face(name, image) for name, image in found]))

    # On the event loop

    @on(StatusReported)
    def _on_status(self, message: StatusReported) -> None:
        if message.job == self.job:
            self._show_status(message.text, is_problem=message.is_problem)
            if message.is_problem and self.dataset is not None:
                self._show_folder()

    @on(FacesDrawn)
    def _on_drawn(self, message: FacesDrawn) -> None:
        if message.job == self.job:
            self.query_one("#folder", Input).value = str(message.folder)
            self.read(message.folder)

    @on(DatasetRead)
    def _on_read(self, message: DatasetRead) -> None:
        if message.job == self.job:
            self.shown_job, self.folder = message.job, message.folder
            self._show_folder()
            self.dataset, self.counts, self.problems = message.dataset, message.counts, ()
            self.chosen_class, self.sample_number = None, 0
            self.fer.state_store.update(data=str(message.dataset.root.absolute()))
            self.fer.data, self.fer.counts = message.dataset.root.absolute(), message.counts
            with self.app.batch_update():
                self.remove_class("-empty")
                self._show_counts()
                self._show_findings("The images are still being checked.")
            self._new_sample()
            self.refresh_bindings()

    @on(FacesSampled)
    def _on_sampled(self, message: FacesSampled) -> None:
        if message.job == self.shown_job:
            self.query_one(FaceGrid).show(message.faces)

    @on(Audited)
    def _on_audited(self, message: Audited) -> None:
        if message.job == self.shown_job:
            self.problems = message.problems
            self._show_findings("No findings.")
        # If another data set is being read, or could not be read, the status line is about that one.
        if message.job == self.job:
            images = sum(sum(split.values()) for split in self.counts.values())
            found = len(self.problems)
            found_text = "no findings" if not found else "1 finding" if found == 1 else f"{found} findings"
            parts = [f"{images:,} images", f"{len(self.query_one(ClassBars).class_names)} classes", found_text]
            settings = ", ".join(f"{name} {value}" for name, value in self.read_with.items())
            parts += [f"read with {settings} ({tab_label(self, 'train')})"] if settings else []
            self._show_status("   ".join(parts))

    def _show_status(self, text: str, *, is_problem: bool = False) -> None:
        state = self.query_one("#data-state", Static)
        state.set_class(is_problem, "-problem")
        state.update(escape_control(text))

    def _show_folder(self) -> None:
        """Name the data set that is shown, unless another name is being typed."""
        field = self.query_one("#folder", Input)
        if not field.has_focus:
            field.value = str(self.folder)

    def _show_counts(self) -> None:
        self.query_one(ClassBars).show(self.counts, self.chosen_class)

    def _show_findings(self, none: str) -> None:
        label = f"Findings ({len(self.problems)})" if self.problems else "Findings"
        self.query_one("#data-tabs", TabbedContent).get_tab("findings-pane").label = label
        self.query_one("#findings", Static).update(
            findings(self.problems) if self.problems else Text(none, style="dim")
        )

    def _new_sample(self) -> None:
        job, dataset, label, draw = self.shown_job, self.dataset, self.chosen_class, self.sample_number
        if dataset is not None:
            self.run_worker(lambda: self._sample(job, dataset, label, draw), thread=True, group="faces", name="faces")

    def action_new_faces(self) -> None:
        """Show another sample of faces."""
        self.sample_number += 1
        self.query_one("#data-tabs", TabbedContent).active = "faces-pane"
        self._new_sample()

    def action_next_class(self) -> None:
        """Show faces of the next class; after the last class, of all classes."""
        choices = [None, *self.query_one(ClassBars).class_names]
        self.chosen_class = choices[(choices.index(self.chosen_class) + 1) % len(choices)]
        self._show_counts()
        self.query_one("#data-tabs", TabbedContent).active = "faces-pane"
        self._new_sample()

    def action_findings(self) -> None:
        """Switch between faces and findings."""
        tabs = self.query_one("#data-tabs", TabbedContent)
        tabs.active = "faces-pane" if tabs.active == "findings-pane" else "findings-pane"


def findings(problems: Sequence[Problem]) -> Text:
    """Return every finding with at most PATHS_SHOWN of its paths."""
    text = Text()
    for problem in problems:
        text.append(f"{problem.kind.replace('_', ' ')}\n", style="bold")
        text.append(f"{escape_control(problem.message)}\n")
        for path in problem.paths[:PATHS_SHOWN]:
            text.append(f"  {escape_control(path)}\n", style="dim")
        if len(problem.paths) > PATHS_SHOWN:
            text.append(
                f"  and {len(problem.paths) - PATHS_SHOWN:,} more; 'fer-tui data check' lists all\n", style="dim"
            )
        text.append("\n")
    return text
