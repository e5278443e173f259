"""Which labels a model doubts most, from what runs said to images that they were not trained on."""

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
from core.system import extras


@dataclass(frozen=True)
class LabelIssue:
    """An image whose label may be wrong.

    Attributes:
        path: relative to the data set's root.
        label: its label.
        suggested: the class that the model finds likeliest.
        quality: how well the label fits, 0 to 1: its probability by the model.
        probabilities: of every class by the model, likeliest first.
    """

    path: str
    label: str
    suggested: str
    quality: float
    probabilities: Mapping[str, float]


def find_label_issues(runs: Iterable[Path]) -> list[LabelIssue]:
    """All images that some runs were validated on, those whose label is doubted most first.

    Args:
        runs: run directories with a predictions.csv each, such as the parts of a k-fold.

    Raises:
        RunError: cleanlab is not installed, or a run's predictions are missing or damaged.

    Source:
        Northcutt, Jiang and Chuang 2021, Confident Learning, arXiv:1911.00068; cleanlab's label quality score
        `self_confidence`.
    """
    if not extras.is_installed("review"):
        raise RunError(f"cleanlab, which judges labels, is not installed; {extras.install_command('review')}")
    return sorted((issue for run in runs for issue in _find_run_label_issues(run)), key=lambda issue: issue.quality)


def _find_run_label_issues(run: Path) -> list[LabelIssue]:
    from cleanlab.rank import get_label_quality_scores

    said = read_predictions(run)
    shares = np.array([list(each.probabilities.values()) for each in said])
    are_known = all(each.label in each.probabilities for each in said)
    if not said or not are_known or not np.isfinite(shares).all() or not shares.any(axis=1).all():
        raise RunError(f"{run / PREDICTIONS}: is damaged; train the model again")
    classes = list(said[0].probabilities)
    given = np.array([classes.index(each.label) for each in said])
    quality = get_label_quality_scores(given, shares / shares.sum(axis=1, keepdims=True), method="self_confidence")
    return [
        LabelIssue(each.path, each.label, each.predicted, score, _ranked(each.probabilities))
        for each, score in zip(said, quality.tolist(), strict=True)
    ]


def _ranked(shares: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(shares.items(), key=lambda pair: -pair[1]))


def fold_configs(config: TrainingConfig, folds: int) -> list[TrainingConfig]:
    """The settings of a run for each of several parts of train: the run's own, validated on that part."""
    settings = config.model_dump()
    return [resolve({**settings, "fold": f"{fold}/{folds}"}) for fold in range(1, folds + 1)]


def newest_run_per_config(configs: Sequence[TrainingConfig], folder: Path) -> list[RunSnapshot | None]:
    """The newest run of each config in RUNS, a completed one before others; None where there is none."""
    runs = sorted(map(read_run, list_runs(folder)), key=lambda run: run.state != "completed")
    wanted = [config.model_dump(mode="json") for config in configs]
    return [next((run for run in runs if run.config == each), None) for each in wanted]


def k_fold_run_paths(run: RunSnapshot, folder: Path) -> list[Path]:
    """A run, and the completed ones that judge the other parts of train with its settings, where it is one of parts.

    Raises:
        RunError: its config can't be read.
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
