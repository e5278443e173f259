"""Random images of a data set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.data.dataset import Dataset
from core.data.readers.reader_factory import read_dataset
from core.data.sample import sample_images


@pytest.fixture(scope="module")
def dataset(faces: Path) -> Dataset:
    return read_dataset(faces)


def labels(dataset: Dataset, number: int, label: str | None = None, draw: int = 0) -> list[str]:
    return [name for name, _ in sample_images(dataset, number, label, draw)]


def test_the_classes_take_turns(dataset: Dataset):
    assert labels(dataset, 21) == 3 * list(dataset.classes)


def test_of_one_class_no_more_come_than_there_are(dataset: Dataset):
    assert labels(dataset, 48, "sad") == 10 * ["sad"]


def test_another_draw_gives_other_images_and_the_same_one_the_same(dataset: Dataset):
    first, again, other = (
        [np.asarray(image).tobytes() for _, image in sample_images(dataset, 7, None, draw)] for draw in (0, 0, 1)
    )
    assert first == again
    assert set(first) != set(other)


def test_what_can_not_be_read_is_left_out(write_tree: Callable[..., Path], tmp_path: Path):
    root = write_tree(tmp_path / "set", {"train/happy": 4, "train/sad": 4})
    for path in sorted((root / "train" / "sad").iterdir())[:3]:
        path.write_bytes(b"")
    assert sorted(labels(read_dataset(root), 8)) == [*4 * ["happy"], "sad"]
