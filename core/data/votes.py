"""The votes of several annotators: each image's share of votes for every class, in the frame's column `votes`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from core.data.dataset import Dataset


def map_votes(
    votes: Sequence[Sequence[float]], names: Sequence[str], classes: Sequence[str]
) -> list[tuple[float, ...]]:
    """Change the classes of votes. The shares of classes with the same name are added.

    Args:
        votes: the shares of each image, in the order of `names`.
        names: the new name of each share's class. The shares of names that are not in `classes` are left out.
        classes: the wanted classes.

    Returns:
        The shares of each image in the order of `classes`, scaled to sum to 1.
    """
    chosen = np.array([[name == column for column in classes] for name in names], float)
    shares = np.asarray(votes, dtype=float) @ chosen
    totals = shares.sum(axis=1, keepdims=True)
    return [tuple(row) for row in np.divide(shares, totals, out=shares, where=totals > 0).tolist()]


def with_votes_of(dataset: Dataset, classes: Sequence[str]) -> Dataset:
    """Return the data set with other classes, and with their shares of the votes if it has votes."""
    import pandas as pd

    frame = dataset.frame
    if "votes" in frame and tuple(classes) != dataset.classes:
        votes = map_votes(frame["votes"].tolist(), dataset.classes, classes)
        frame = frame.assign(votes=pd.Series(votes, frame.index))
    return replace(dataset, frame=frame, classes=tuple(classes))


def soft_targets(
    votes: Sequence[Sequence[float]], names: Sequence[str], labels: Sequence[str], classes: Sequence[str]
) -> NDArray[np.float32]:
    """Return the targets of a training on votes, float32, shape (images, classes); each row sums to 1.

    If several classes have the largest share, the label's is made larger by the smallest possible amount, so that the
    largest share is the label's whatever the order of the classes.

    Args:
        votes: the shares of each image, in the order of `names`.
        names: the classes of the votes.
        labels: the class of each image.
        classes: the order of the targets.
    """
    targets = np.array(map_votes(votes, names, classes), np.float32)
    rows, columns = np.arange(len(labels)), np.array([list(classes).index(label) for label in labels])
    largest = targets.max(axis=1)
    is_tie = ((targets == largest[:, None]).sum(axis=1) > 1) & (targets[rows, columns] == largest)
    rows, columns = rows[is_tie], columns[is_tie]
    targets[rows, columns] = np.nextafter(targets[rows, columns], np.float32(2))
    return targets
