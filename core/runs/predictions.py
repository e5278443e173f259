"""The predictions of a finished run: its confusion matrix, predictions.csv and mistakes."""

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
"""A cell of a confusion matrix: the true class and the predicted class."""


@dataclass(frozen=True)
class Prediction:
    """A model's prediction for one image.

    Attributes:
        path: the image's path, relative to the data set's root.
        label: the true class.
        predicted: the predicted class.
        confidence: the probability of the predicted class.
        probabilities: the probability of every class, in the file's order; empty if they are not known.
    """

    path: str
    label: str
    predicted: str
    confidence: float
    probabilities: Mapping[str, float] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_correct(self) -> bool:
        """Whether the predicted class is the true class."""
        return self.label == self.predicted


class Labelled(Protocol):
    """An object that describes one image, by its path relative to the data set's root and its class there."""

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
    """A class's row of the per-class report: precision, recall and F1 from 0 to 1, support in images."""

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class Evaluation:
    """The checked per-class metrics of an evaluation.json.

    Attributes:
        classes: the classes, in the order of the matrix.
        matrix: the confusion matrix in images; rows are true classes, columns predicted classes.
        per_class: the report's rows, in the same order.
    """

    classes: tuple[str, ...]
    matrix: tuple[tuple[int, ...], ...]
    per_class: tuple[ClassReportRow, ...]


def parse_evaluation(evaluation: EvaluationFile | None) -> Evaluation | None:
    """Return the per-class metrics of an evaluation.json; None if there is no evaluation or a class is missing."""
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
    """Return the mean precision, recall and F1 of the classes that have images, and the total number of images.

    The mean recall is the balanced accuracy, the mean F1 is the macro F1.

    Args:
        figures: the classes' rows of the report.
        name: the name of the returned row.
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
    """Divide each count of a confusion matrix by the sum of its row, the true class's images; empty rows stay 0."""
    return tuple(tuple(count / max(sum(row), 1) for count in row) for row in matrix)


def most_confused_pair(matrix: Sequence[Sequence[int]]) -> tuple[int, int]:
    """Return row and column of the largest count off the diagonal, the first of equal counts; (0, 0) for none."""
    mistakes = [(count, -i, -j) for i, row in enumerate(matrix) for j, count in enumerate(row) if i != j and count]
    _, i, j = max(mistakes, default=(0, 0, 0))
    return -i, -j


def read_predictions(run: Path) -> list[Prediction]:
    """Read a run's predictions.csv.

    Raises:
        RunError: the file is missing or damaged.
    """
    path = run / PREDICTIONS
    line = 1
    try:
        with files.open_to_read(path) as file:
            reader = csv.DictReader(io.StringIO(files.from_utf8(file.read()), newline=""), strict=True)
        predictions = []
        for row in reader:
            line = reader.line_num
            predictions.append(_prediction(row))
    except FileNotFoundError:
        raise RunError(f"{path}: the file is missing; 'fer-tui resume' evaluates the run and writes the file") from None
    except OSError as error:
        raise RunError(f"{path}: {error.strerror}; it must be readable") from None
    except (KeyError, TypeError, ValueError, csv.Error):
        raise RunError(f"{path}: line {line} is damaged; train the model again to see its predictions") from None
    return predictions


def _prediction(row: Mapping[str, str]) -> Prediction:
    if None in row or None in row.values():
        raise ValueError("the row's length differs from the header's")
    predicted = row["predicted"]
    probabilities = {name.removeprefix("p_"): float(value) for name, value in row.items() if name.startswith("p_")}
    return Prediction(row["path"], row["label"], predicted, probabilities[predicted], probabilities)


def most_telling_predictions(predictions: Sequence[Prediction], cell: MatrixCell | None) -> list[Prediction]:
    """Return the most informative predictions of a run first.

    Args:
        predictions: all predictions of the run.
        cell: the true and the predicted class to select; None selects all mistakes.

    Returns:
        Mistakes, sorted by descending confidence. For a cell on the diagonal: correct predictions, sorted by ascending
        confidence.
    """
    if cell is None:
        found = [each for each in predictions if not each.is_correct]
    else:
        found = [each for each in predictions if (each.label, each.predicted) == cell]
    surest_first = cell is None or cell[0] != cell[1]
    return sorted(found, key=lambda each: -each.confidence if surest_first else each.confidence)


def matching_dataset(labelled: Sequence[L], dataset: Dataset) -> list[L]:
    """Return the items whose image the data set still contains with the same class.

    Args:
        labelled: predictions or other objects that describe one image each.
        dataset: the data set.
    """
    labels = dict(zip(dataset.frame["path"], dataset.frame["label"], strict=True))
    return [each for each in labelled if labels.get(each.path) == each.label]


def predictions_table(
    paths: Sequence[str], labels: Sequence[str], probabilities: NDArray[np.floating], classes: Sequence[str]
) -> bytes:
    """Return the content of predictions.csv: path, label, predicted, and `p_<class>` for the classes alphabetically.

    Args:
        paths: the images' paths, relative to the data set's root.
        labels: the images' true classes.
        probabilities: shape (images, classes).
        classes: the classes, in the order of the columns of `probabilities`.
    """
    names = sorted(classes)
    columns = [list(classes).index(name) for name in names]
    rows = [["path", "label", "predicted", *(f"p_{name}" for name in names)]]
    for path, label, row in zip(paths, labels, probabilities, strict=True):
        cells = ["" if value != value else f"{value:.6f}" for value in row[columns]]
        rows.append([path, label, classes[int(row.argmax())], *cells])
    return files.to_csv(rows)
