"""The interface of trackers, and the metrics of a run that trackers log."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal, Protocol, get_args

import numpy as np

from core.export.confusion_image import draw_confusion_matrix
from core.runs.history import HISTORY_COLUMNS
from core.runs.predictions import parse_evaluation
from core.runs.reader import RunSnapshot

if TYPE_CHECKING:
    from PIL import Image


# The numeric metrics of an evaluation. Trackers log them with the prefix "evaluation/".
EvaluationMetric = Literal[
    "accuracy", "balanced_accuracy", "macro_f1", "loss", "majority_accuracy", "leak_free_accuracy"
]
EVALUATED: tuple[EvaluationMetric, ...] = get_args(EvaluationMetric)


class Tracker(Protocol):
    """A tool that stores a copy of a run. Each call logs only what earlier calls did not."""

    def log_epochs(self, run: RunSnapshot) -> None:
        """Log the epochs since the last call. The first call logs all epochs."""
        ...

    def log_end(self, run: RunSnapshot) -> str:
        """Log the evaluation, if there is one, and the end of the run. Return where the user can view it."""
        ...


def epoch_metrics(row: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """Yield the name and the value of an epoch's metrics, as trackers log them."""
    for name in HISTORY_COLUMNS[1:]:
        value = row.get(name, float("nan"))
        if np.isfinite(value):
            yield f"epoch/{name}", float(value)


def evaluation_metrics(run: RunSnapshot) -> dict[str, float]:
    """Return the metrics of a run's evaluation by name, as trackers log them; empty without an evaluation."""
    figures = {name: run.metrics.get(name) for name in EVALUATED}
    return {f"evaluation/{name}": float(value) for name, value in figures.items() if value is not None}


def confusion_matrix_image(run: RunSnapshot) -> Image.Image | None:
    """Draw the run's confusion matrix; None without an evaluation."""
    evaluation = parse_evaluation(run.evaluation)
    return draw_confusion_matrix(evaluation.classes, evaluation.matrix) if evaluation else None
