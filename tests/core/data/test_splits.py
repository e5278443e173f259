"""The parts of k-fold cross-validation, whatever the classes and their sizes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from core.data.dataset import UNSPLIT, Dataset
from core.data.splits import k_fold_split

SOURCE: Any = None  # no image is read


def dataset(train: list[int], validation: int, split: str) -> Dataset:
    """A data set of so many training images of each class, and so many validation images of all."""
    rows = [(f"{label}/{n}.png", str(label), split) for label, count in enumerate(train) for n in range(count)]
    rows += [(f"v/{n}.png", "0", "validation") for n in range(validation)]
    frame = pd.DataFrame(rows, columns=["path", "label", "split"])
    return Dataset(Path("x"), frame, tuple(sorted(set(frame["label"]))), (), SOURCE)


@given(
    st.lists(st.integers(4, 25), min_size=2, max_size=5),
    st.integers(2, 4),
    st.integers(0, 3),
    st.sampled_from(["train", UNSPLIT]),
)
def test_the_parts_are_disjoint_and_together_all_of_train(train: list[int], folds: int, validation: int, split: str):
    whole = dataset(train, validation, split)
    images = set(whole.frame.loc[whole.frame["split"] == split, "path"])
    parts = [k_fold_split(whole, fold, folds) for fold in range(1, folds + 1)]
    held_out: list[str] = []
    for part in parts:
        taken = part.split("validation")
        held_out += taken["path"].tolist()
        assert set(part.split("train")["path"]) == images - set(taken["path"])
        # Stratified: of each class a part has the same count, but for the one that is left over.
        counts = Counter(taken["label"])
        assert all(counts[str(label)] in (count // folds, -(-count // folds)) for label, count in enumerate(train))
    assert len(held_out) == len(images)
    assert set(held_out) == images


def test_the_parts_are_the_same_at_every_call():
    whole = dataset([8, 12], 0, "train")
    assert k_fold_split(whole, 2, 4).frame.equals(k_fold_split(whole, 2, 4).frame)
    assert not k_fold_split(whole, 2, 4).frame.equals(k_fold_split(whole, 1, 4).frame)
