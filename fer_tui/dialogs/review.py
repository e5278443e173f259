"""The dialog to review labels that may be wrong, one image after another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.markup import escape
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from core.data.corrections import EXCLUDE, KEEP, RELABEL, ReviewDecision, decisions_to_csv, read_decisions
from core.errors import FerError
from core.runs.predictions import matching_dataset
from core.runs.reader import RunSnapshot
from core.system import files
from fer_tui.console.output import escape_control
from fer_tui.key_labels import key_label
from fer_tui.widgets.face_grid import Face, FaceGrid
from fer_tui.widgets.menu import MenuScreen
from fer_tui.widgets.probability_bars import ProbabilityBars
from fer_tui.widgets.run_names import model_and_name

if TYPE_CHECKING:
    from core.data.dataset import Dataset
    from core.evaluation.label_review import LabelIssue

FILE = "decisions.csv"
BUTTONS = ("Keep", "Exclude", "Relabel", "Other", "Close")


class ReviewScreen(ModalScreen[None]):
    """Show a face with its label and the predicted probabilities; save every decision at once."""

    CSS_PATH = "../screens/inspect.tcss"
    BINDING_GROUP_TITLE = "Review"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "decide('keep')", "Keep", id="review.keep", tooltip="Keep the label"),
        Binding("x", "decide('exclude')", "Exclude", id="review.exclude", tooltip="Exclude the image from training"),
        Binding(
            "r", "decide('relabel')", "Relabel", id="review.relabel", tooltip="Change the label to the suggested class"
        ),
        Binding("o", "other", "Other", id="review.other", tooltip="Change the label to another class"),
        Binding("right,n", "step(1)", "Next", show=False, id="review.next", tooltip="Next image"),
        Binding("left,p", "step(-1)", "Previous", show=False, id="review.previous", tooltip="Previous image"),
        Binding("escape", "dismiss(None)", "Close", id="review.close", tooltip="Close and return to the run"),
    ]

    class Read(Message):
        """The worker has read the label issues, the earlier decisions and the data set."""

        def __init__(
            self, issues: Sequence[LabelIssue], decisions: Mapping[str, ReviewDecision], dataset: Dataset
        ) -> None:
            super().__init__()
            self.issues, self.decisions, self.dataset = issues, decisions, dataset

    class Failed(Message):
        """The worker found nothing to review; `text` gives the reason."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Decoded(Message):
        """The worker has decoded a face; None if the image can't be read."""

        def __init__(self, at: int, face: Face | None) -> None:
            super().__init__()
            self.at, self.face = at, face

    def __init__(self, run: RunSnapshot) -> None:
        """Store the run, which must have predictions."""
        super().__init__()
        self.run = run
        self.issues: Sequence[LabelIssue] = ()
        self.decisions: dict[str, ReviewDecision] = {}
        self.dataset: Dataset | None = None
        self.index = 0

    def compose(self) -> ComposeResult:
        """Yield the status line, the face, the probabilities, the decisions so far and the buttons."""
        with Vertical(classes="dialog") as dialog:
            dialog.border_title = escape(f"Labels to review: {model_and_name(self.run)}")
            yield Static("Searching for label issues …", id="review-state", markup=False)
            with Horizontal(id="reviewed"):
                yield FaceGrid(id="reviewed-face")
                yield ProbabilityBars(id="reviewed-shares")
            yield Static(id="review-file", markup=False)
            with Horizontal(classes="buttons"):
                for title in BUTTONS:
                    action = title.lower()
                    yield Button(f"{title} ({key_label(self, f'review.{action}')})", id=action, compact=True)

    def on_mount(self) -> None:
        """Search for label issues in a worker thread."""
        self.run_worker(self._read, thread=True, group="review", name="review")

    # In the worker threads: they change no widget and only post messages

    def _read(self) -> None:
        from core.evaluation.label_review import find_label_issues, k_fold_run_paths
        from core.runs.run_dataset import read_run_dataset

        run = self.run
        try:
            dataset = read_run_dataset(run)
            found = matching_dataset(find_label_issues(k_fold_run_paths(run, run.path.parent)), dataset)
            if not found:
                raise FerError(f"{dataset.root}: none of the run's images is still there in the same class")
            self.post_message(self.Read(found, read_decisions(run.path / FILE), dataset))
        except FerError as error:
            self.post_message(self.Failed(str(error)))

    def _decode(self, at: int, issue: LabelIssue, dataset: Dataset) -> None:
        from core.data.images import ImageError

        try:
            face = Face("", dataset.image(issue.path))
        except ImageError:
            face = None
        self.post_message(self.Decoded(at, face))

    # On the event loop

    @on(Failed)
    def _on_failed(self, message: Failed) -> None:
        self._show_status(message.text, "error")

    @on(Read)
    def _on_read(self, message: Read) -> None:
        self.issues, self.dataset = message.issues, message.dataset
        self.decisions = dict(message.decisions)
        undecided = (at for at, issue in enumerate(self.issues) if issue.path not in self.decisions)
        self._show(next(undecided, 0))

    @on(Decoded)
    def _on_decoded(self, message: Decoded) -> None:
        if message.at == self.index:
            self.query_one(FaceGrid).show([message.face] if message.face else [])

    @property
    def current_issue(self) -> LabelIssue | None:
        """The shown image's label issue; None if there are none."""
        return self.issues[self.index] if self.issues else None

    def _show(self, at: int) -> None:
        self.index = at
        issue, dataset = self.current_issue, self.dataset
        if issue is None or dataset is None:
            return
        self.query_one(ProbabilityBars).show(issue.probabilities)
        self.run_worker(lambda: self._decode(at, issue, dataset), thread=True, group="review", name="face")
        self._show_current_issue()

    def _show_current_issue(self) -> None:
        issue = self.current_issue
        if issue is None:
            return
        decision = self.decisions.get(issue.path)
        decided = f"   {decision.decision} {decision.new_label}".rstrip() if decision else ""
        classes = f"label {issue.label}, suggested {issue.suggested}"
        self._show_status(f"{self.index + 1:,} of {len(self.issues):,}   {classes}{decided}\n{issue.path}")
        self.query_one("#review-file", Static).update(escape_control(self._counted()))

    def _counted(self) -> str:
        """Return the number of decisions of each kind and the path of their file."""
        if not self.decisions:
            return "No decisions yet. Every decision is saved at once."
        kinds = [each.decision for each in self.decisions.values()]
        counts = ", ".join(f"{kinds.count(kind):,} {kind}" for kind in (KEEP, EXCLUDE, RELABEL) if kind in kinds)
        return f"{counts}: {self.run.path / FILE}, for --exclude and --relabel"

    def _show_status(self, text: str, style: str = "foreground") -> None:
        colour = self.app.theme_variables[style]
        shown = "\n".join(map(escape_control, text.split("\n")))
        self.query_one("#review-state", Static).update(Text(shown, style=colour))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Enable the decisions once an image is shown."""
        return action == "dismiss" or bool(self.issues)

    @on(Button.Pressed)
    def _pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "close":
            self.dismiss(None)
        elif event.button.id == "other":
            self.action_other()
        elif event.button.id:
            self.action_decide(event.button.id)

    def action_step(self, direction: int) -> None:
        """Show the next (1) or the previous (-1) image."""
        self._show(min(max(self.index + direction, 0), len(self.issues) - 1))

    def action_decide(self, decision: str) -> None:
        """Keep the label, exclude the image, or change the label to the suggested class."""
        if self.current_issue:
            self._decide(decision, self.current_issue.suggested if decision == RELABEL else "")

    def action_other(self) -> None:
        """Open the menu of classes."""
        if self.current_issue:
            classes = [(name, name) for name in sorted(self.current_issue.probabilities)]
            self.app.push_screen(MenuScreen("Correct label", classes, self.current_issue.label), self._relabel)

    def _relabel(self, name: str | None) -> None:
        if name is not None and self.current_issue:
            self._decide(
                KEEP if name == self.current_issue.label else RELABEL, "" if name == self.current_issue.label else name
            )

    def _decide(self, decision: str, new_label: str) -> None:
        """Save the decision and show the next image."""
        issue = self.current_issue
        if issue is None:
            return
        decisions = {**self.decisions, issue.path: ReviewDecision(issue.path, issue.label, decision, new_label)}
        try:
            files.write_bytes(self.run.path / FILE, decisions_to_csv(list(decisions.values())))
        except OSError as error:
            self._show_status(f"{self.run.path / FILE}: {error.strerror}; it must be writable", "error")
            return
        self.decisions = decisions
        self.action_step(1)
