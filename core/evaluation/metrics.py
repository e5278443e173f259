"""Compute the metrics of predictions: confusion matrix, per-class report, accuracy, F1 and loss."""

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
    """The metrics of predictions. `core.runs.schema.EvaluationFile` describes the keys. Shares are from 0 to 1."""

    images: int
    accuracy: float
    balanced_accuracy: float
    macro_f1: float
    loss: float  # nats
    classes: list[str]
    confusion_matrix: list[list[int]]  # numbers of images; rows are true classes, columns predicted classes
    per_class: dict[str, ClassScores]
    majority_accuracy: float
    intervals: Intervals


class LeakFreeMetrics(TypedDict):
    """The accuracy without the images whose exact pixels the model was trained on."""

    leaked_images: int
    leak_free_accuracy: float | None


def evaluate(labels: Sequence[str], probabilities: NDArray[np.floating], classes: Sequence[str]) -> EvaluationMetrics:
    """Compute the metrics of predictions.

    Args:
        labels: the true class of every image.
        probabilities: shape (images, classes), columns in the order of `classes`.
        classes: the model's classes in the order of its outputs.

    Returns:
        `images`; `accuracy`; `balanced_accuracy` (mean recall) and `macro_f1`, both over the classes that have
        images; `loss` (mean cross-entropy, nats); `classes` in alphabetical order; `confusion_matrix` in that order,
        with true classes as rows and predicted classes as columns; `per_class` with precision, recall, f1 and support
        of each class; `majority_accuracy`, the accuracy of always predicting the most common class; `intervals`, see
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
    """Compute the accuracy without the images whose exact pixels the model was trained on.

    Args:
        labels: the true class of every image.
        probabilities: shape (images, classes), columns in the order of `classes`.
        classes: the model's classes in the order of its outputs.
        seen: whether train contains each image's exact pixels, shape (images,).

    Returns:
        `leaked_images`, their number; `leak_free_accuracy`, which is None if no image is left.
    """
    is_right = np.asarray(classes)[probabilities.argmax(axis=1)] == np.asarray(labels)
    left = is_right[~seen]
    return {"leaked_images": int(seen.sum()), "leak_free_accuracy": float(left.mean()) if len(left) else None}


HASHED_AT_ONCE = 1024


def find_leaked_images(train: NDArray[np.uint8], images: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Find the images whose exact pixels are also in train.

    Args:
        train: the training images, shape (images, height, width, channels).
        images: the images to check, with the same height, width and channels.

    Returns:
        Whether train contains each image, shape (images,).
    """
    known = set(_hashes(train))
    return np.array([each in known for each in _hashes(images)], dtype=bool)


def _hashes(images: NDArray[np.uint8]) -> Iterator[bytes]:
    """Yield the hash of each image. The images are read in chunks, so that memory-mapped files need little memory."""
    for begun in range(0, len(images), HASHED_AT_ONCE):
        for image in read_rows(images, slice(begun, begun + HASHED_AT_ONCE)):
            yield hashlib.blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()
