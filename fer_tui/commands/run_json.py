"""A run as the commands print it for --json."""

from __future__ import annotations

from typing import Any

from core.config.protocol import PUBLISHED
from core.runs.progress import describe_silence
from core.runs.reader import RunSnapshot


def run_summary(run: RunSnapshot) -> dict[str, Any]:
    """Return a run as `runs --json` lists it: `epoch` is the number of complete epochs, `epochs` the configured one."""
    return {
        **_name(run),
        "protocol": run.config.get("protocol"),
        "state": run.state,
        "epoch": len(run.history),
        "epochs": run.config.get("epochs"),
        **_figures(run),
        "message": describe_silence(run) or run.message,
        "warnings": [warning["code"] for warning in run.warnings],
    }


def run_result(run: RunSnapshot) -> dict[str, Any]:
    """Return a run's result as the training commands print it: `epochs` is the number of complete epochs."""
    result = {
        **_name(run),
        "state": run.state,
        "epochs": len(run.history),
        "accuracy": (run.kept_epoch() or {}).get("accuracy"),
        **_figures(run),
        "warnings": run.warnings,
        "message": run.message,
    }
    if run.config.get("protocol") == PUBLISHED.name:
        result["val_accuracy_whole"] = run.metrics.get("accuracy")
    return result


def _name(run: RunSnapshot) -> dict[str, Any]:
    return {"run": run.name, "path": str(run.path.absolute()), "model": run.model}


def _figures(run: RunSnapshot) -> dict[str, Any]:
    """Return the metrics of the kept epoch, and the time of all epochs in seconds."""
    kept = run.kept_epoch() or {}
    return {
        "val_accuracy": kept.get("val_accuracy"),
        "val_loss": kept.get("val_loss"),
        "seconds": round(run.seconds, 1),
    }
