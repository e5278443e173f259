"""The progress of a run."""

from __future__ import annotations

import statistics

from core.runs.reader import RunSnapshot


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
