"""Progress on stderr: a Rich bar on a terminal, a line an epoch elsewhere; read from run directories alone."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

from core.runs import ENDED, RunSnapshot, read_run
from fer_tui import output

TICK = 0.25
REPORT_IMAGES = 256


class Display(Protocol):
    """Shows a run as its snapshots come."""

    def show(self, run: RunSnapshot) -> None:
        """Take the newest snapshot of the run under way."""
        ...


def follow(runs: Sequence[Path], working: Callable[[], bool]) -> None:
    """Show the runs, in order, until none is worked on any more.

    Args:
        runs: their directories.
        working: whether the worker still lives.
    """
    with _display() as display:
        position = 0
        while position < len(runs):
            alive = working()
            snapshot = read_run(runs[position])
            # A queued run of ours is "interrupted" to nobody: its process is this one.
            display.show(snapshot)
            if snapshot.state in ENDED and snapshot.state != "interrupted":
                position += 1
            elif not alive:
                break
            else:
                time.sleep(TICK)


@contextlib.contextmanager
def _display() -> Iterator[Display]:
    if not output.on_terminal(output.messages):
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
    with Progress(*columns, console=Console(file=output.messages, highlight=False)) as progress:
        yield _Bars(progress)


class _Lines:
    """A line an epoch and a line at the end."""

    def __init__(self) -> None:
        self._told: dict[str, int] = {}
        self._ended: set[str] = set()

    def show(self, run: RunSnapshot) -> None:
        told = self._told.setdefault(run.name, len(run.history) if run.state == "queued" else 0)
        for row in run.history[told:]:
            output.say(f"{run.name}  epoch {row['epoch']:.0f}/{run.config.get('epochs')}  {figures(row)}")
        self._told[run.name] = max(told, len(run.history))
        if run.state in ENDED and run.state != "interrupted" and run.name not in self._ended:
            self._ended.add(run.name)
            output.say(ending(run))


class _Bars:
    """A bar of the epoch under way for each run; the bar stays when the run has ended."""

    def __init__(self, progress: object) -> None:
        from rich.progress import Progress, TaskID

        assert isinstance(progress, Progress)
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._ended: set[str] = set()

    def show(self, run: RunSnapshot) -> None:
        if run.name not in self._tasks:
            self._tasks[run.name] = self._progress.add_task(run.model, total=None, said="")
        epoch, epochs = run.status.get("epoch") or 0, run.config.get("epochs")
        batch, batches = run.status.get("batch") or 0, run.status.get("batches")
        last = figures(run.history[-1]) if run.history else ""
        self._progress.update(
            self._tasks[run.name],
            description=f"{run.model}  epoch {epoch}/{epochs}",
            total=batches,
            completed=batch,
            said=output.visible(run.message or last),
        )
        if run.state in ENDED and run.state != "interrupted" and run.name not in self._ended:
            self._ended.add(run.name)
            self._progress.update(self._tasks[run.name], total=1, completed=1, said=run.state)
            self._progress.stop_task(self._tasks[run.name])
            self._progress.console.print(output.visible(ending(run)), markup=False, soft_wrap=True)


def figures(row: object) -> str:
    """An epoch's loss and accuracy, training and validation."""
    assert isinstance(row, dict)
    return (
        f"loss {row['loss']:.4f}  accuracy {row['accuracy']:.4f}  val_loss {row['val_loss']:.4f}  "
        f"val_accuracy {row['val_accuracy']:.4f}  {row['images_per_second']:,.0f} images/s"
    )


def ending(run: RunSnapshot) -> str:
    """How a run ended, with the advice that it left."""
    kept = run.kept_epoch()
    figure = f": val_accuracy {kept['val_accuracy']:.4f} in epoch {kept['epoch']:.0f}" if kept else ""
    message = f"; {run.message}" if run.message else ""
    remedy = f"; go on with 'fer-tui resume {run.name}'" if run.state in ("stopped", "failed") else ""
    return f"{run.name}  {run.state}{figure}{message}{remedy}"


@contextlib.contextmanager
def counting(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar for a count that goes up to `total`; nothing where stderr is no terminal."""
    if not output.on_terminal(output.messages):
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(file=output.messages), transient=True) as progress:
        task = progress.add_task(what, total=total)

        def show(done: int) -> None:
            if done % REPORT_IMAGES == 0:
                progress.update(task, completed=done)

        yield show
