"""Show progress on stderr: a Rich bar on a terminal, else one line for each epoch. It is read from run directories."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from core.runs.progress import EpochLines, describe_ending, describe_silence, format_metrics
from core.runs.reader import FINAL_STATES, RunSnapshot, read_run
from fer_tui.console import output

TICK = 0.25
REPORT_IMAGES = 256


class Display(Protocol):
    """Shows the progress of runs."""

    def show(self, run: RunSnapshot, *, has_ended: bool) -> None:
        """Show the newest snapshot of the current run; `has_ended` marks the last one."""
        ...


def follow(runs: Sequence[Path], working: Callable[[], bool], began: float) -> None:
    """Show the progress of runs, in order, until all have ended or the worker has stopped.

    Args:
        runs: the run directories.
        working: returns whether the worker is alive.
        began: the worker's start time in seconds since 1970. The worker resumes a run that ended before this time.
    """
    with _display() as display:
        position, silent = 0, -1
        while position < len(runs):
            alive = working()
            snapshot = read_run(runs[position])
            if silent < position and (silence := describe_silence(snapshot)):
                silent = position
                output.print_message(f"{snapshot.name}: {silence}")
            # A run that this process has queued is never "interrupted": its process is alive.
            has_ended = _has_ended(snapshot) and (snapshot.status.get("heartbeat") or 0) >= began
            display.show(snapshot, has_ended=has_ended)
            if has_ended:
                position += 1
            elif not alive:
                break
            else:
                time.sleep(TICK)


def _has_ended(run: RunSnapshot) -> bool:
    # "interrupted" is not a stored state: the worker may be about to resume the run.
    return run.state in FINAL_STATES and run.state != "interrupted"


@contextlib.contextmanager
def _display() -> Iterator[Display]:
    if not output.on_terminal(output.message_stream()):
        yield _Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[said]}", markup=False),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(file=output.message_stream(), highlight=False)) as progress:
        yield _Bars(progress)


class _Lines:
    """Prints one line for each epoch and one at the end of a run."""

    def __init__(self) -> None:
        self._epochs = EpochLines()

    def show(self, run: RunSnapshot, *, has_ended: bool) -> None:
        for line in self._epochs.new(run):
            output.print_message(line)
        if has_ended:
            output.print_message(format_ending(run))


class _Bars:
    """Shows one bar for each run with the progress of its current epoch; the bar remains after the run ends."""

    def __init__(self, progress: object) -> None:
        from rich.progress import Progress, TaskID

        assert isinstance(progress, Progress)
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def show(self, run: RunSnapshot, *, has_ended: bool) -> None:
        if run.name not in self._tasks:
            self._tasks[run.name] = self._progress.add_task(run.model, total=None, said="")
        epoch, epochs = run.status.get("epoch") or 0, run.config.get("epochs")
        batch, batches = run.status.get("batch") or 0, run.status.get("batches")
        last = format_metrics(run.history[-1]) if run.history else ""
        self._progress.update(
            self._tasks[run.name],
            description=f"{run.model}  epoch {epoch}/{epochs}",
            total=batches,
            completed=batch,
            said=output.escape_control(run.message or last),
        )
        if has_ended:
            self._progress.update(self._tasks[run.name], total=1, completed=1, said=run.state)
            self._progress.stop_task(self._tasks[run.name])
            self._progress.console.print(output.escape_control(format_ending(run)), markup=False, soft_wrap=True)


def format_ending(run: RunSnapshot) -> str:
    """Format how a run ended: its state, accuracy and message, and how to resume it. A failure reads as an error."""
    start = "fer-tui: " if run.state in ("failed", "diverged", "interrupted") else ""
    return start + describe_ending(run, f"resume it with 'fer-tui resume {run.name}'")


@contextlib.contextmanager
def progress_bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show a progress bar up to `total`; show nothing if stderr is not a terminal."""
    if not output.on_terminal(output.message_stream()):
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(file=output.message_stream()), transient=True) as progress:
        task = progress.add_task(what, total=total)

        def show(done: int) -> None:
            if done % REPORT_IMAGES == 0:
                progress.update(task, completed=done)

        yield show
