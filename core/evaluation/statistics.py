"""How far a figure can be trusted: bootstrap intervals, McNemar's test between two runs, and accuracy without leaks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import RunError, pluralize
from core.runs.predictions import Prediction
from core.runs.schema import Intervals

RESAMPLES = 2000
LEVEL = 0.95
# Below it two runs are told to differ.
SIGNIFICANT = 0.05
_SEED = 0
DRAWN_AT_ONCE = 1_000_000


def bootstrap_intervals(matrix: Sequence[Sequence[int]]) -> Intervals:
    """Percentile intervals of accuracy and macro F1, by drawing as many images anew, with replacement.

    A resample of images is a draw of so many from the cells of the confusion matrix, which is all that both figures
    depend on. They tell how much another sample of faces would have changed the figure, not another seed.

    Args:
        matrix: images, rows true and columns predicted, of shape (classes, classes).

    Returns:
        `level` and `resamples`; `accuracy` and `macro_f1`, a list of the lower and the upper end each. The same matrix
        gives the same intervals.

    Source:
        Efron, Tibshirani: An Introduction to the Bootstrap (1993), chapter 13.
    """
    counts = np.asarray(matrix, dtype=np.int64)
    images, draw = int(counts.sum()), np.random.default_rng(_SEED)
    accuracy: list[float] = []
    macro_f1: list[float] = []
    # A part at a time, so that a thousand classes need no more memory than seven.
    part = max(DRAWN_AT_ONCE // counts.size, 1)
    for begun in range(0, RESAMPLES, part):
        drawn = draw.multinomial(images, counts.ravel() / images, size=min(part, RESAMPLES - begun))
        resampled = drawn.reshape(-1, *counts.shape)
        accuracy += (np.trace(resampled, axis1=1, axis2=2) / images).tolist()
        macro_f1 += _macro_f1(resampled).tolist()
    return {"level": LEVEL, "resamples": RESAMPLES, "accuracy": _ends(accuracy), "macro_f1": _ends(macro_f1)}


def _ends(values: Sequence[float]) -> list[float]:
    """Lower and upper end of what lies in the middle."""
    return np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()


def _macro_f1(matrices: NDArray[np.int64]) -> NDArray[np.float64]:
    """Mean F1 over the classes that have images, of each of many confusion matrices."""
    right = np.diagonal(matrices, axis1=1, axis2=2)
    true, said = matrices.sum(axis=2), matrices.sum(axis=1)
    f1 = 2 * right / np.maximum(true + said, 1)
    return f1.sum(axis=1) / (true > 0).sum(axis=1)


@dataclass(frozen=True)
class McNemarResult:
    """What McNemar's exact test says of two runs on the same images.

    Attributes:
        images: that both have an answer to.
        apart: those that only one of them has.
        only_first: images that the first alone tells right.
        only_second: images that the second alone tells right.
        accuracies: of the first and of the second, over `images`.
        p: two-sided; how often two equally good models would be at least as uneven.
    """

    images: int
    apart: int
    only_first: int
    only_second: int
    accuracies: tuple[float, float]
    p: float

    @property
    def is_significant(self) -> bool:
        """Whether the runs are told to differ."""
        return self.p < SIGNIFICANT


def mcnemar(only_first: int, only_second: int) -> float:
    """The two-sided p value of McNemar's exact test.

    Args:
        only_first: images that the first model alone tells right.
        only_second: images that the second alone tells right.

    Returns:
        The binomial test's p of so uneven a split at even odds; 1 where both err on the same images.

    Source:
        McNemar: Note on the sampling error of the difference between correlated proportions, Psychometrika 12 (1947).
    """
    from scipy.stats import binomtest

    if not only_first + only_second:
        return 1.0
    return float(binomtest(only_first, only_first + only_second).pvalue)


def compare_predictions(first: Sequence[Prediction], second: Sequence[Prediction]) -> McNemarResult:
    """McNemar's exact test between what two runs said to the same images, known by path and label.

    Raises:
        RunError: they have no image in common.
    """
    said = {(each.path, each.label): each.is_correct for each in second}
    pairs = [(each.is_correct, said[each.path, each.label]) for each in first if (each.path, each.label) in said]
    if not pairs:
        raise RunError("the runs have no validation image in common; compare runs on the same data")
    only_first = sum(a and not b for a, b in pairs)
    only_second = sum(b and not a for a, b in pairs)
    return McNemarResult(
        images=len(pairs),
        apart=len(first) + len(second) - 2 * len(pairs),
        only_first=only_first,
        only_second=only_second,
        accuracies=(sum(a for a, _ in pairs) / len(pairs), sum(b for _, b in pairs) / len(pairs)),
        p=mcnemar(only_first, only_second),
    )


def describe_difference(difference: McNemarResult, first: str, second: str) -> list[str]:
    """A difference as people read it, a few lines.

    Args:
        difference: of the two.
        first: what the first run is called.
        second: what the second is.
    """
    one, other = difference.accuracies
    better = first if one > other else second
    verdict = f"{better} is better" if difference.is_significant else "no more apart than chance has them"
    lines = [
        f"{first} tells {one:.4f} right, {second} {other:.4f}, of the same {difference.images:,} images",
        f"{difference.only_first:,} only {first} tells right, {difference.only_second:,} only {second}",
        f"McNemar's exact test: p = {format_p_value(difference.p)}: {verdict}",
    ]
    if difference.apart:
        verb = "is" if difference.apart == 1 else "are"
        lines.append(f"{pluralize(difference.apart, 'image')} that only one of them has {verb} left out")
    return lines


def format_p_value(p: float) -> str:
    """A p value in two digits that count."""
    return f"{p:.2g}" if p >= 1e-4 else f"{p:.0e}"
