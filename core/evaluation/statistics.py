"""Statistical uncertainty of metrics: bootstrap intervals, and McNemar's test between two runs."""

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
# The significance level of McNemar's test.
SIGNIFICANT = 0.05
_SEED = 0
DRAWN_AT_ONCE = 1_000_000


def bootstrap_intervals(matrix: Sequence[Sequence[int]]) -> Intervals:
    """Compute bootstrap percentile intervals of accuracy and macro F1.

    Both metrics depend only on the confusion matrix, so each resample draws the same number of images from the matrix's
    cells, with replacement. The intervals estimate how the metrics vary between samples of faces, not between seeds.

    Args:
        matrix: numbers of images, shape (classes, classes); rows are true classes, columns predicted classes.

    Returns:
        `level` and `resamples`; `accuracy` and `macro_f1`, each a list of the lower and the upper end. The same matrix
        always gives the same intervals.

    Source:
        Efron, Tibshirani: An Introduction to the Bootstrap (1993), chapter 13.
    """
    counts = np.asarray(matrix, dtype=np.int64)
    images, draw = int(counts.sum()), np.random.default_rng(_SEED)
    accuracy: list[float] = []
    macro_f1: list[float] = []
    # Drawn in chunks, so that a thousand classes need no more memory than seven.
    part = max(DRAWN_AT_ONCE // counts.size, 1)
    for begun in range(0, RESAMPLES, part):
        drawn = draw.multinomial(images, counts.ravel() / images, size=min(part, RESAMPLES - begun))
        resampled = drawn.reshape(-1, *counts.shape)
        accuracy += (np.trace(resampled, axis1=1, axis2=2) / images).tolist()
        macro_f1 += _macro_f1(resampled).tolist()
    return {"level": LEVEL, "resamples": RESAMPLES, "accuracy": _ends(accuracy), "macro_f1": _ends(macro_f1)}


def _ends(values: Sequence[float]) -> list[float]:
    """Return the lower and upper end of the central interval that contains LEVEL of the values."""
    return np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()


def _macro_f1(matrices: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute the macro F1 of each confusion matrix, over the classes that have images."""
    right = np.diagonal(matrices, axis1=1, axis2=2)
    true, predicted = matrices.sum(axis=2), matrices.sum(axis=1)
    f1 = 2 * right / np.maximum(true + predicted, 1)
    return f1.sum(axis=1) / (true > 0).sum(axis=1)


@dataclass(frozen=True)
class McNemarResult:
    """The result of McNemar's exact test between two runs.

    Attributes:
        images: the number of images that both runs predicted.
        apart: the number of images that only one of the runs predicted.
        only_first: the number of images that only the first run predicts correctly.
        only_second: the number of images that only the second run predicts correctly.
        accuracies: the first and the second run's accuracy on `images`.
        p: the two-sided p value: the probability of a difference this large between equally good models.
    """

    images: int
    apart: int
    only_first: int
    only_second: int
    accuracies: tuple[float, float]
    p: float

    @property
    def is_significant(self) -> bool:
        """Whether the difference is significant at the level SIGNIFICANT."""
        return self.p < SIGNIFICANT


def mcnemar(only_first: int, only_second: int) -> float:
    """Compute the two-sided p value of McNemar's exact test.

    Args:
        only_first: the number of images that only the first model predicts correctly.
        only_second: the number of images that only the second model predicts correctly.

    Returns:
        The p value of a binomial test with probability 0.5; 1 if both numbers are 0.

    Source:
        McNemar: Note on the sampling error of the difference between correlated proportions, Psychometrika 12 (1947).
    """
    from scipy.stats import binomtest

    if not only_first + only_second:
        return 1.0
    return float(binomtest(only_first, only_first + only_second).pvalue)


def compare_predictions(first: Sequence[Prediction], second: Sequence[Prediction]) -> McNemarResult:
    """Compare two runs' predictions with McNemar's exact test. Images are matched by path and label.

    Raises:
        RunError: the runs have no image in common.
    """
    correct = {(each.path, each.label): each.is_correct for each in second}
    pairs = [(each.is_correct, correct[each.path, each.label]) for each in first if (each.path, each.label) in correct]
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
    """Describe the result of McNemar's test in three or four lines.

    Args:
        difference: the test's result.
        first: the first run's name.
        second: the second run's name.
    """
    one, other = difference.accuracies
    better = first if one > other else second
    verdict = f"{better} is better" if difference.is_significant else "the difference is within chance"
    lines = [
        f"accuracy on the same {difference.images:,} images: {first} {one:.4f}, {second} {other:.4f}",
        f"only {first} is correct on {difference.only_first:,} images, only {second} on {difference.only_second:,}",
        f"McNemar's exact test: p = {format_p_value(difference.p)}: {verdict}",
    ]
    if difference.apart:
        verb = "is" if difference.apart == 1 else "are"
        lines.append(f"{pluralize(difference.apart, 'image')} that only one of the runs has {verb} left out")
    return lines


def format_p_value(p: float) -> str:
    """Format a p value with two significant digits, or one below 0.0001."""
    return f"{p:.2g}" if p >= 1e-4 else f"{p:.0e}"
