from __future__ import annotations

import pytest

from core.data.split_names import assign_splits, known_split, looks_like_split
from core.errors import DatasetError


def test_eval_is_test_beside_another_validation_split() -> None:
    assert assign_splits(["train", "eval"], "faces") == {"train": "train", "validation": "eval"}
    assert assign_splits(["train", "val", "eval"], "faces") == {"train": "train", "validation": "val", "test": "eval"}


def test_two_folders_of_one_split_are_refused() -> None:
    for names, told in (
        (["val", "eval", "test"], "faces: 'val' and 'eval' are both names of the validation split; keep one folder"),
        (["Train", "training"], "faces: 'Train' and 'training' are both names of the train split; keep one folder"),
    ):
        with pytest.raises(DatasetError) as refusal:
            assign_splits(names, "faces")
        assert str(refusal.value) == told


@pytest.mark.parametrize(
    ("name", "split"),
    [("Training_Set", "train"), ("val_images", "validation"), ("PrivateTest", "test"), ("happy", None)],
)
def test_a_name_is_a_split_whatever_its_case_and_affixes(name: str, split: str | None) -> None:
    assert known_split(name) == split


def test_a_name_with_a_word_of_a_split_looks_like_one() -> None:
    assert looks_like_split("FER2013Train") and looks_like_split("train-2")
    assert not looks_like_split("Training_Set") and not looks_like_split("happy")
