"""What a finished run said to each image: its confusion matrix, its predictions.csv, and its mistakes."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from core.errors import RunError
from core.runs.names import PREDICTIONS
from core.runs.schema import ClassScores, EvaluationFile, is_square
from core.system import files

if TYPE_CHECKING:
    from core.data.dataset import Dataset

MatrixCell = tuple[str, str]
"""A cell of a confusion matrix: the true class and the predicted one."""


@dataclass(frozen=True)
class Prediction:
    """What a run's model said to one image.

    Attributes:
        path: relative to the data set's root.
        label: the true class.
        predicted: the class that was said.
        confidence: its probability.
        probabilities: of every class, in the file's order; empty where only the answer is known.
    """

    path: str
    label: str
    predicted: str
    confidence: float
    probabilities: Mapping[str, float] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_correct(self) -> bool:
        """Whether it said the true class."""
        return self.label == self.predicted


class Labelled(Protocol):
    """What is of one image: its path, relative to the data set's root, and its class there."""

    @property
    def path(self) -> str:
        """See the class."""
        ...

    @property
    def label(self) -> str:
        """See the class."""
        ...


L = TypeVar("L", bound=Labelled)


@dataclass(frozen=True)
class ClassReportRow:
    """One class in a run's per-class report; precision, recall and F1 from 0 to 1, support in images."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Evaluation:
    """evaluation.json's figures of the classes, checked.

    Attributes:
        classes: in the order of the matrix.
        matrix: images, rows true and columns predicted.
        figures: per class, in the same order.
    """

    classes: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]
    per_class: tuple[ClassReportRow, ...]


def parse_evaluation(evaluation: EvaluationFile | None) -> Evaluation | None:
    """The classes' figures of an evaluation.json; None where there is none or one of them is missing."""
    if evaluation is None:
        return None
    classes, matrix = evaluation.get("classes", ()), evaluation.get("confusion_matrix", ())
    report = evaluation.get("per_class", {})
    if not classes or not is_square(matrix, classes) or not report.keys() >= set(classes):
        return None
    figures = tuple(_figures(name, report[name]) for name in classes)
    return Evaluation(tuple(classes), tuple(map(tuple, matrix)), figures)


def _figures(name: str, row: ClassScores) -> ClassReportRow:
    return ClassReportRow(name, row["precision"], row["recall"], row["f1"], row["support"])


def macro_average(figures: Sequence[ClassReportRow], name: str) -> ClassReportRow:
    """The mean precision, recall and F1 of the classes that have images, and the sum of the images.

    Args:
        figures: those of each class. Their mean recall is the balanced accuracy, their mean F1 the macro F1.
        name: what the means are called in the place of a class.
    """
    present = [each for each in figures if each.support]
    count = max(len(present), 1)
    return ClassReportRow(
        name,
        sum(each.precision for each in present) / count,
        sum(each.recall for each in present) / count,
        sum(each.f1 for each in present) / count,
        sum(each.support for each in figures),
    )


def row_normalized(matrix: Sequence[Sequence[int]]) -> tuple[tuple[float, ...], ...]:
    """Every count of a confusion matrix as a share of its row, the true class's images; 0 in a row without any."""
    return tuple(tuple(count / max(sum(row), 1) for count in row) for row in matrix)


def most_confused_pair(matrix: Sequence[Sequence[int]]) -> tuple[int, int]:
    """Row and column of the largest count beside the diagonal, the first of equals; (0, 0) where there is none."""
    mistakes = [(count, -i, -j) for i, row in enumerate(matrix) for j, count in enumerate(row) if i != j and count]
    _, i, j = max(mistakes, default=(0, 0, 0))
    return -i, -j


def read_predictions(run: Path) -> list[Prediction]:
    """Read a run's predictions.csv.

    Raises:
        RunError: it is missing or damaged.
    """
    path = run / PREDICTIONS
    line = 1
    try:
        with io.TextIOWrapper(files.open_to_read(path), "utf-8", errors="surrogateescape", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            predictions = []
            for row in reader:
                line = reader.line_num
                predictions.append(_prediction(row))
    except FileNotFoundError:
        raise RunError(f"{path}: is missing; without it nothing tells which images were got wrong") from None
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}; it must be readable") from None
    except (KeyError, TypeError, ValueError, csv.Error):
        raise RunError(f"{path}: line {line} is damaged; train the model again to have its faces") from None
    return predictions


def _prediction(row: Mapping[str, str]) -> Prediction:
    if None in row or None in row.values():
        raise ValueError("a row of another length than the header")
    predicted = row["predicted"]
    probabilities = {name.removeprefix("p_"): float(value) for name, value in row.items() if name.startswith("p_")}
    return Prediction(row["path"], row["label"], predicted, probabilities[predicted], probabilities)


def most_telling_predictions(predictions: Sequence[Prediction], cell: MatrixCell | None) -> list[Prediction]:
    """The predictions that tell most of a run.

    Args:
        predictions: all of them.
        cell: the true and the predicted class that are looked at; None is every mistake.

    Returns:
        Mistakes with the surest first; for a cell of the diagonal, the right answers with the least sure first.
    """
    if cell is None:
        found = [each for each in predictions if not each.is_correct]
    else:
        found = [each for each in predictions if (each.label, each.predicted) == cell]
    surest_first = cell is None or cell[0] != cell[1]
    return sorted(found, key=lambda each: -each.confidence if surest_first else each.confidence)


def matching_dataset(labelled: Sequence[L], dataset: Dataset) -> list[L]:
    """Those, predictions or what else is of an image, whose image a data set still has, in the same class."""
    labels = dict(zip(dataset.frame["path"], dataset.frame["label"], strict=True))
    return [each for each in labelled if labels.get(each.path) == each.label]


def predictions_table(
    paths: Sequence[str], labels: Sequence[str], probabilities: NDArray[np.floating], classes: Sequence[str]
) -> bytes:
    """predictions.csv: path, label, predicted, and `p_<class>` for every class in alphabetical order.

    Args:
        paths: of the images, relative to the data set's root.
        labels: the true class of each.
        probabilities: shape (images, classes).
        classes: in the order of the columns of `probabilities`.
    """
    names = sorted(classes)
    columns = [list(classes).index(name) for name in names]
    rows = [["path", "label", "predicted", *(f"p_{name}" for name in names)]]
    for path, label, row in zip(paths, labels, probabilities, strict=True):
        cells = ["" if value != value else f"{value:.6f}" for value in row[columns]]
        rows.append([path, label, classes[int(row.argmax())], *cells])
    return files.to_csv(rows)
