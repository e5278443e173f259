"""What a model's predictions are worth: confusion matrix, per-class report, and the figures that sum them up."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from core.data.pixels import read_rows
from core.evaluation.statistics import bootstrap_intervals
from core.runs.schema import ClassScores, Intervals


class EvaluationMetrics(TypedDict):
    """What predictions are worth; shares are 0 to 1. `core.runs.schema.EvaluationFile` says more of each key."""

    images: int
    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    loss: float  # nats
    classes: list[str]
    confusion_matrix: list[list[int]]  # images, rows true and columns predicted
    per_class: dict[str, ClassScores]
    majority_accuracy: float
    intervals: Intervals


class LeakFreeMetrics(TypedDict):
    """What is left of an accuracy without the images that the model was trained on."""

    leaked_images: int
    leak_free_accuracy: float | None


def evaluate(labels: Sequence[str], probabilities: NDArray[np.floating], classes: Sequence[str]) -> EvaluationMetrics:
    """Compare predictions with labels.

    Args:
        labels: the true class of every image.
        probabilities: shape (images, classes), columns in the order of `classes`.
        classes: the model's classes in the order of its outputs.

    Returns:
        `images`; `accuracy`; `balanced_accuracy` (mean recall) and `macro_f1`, both over the classes that have
        images; `loss` (mean cross-entropy, nats); `classes` in alphabetical order; `confusion_matrix`, rows true and
        columns predicted in that order; `per_class` with precision, recall, f1 and support of each class;
        `majority_accuracy`, what always saying the commonest class would score; `intervals`, see
        `core.evaluation.statistics.bootstrap_intervals`.

    Source:
        sklearn.metrics; a class that is never predicted has precision 0.
    """
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    names = sorted(classes)
    truth = np.asarray(labels)
    predicted = np.asarray(classes)[probabilities.argmax(axis=1)]
    precision, recall, f1, support = (
        np.asarray(values)
        for values in precision_recall_fscore_support(truth, predicted, labels=names, zero_division=0)
    )
    present = support > 0
    column = {name: i for i, name in enumerate(classes)}
    matrix = confusion_matrix(truth, predicted, labels=names).tolist()
    true_share = probabilities[np.arange(len(truth)), [column[name] for name in truth]]
    return {
        "images": len(truth),
        "accuracy": float((truth == predicted).mean()),
        "balanced_accuracy": float(recall[present].mean()),
        "macro_f1": float(f1[present].mean()),
        "loss": float(-np.log(np.clip(true_share, 1e-7, 1.0)).mean()),
        "classes": names,
        "confusion_matrix": matrix,
        "per_class": {
            name: {
                "precision": float(precision[i]),
                "recall": float(recall[i]),
                "f1": float(f1[i]),
                "support": int(support[i]),
            }
            for i, name in enumerate(names)
        },
        "majority_accuracy": float(support.max() / support.sum()),
        "intervals": bootstrap_intervals(matrix),
    }


def evaluate_leak_free(
    labels: Sequence[str], probabilities: NDArray[np.floating], classes: Sequence[str], seen: NDArray[np.bool_]
) -> LeakFreeMetrics:
    """Accuracy without the images that the model was trained on.

    Args:
        labels: as `evaluate` takes them, as are the next two.
        probabilities: of every image.
        classes: in the order of the outputs.
        seen: whether train has an image's exact pixels, shape (images,).

    Returns:
        `leaked_images` and `leak_free_accuracy`, None where no image is left.
    """
    is_right = np.asarray(classes)[probabilities.argmax(axis=1)] == np.asarray(labels)
    left = is_right[~seen]
    return {"leaked_images": int(seen.sum()), "leak_free_accuracy": float(left.mean()) if len(left) else None}


HASHED_AT_ONCE = 1024


def find_leaked_images(train: NDArray[np.uint8], images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which images have the exact pixels of one that was trained on.

    Args:
        train: shape (images, height, width, channels).
        images: of the same shape but for their number.

    Returns:
        Shape (images,).
    """
    known = set(_hashes(train))
    return np.array([each in known for each in _hashes(images)], dtype=bool)


def _hashes(images: NDArray[np.uint8]) -> Iterator[bytes]:
    """A hash of each; of images that are mapped from a file a part at a time, so that memory stays flat."""
    for begun in range(0, len(images), HASHED_AT_ONCE):
        for image in read_rows(images, slice(begun, begun + HASHED_AT_ONCE)):
            yield hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
