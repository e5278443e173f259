"""Which labels a model doubts most, from what runs said to images that they were not trained on."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core import files
from core.config import TrainingConfig, resolve
from core.errors import RunError
from core.runs import RunSnapshot, list_runs, read_run

INSTALL = "pip install 'fer-tui[review]'"


@dataclass(frozen=True)
class Doubt:
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


def doubts(runs: Iterable[Path]) -> list[Doubt]:
    """All images that some runs were validated on, those whose label is doubted most first.

    Args:
        runs: run directories with a predictions.csv each, such as the parts of a k-fold.

    Raises:
        RunError: cleanlab is not installed, or a run's predictions are missing or damaged.

    Source:
        Northcutt, Jiang and Chuang 2021, Confident Learning, arXiv:1911.00068; cleanlab's label quality score
        `self_confidence`.
    """
    if find_spec("cleanlab") is None:
        raise RunError(f"cleanlab, which judges labels, is not installed; {INSTALL}")
    from cleanlab.rank import get_label_quality_scores

    found: list[Doubt] = []
    for run in runs:
        paths, labels, classes, shares = read_probabilities(run)
        given = np.array([classes.index(label) for label in labels])
        quality = get_label_quality_scores(given, shares / shares.sum(axis=1, keepdims=True), method="self_confidence")
        for path, label, score, row in zip(paths, labels, quality.tolist(), shares.tolist(), strict=True):
            ranked = dict(sorted(zip(classes, row, strict=True), key=lambda pair: -pair[1]))
            found.append(Doubt(path, label, next(iter(ranked)), score, ranked))
    return sorted(found, key=lambda doubt: doubt.quality)


def read_probabilities(run: Path) -> tuple[list[str], list[str], list[str], NDArray[np.float64]]:
    """Paths, labels, classes and probabilities, of shape (images, classes), of a run's predictions.csv.

    Raises:
        RunError: it is missing or damaged.
    """
    path = run / "predictions.csv"
    try:
        with io.TextIOWrapper(files.open_to_read(path), "utf-8", errors="surrogateescape", newline="") as file:
            header, *rows = csv.reader(file, strict=True)
        first = header.index("predicted") + 1
        classes = [name.removeprefix("p_") for name in header[first:]]
        at_path, at_label = header.index("path"), header.index("label")
        shares = np.array([[float(cell) for cell in row[first:]] for row in rows]).reshape(-1, len(classes))
        paths, labels = [row[at_path] for row in rows], [row[at_label] for row in rows]
        if not rows or not set(labels) <= set(classes) or not (np.isfinite(shares).all() and shares.any(axis=1).all()):
            raise ValueError(path)
    except FileNotFoundError:
        raise RunError(f"{path}: is missing; 'fer-tui resume {run.name}' writes it anew") from None
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}; it must be readable") from None
    except (ValueError, IndexError, csv.Error):
        raise RunError(f"{path}: is damaged; train the model again") from None
    return paths, labels, classes, shares


def fold_configs(config: TrainingConfig, folds: int) -> list[TrainingConfig]:
    """The settings of a run for each of several parts of train: the run's own, validated on that part."""
    settings = config.model_dump()
    return [resolve({**settings, "fold": f"{fold}/{folds}"}) for fold in range(1, folds + 1)]


def runs_of(configs: Sequence[TrainingConfig], folder: Path) -> list[RunSnapshot | None]:
    """The newest run of each config in RUNS, a completed one before others; None where there is none."""
    runs = sorted(map(read_run, list_runs(folder)), key=lambda run: run.state != "completed")
    wanted = [config.model_dump(mode="json") for config in configs]
    return [next((run for run in runs if run.config == each), None) for each in wanted]


def other_parts(run: RunSnapshot, folder: Path) -> list[Path]:
    """The completed runs that judge the parts of train with a run's settings; of a run on no part itself alone."""
    fold = str(run.config.get("fold") or "")
    others = {name: value for name, value in run.config.items() if name != "fold"}
    found: dict[str, Path] = {fold: run.path}
    for other in map(read_run, list_runs(folder)) if fold else ():
        part = str(other.config.get("fold") or "")
        is_alike = part.partition("/")[2] == fold.partition("/")[2]
        if is_alike and other.state == "completed" and others == {n: v for n, v in other.config.items() if n != "fold"}:
            found.setdefault(part, other.path)
    return list(found.values())
