"""What a tracker is, and the figures of a run that trackers are given."""

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


# Figures of an evaluation that are numbers; the names under which trackers have them begin with "evaluation/".
EvaluationMetric = Literal[
    "accuracy", "balanced_accuracy", "macro_f1", "loss", "majority_accuracy", "leak_free_accuracy"
]
EVALUATED: tuple[EvaluationMetric, ...] = get_args(EvaluationMetric)


class Tracker(Protocol):
    """What keeps a run elsewhere; each call tells what the one before did not."""

    def log_epochs(self, run: RunSnapshot) -> None:
        """Log the epochs that came since the last call; with the first one, all."""
        ...

    def log_end(self, run: RunSnapshot) -> str:
        """Log the evaluation, where there is one, and that the run has ended; where it can be looked at."""
        ...


def epoch_metrics(row: Mapping[str, float]) -> Iterator[tuple[str, float]]:
    """The figures of an epoch by the names that trackers have them under."""
    for name in HISTORY_COLUMNS[1:]:
        value = row.get(name, float("nan"))
        if np.isfinite(value):
            yield f"epoch/{name}", float(value)


def evaluation_metrics(run: RunSnapshot) -> dict[str, float]:
    """The figures of a run's evaluation by the names that trackers have them under; empty before there is one."""
    figures = {name: run.metrics.get(name) for name in EVALUATED}
    return {f"evaluation/{name}": float(value) for name, value in figures.items() if value is not None}


def confusion_matrix_image(run: RunSnapshot) -> Image.Image | None:
    """The run's confusion matrix as a picture; None before there is one."""
    evaluation = parse_evaluation(run.evaluation)
    return draw_confusion_matrix(evaluation.classes, evaluation.matrix) if evaluation else None
