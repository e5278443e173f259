"""The progress of a run, in numbers and in lines of text."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping

from core.runs.reader import RunSnapshot
from core.system.processes import HEARTBEAT_LIMIT


def time_left(run: RunSnapshot) -> float | None:
    """Estimate the seconds until the last epoch ends, by the median of the last three; None before the first."""
    epochs, done = run.config.get("epochs"), len(run.history)
    took = [row["seconds"] for row in run.history[-3:] if row["seconds"] == row["seconds"]]
    if not took or epochs is None:
        return None
    batch, batches = run.status.get("batch"), run.status.get("batches")
    is_under_way = run.status.get("epoch") == done + 1
    part = min(batch / batches, 1) if is_under_way and batch is not None and batches else 0
    return max(epochs - done - part, 0) * statistics.median(took)


def describe_silence(run: RunSnapshot) -> str:
    """Return a message about a run whose process gives no heartbeat for a minute; empty for any other run."""
    beat = run.status.get("heartbeat")
    if run.state not in ("queued", "running") or beat is None or time.time() - beat < HEARTBEAT_LIMIT:
        return ""
    pid, host = run.status.get("pid"), run.status.get("host")
    minutes = (time.time() - beat) // 60
    return (
        f"no sign of life for {minutes:.0f} min from process {pid} on {host}; if it does not continue, end it there "
        f"with 'kill -KILL {pid}'"
    )


def format_metrics(row: Mapping[str, float]) -> str:
    """Format an epoch's loss and accuracy, training and validation."""
    return (
        f"loss {row['loss']:.4f}  accuracy {row['accuracy']:.4f}  val_loss {row['val_loss']:.4f}  "
        f"val_accuracy {row['val_accuracy']:.4f}  {row['images_per_second']:,.0f} images/s"
    )


def describe_ending(run: RunSnapshot, advice: str) -> str:
    """Describe how a run ended in one line.

    Args:
        run: the ended run.
        advice: how to resume it, added where it can be resumed.
    """
    kept = run.kept_epoch()
    figure = f": val_accuracy {kept['val_accuracy']:.4f} in epoch {kept['epoch']:.0f}" if kept else ""
    message = f"; {run.message}" if run.message else ""
    remedy = f"; {advice}" if run.state in ("stopped", "failed", "interrupted") else ""
    return f"{run.name}  {run.state}{figure}{message}{remedy}"


class EpochLines:
    """A line for each new epoch of the runs shown."""

    def __init__(self) -> None:
        self._shown: dict[str, int] = {}

    def new(self, run: RunSnapshot) -> list[str]:
        """Return the lines of the epochs since the last call with this run; none at the first call.

        A resumed run's earlier epochs have no line. A resume from an older checkpoint drops epochs, which then get
        their lines again.
        """
        shown = min(self._shown.get(run.name, len(run.history)), len(run.history))
        self._shown[run.name] = len(run.history)
        return [
            f"{run.name}  epoch {row['epoch']:.0f}/{run.config.get('epochs')}  {format_metrics(row)}"
            for row in run.history[shown:]
        ]
