"""Find misleading metrics of a run. Each warning names the metric, what it means and what to do.

The detectors use only what the run directory stores. They therefore work for any run, and a run in progress gets the
warnings that are known so far.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from core.runs.codes import (
    CHOSEN_EPOCH,
    CLASS_SHARE,
    CONSTANT_ANSWER,
    ENCODING_DIFFERS,
    NAN,
    NEAR_PURE_BATCHES,
    NOT_ABOVE_MAJORITY,
    PARTIAL_VALIDATION,
)
from core.runs.history import METRICS
from core.runs.reader import RunSnapshot, is_improvement
from core.runs.schema import Finding

CONSTANT_SHARE = 0.9
PURE_SHARE = 0.5
SAME_SHARE = 0.001


def audit_run(run: RunSnapshot) -> list[Finding]:
    """Find the metrics of a run that overstate the model.

    Args:
        run: in any state; a detector whose metrics are missing finds nothing.

    Returns:
        Warnings with a `code` and a `message`, in the order of DETECTORS.
    """
    return [{"code": code, "message": message} for code, detect in DETECTORS.items() for message in detect(run)]


def measure_batches(labels: NDArray[np.integer], batches: Iterable[NDArray[np.integer]]) -> dict[str, float]:
    """Measure how well the classes are mixed within the batches of an epoch.

    Args:
        labels: the class index of every training image.
        batches: the row indices of every batch, in the order of training.

    Returns:
        `label_entropy`, the mean entropy of a batch's labels in bits; `shuffled_label_entropy`, the same after a full
        shuffle of the epoch's images; `previous_class_accuracy`, the accuracy of always predicting the previous
        batch's most common class.
    """
    drawn = [labels[np.asarray(rows)] for rows in batches]
    classes = int(labels.max()) + 1
    shuffled = np.random.default_rng(0).permutation(np.concatenate(drawn))
    ends = np.cumsum([len(batch) for batch in drawn])[:-1]
    counts = [np.bincount(batch, minlength=classes) for batch in drawn]
    right = sum(int(now[before.argmax()]) for before, now in pairwise(counts))
    later = sum(len(batch) for batch in drawn[1:])
    return {
        "label_entropy": _mean_entropy(counts),
        "shuffled_label_entropy": _mean_entropy(
            [np.bincount(batch, minlength=classes) for batch in np.split(shuffled, ends)]
        ),
        "previous_class_accuracy": right / later if later else math.nan,
    }


def _mean_entropy(counts: Sequence[NDArray[np.integer]]) -> float:
    """Return the mean entropy, in bits, of the batches' class counts."""
    shares = np.array(counts) / np.sum(counts, axis=1, keepdims=True)
    return float(-(shares * np.log2(np.where(shares > 0, shares, 1))).sum(axis=1).mean())


def _near_pure_batches(run: RunSnapshot) -> Iterator[str]:
    batches = run.environment.get("batches", {})
    entropy, mixed = batches.get("label_entropy"), batches.get("shuffled_label_entropy")
    if entropy is None or mixed is None or entropy >= PURE_SHARE * mixed:
        return
    guess = batches.get("previous_class_accuracy")
    scores = (
        ""
        if guess is None or guess != guess
        else f" (predicting the previous batch's most common class scores {guess:.2f})"
    )
    yield (
        f"the mean label entropy of a batch is {entropy:.2f} bits, {mixed:.2f} after a full shuffle: most batches "
        f"contain almost only one class, and training accuracy shows how fast the model adapts to each batch{scores}; "
        "train with --protocol sound"
    )


def _encoding_differs(run: RunSnapshot) -> Iterator[str]:
    trained, validated = run.environment.get("classes"), run.environment.get("validation_classes")
    if not trained or not validated or trained == validated:
        return
    moved = [name for name, other in zip(trained, validated, strict=False) if name != other]
    counts = run.environment.get("counts", {}).get("validation", {})
    images = sum(counts.get(name, 0) for name in moved)
    yield (
        f"train and validation encode {', '.join(moved)} as different outputs: for {images:,} validation images, val_* "
        "metrics count wrong predictions as correct; use the metrics over the whole split, or train with --protocol "
        "sound, which fits the encoding on train only"
    )


def _nan(run: RunSnapshot) -> Iterator[str]:
    names = (*METRICS, *(f"val_{metric}" for metric in METRICS))
    found = [(int(row["epoch"]), name) for row in run.history for name in names if not _is_finite(row.get(name))]
    advice = "later metrics are not valid either; lower the learning rate, or check the images"
    if found:
        epoch, name = found[0]
        yield f"{name} of epoch {epoch} is not a number; {advice}"
    elif run.state == "diverged":
        yield f"the loss of epoch {len(run.history) + 1} is not a number; {advice}"
    elif "loss" in run.metrics and not _is_finite(run.metrics["loss"]):
        yield "the loss over the whole split is not a number; lower the learning rate, or check the images"


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _partial_validation(run: RunSnapshot) -> Iterator[str]:
    evaluation = run.metrics
    covered = evaluation.get("val_images", run.environment.get("val_images"))
    total = evaluation.get("images", run.environment.get("validation_images"))
    if covered is None or total is None or covered >= total:
        return
    accuracy = evaluation.get("accuracy")
    whole = "" if accuracy is None else f"report the accuracy over all images, {accuracy:.4f}"
    yield (
        f"val_* metrics cover {covered:,} of the split's {total:,} images; "
        f"{whole or 'the evaluation covers all images'}; --protocol sound validates on all images"
    )


def _class_share(run: RunSnapshot) -> Iterator[str]:
    """Find an accuracy that equals, within 0.001, a class's share of the evaluated images."""
    evaluation = run.metrics
    whole = {name: report["support"] for name, report in evaluation.get("per_class", {}).items() if report["support"]}
    taken = [("val_accuracy", _reported(run).get("val_accuracy"), evaluation.get("val_counts", {}))]
    if evaluation.get("val_counts") != whole:
        taken.append(("accuracy over the whole split", evaluation.get("accuracy"), whole))
    for figure, accuracy, counts in taken:
        images = sum(counts.values())
        if not images or accuracy is None or not math.isfinite(accuracy):
            continue
        right = accuracy * images
        distances = {name: abs(count - right) for name, count in counts.items()}
        name = min(distances, key=distances.__getitem__)
        # Below a thousand images, only the exact count is found.
        if distances[name] <= max(SAME_SHARE * images, 0.5):
            yield (
                f"{figure} {accuracy:.4f} is the share of '{name}' ({counts[name]:,} of {images:,} images), the "
                f"accuracy of always predicting '{name}'; check the confusion matrix before you use this metric"
            )
            return


def _reported(run: RunSnapshot) -> Mapping[str, float]:
    """Return the history row of the evaluated epoch."""
    epoch = run.metrics.get("epoch")
    return next((row for row in run.history if row["epoch"] == epoch), {})


def _constant_answer(run: RunSnapshot) -> Iterator[str]:
    matrix, classes = run.metrics.get("confusion_matrix"), run.metrics.get("classes")
    if not matrix or not classes:
        return
    answers = np.array(matrix).sum(axis=0)
    share = answers.max() / answers.sum()
    if share > CONSTANT_SHARE:
        name = classes[int(answers.argmax())]
        remedy = "train longer, or with another learning rate"
        if run.config.get("protocol") == "published":
            remedy = "train longer, with another learning rate, or with --protocol sound"
        yield (
            f"the model predicts '{name}' for {share:.1%} of the images: it has learned almost nothing, and its "
            f"accuracy is close to that class's share; {remedy}"
        )


def _not_above_majority(run: RunSnapshot) -> Iterator[str]:
    evaluation = run.metrics
    accuracy, majority = evaluation.get("accuracy"), evaluation.get("majority_accuracy")
    if accuracy is not None and majority is not None and accuracy <= majority:
        yield (
            f"accuracy {accuracy:.4f} over the whole split is not above {majority:.4f}, the accuracy of always "
            "predicting the most common class; train longer, or with another learning rate"
        )


def _chosen_epoch(run: RunSnapshot) -> Iterator[str]:
    """Find a reported epoch that is neither the last one nor the best one by the monitor."""
    reported = run.metrics.get("epoch")
    if reported is None or not run.history:
        return
    monitor = run.config.get("monitor", "val_loss")
    value = _reported(run).get(monitor, math.nan)
    last = int(run.history[-1]["epoch"])
    ahead = [int(row["epoch"]) for row in run.history if is_improvement(monitor, row.get(monitor, math.nan), value)]
    if reported != last and (ahead or value != value):
        best = f"epoch {ahead[-1]} has a better {monitor}" if ahead else f"its {monitor} is not a number"
        yield (
            f"epoch {reported} of {last} is reported, neither the last nor the best ({best}): the metrics of an epoch "
            "chosen by hand are too optimistic; report the last or the best epoch (--keep last or --keep best)"
        )


DETECTORS: Mapping[str, Callable[[RunSnapshot], Iterator[str]]] = {
    NEAR_PURE_BATCHES: _near_pure_batches,
    ENCODING_DIFFERS: _encoding_differs,
    NAN: _nan,
    PARTIAL_VALIDATION: _partial_validation,
    CLASS_SHARE: _class_share,
    CONSTANT_ANSWER: _constant_answer,
    NOT_ABOVE_MAJORITY: _not_above_majority,
    CHOSEN_EPOCH: _chosen_epoch,
}
