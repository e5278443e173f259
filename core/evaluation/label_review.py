"""Find probable label errors from predictions for images that the model was not trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.config.setting_syntax import parse_fold
from core.config.training_config import TrainingConfig, resolve
from core.errors import RunError
from core.runs.names import PREDICTIONS
from core.runs.predictions import read_predictions
from core.runs.reader import RunSnapshot, list_runs, read_run
from core.runs.resume import load_config


@dataclass(frozen=True)
class LabelIssue:
    """An image whose label may be wrong.

    Attributes:
        path: the image's path, relative to the data set's root.
        label: the image's label.
        suggested: the class that the model predicts.
        quality: the predicted probability of the label, 0 to 1.
        probabilities: the predicted probabilities of all classes, in descending order.
    """

    path: str
    label: str
    suggested: str
    quality: float
    probabilities: Mapping[str, float]


def find_label_issues(runs: Iterable[Path]) -> list[LabelIssue]:
    """Score the labels of all images that the runs were validated on.

    Args:
        runs: run directories with a predictions.csv, for example all folds of a k-fold cross-validation.

    Returns:
        All validation images, sorted by ascending label quality.

    Raises:
        RunError: a run's predictions are missing or damaged.

    Source:
        Northcutt, Jiang and Chuang 2021, Confident Learning, arXiv:1911.00068. The label quality is cleanlab's
        `self_confidence`: the predicted probability of the label.
    """
    return sorted((issue for run in runs for issue in _find_run_label_issues(run)), key=lambda issue: issue.quality)


def _find_run_label_issues(run: Path) -> list[LabelIssue]:
    predictions = read_predictions(run)
    probabilities = np.array([list(each.probabilities.values()) for each in predictions])
    are_known = all(each.label in each.probabilities for each in predictions)
    if not predictions or not are_known or not np.isfinite(probabilities).all() or not probabilities.any(axis=1).all():
        raise RunError(f"{run / PREDICTIONS}: the file is damaged; train the model again")
    classes = list(predictions[0].probabilities)
    given = np.array([classes.index(each.label) for each in predictions])
    quality = probabilities[np.arange(len(given)), given] / probabilities.sum(axis=1)
    return [
        LabelIssue(each.path, each.label, each.predicted, score, _ranked(each.probabilities))
        for each, score in zip(predictions, quality.tolist(), strict=True)
    ]


def _ranked(probabilities: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(probabilities.items(), key=lambda pair: -pair[1]))


def fold_configs(config: TrainingConfig, folds: int) -> list[TrainingConfig]:
    """Return a run's settings for each fold of a k-fold cross-validation.

    Args:
        config: the run's settings.
        folds: the number of folds.
    """
    settings = config.model_dump()
    return [resolve({**settings, "fold": f"{fold}/{folds}"}) for fold in range(1, folds + 1)]


def newest_run_per_config(configs: Sequence[TrainingConfig], folder: Path) -> list[RunSnapshot | None]:
    """Return the newest run of each config, preferring completed runs; None for a config without a run.

    Args:
        configs: the configs to find runs for.
        folder: the folder of the runs.
    """
    runs = sorted(map(read_run, list_runs(folder)), key=lambda run: run.state != "completed")
    wanted = [config.model_dump(mode="json") for config in configs]
    return [next((run for run in runs if run.config == each), None) for each in wanted]


def k_fold_run_paths(run: RunSnapshot, folder: Path) -> list[Path]:
    """Return a run and, if it is a fold of a cross-validation, the completed runs of the other folds.

    Args:
        run: the run.
        folder: the folder of the runs.

    Raises:
        RunError: the run's config can't be read.
    """
    if not run.config.get("fold"):
        return [run.path]
    config = load_config(run.path)
    part, parts = parse_fold(str(config.fold))
    others = [each for each in fold_configs(config, parts) if each.fold != f"{part}/{parts}"]
    return [
        run.path,
        *(found.path for found in newest_run_per_config(others, folder) if found and found.state == "completed"),
    ]
