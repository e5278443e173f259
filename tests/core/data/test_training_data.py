"""A run's data: a stop returns no partial data, and a class without training images is skipped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.config.training_config import resolve
from core.data.dataset import fingerprint
from core.data.readers.image_tree import FolderSource
from core.data.splits import read_training_dataset
from core.data.training_data import load_training_data

WriteTree = Callable[..., Path]


class StopAt(threading.Event):
    """An event that is set from the given call of `is_set` on."""

    def __init__(self, asked: int) -> None:
        super().__init__()
        self.left = asked

    def is_set(self) -> bool:
        self.left -= 1
        return self.left <= 0


def test_a_stop_at_any_moment_of_decoding_leaves_nothing(faces: Path) -> None:
    config = resolve({"data": faces, "model": "compact"})
    whole = load_training_data(config, threading.Event())
    assert whole
    stopped = [load_training_data(config, StopAt(asked)) for asked in range(1, 6)]
    # The code checks `stop` in the middle and at the end of train and of validation, and not after that.
    assert stopped[:4] == [None] * 4
    assert stopped[4]
    assert np.array_equal(stopped[4].validation.values, whole.validation.values)


def test_validation_images_of_a_class_that_train_lacks_are_left_out(tmp_path: Path, write_tree: WriteTree) -> None:
    root = write_tree(tmp_path, {"train/a": 4, "train/b": 4, "validation/a": 2, "validation/b": 1, "validation/odd": 3})
    data = load_training_data(resolve({"data": root, "model": "compact"}), threading.Event())
    assert data
    assert data.classes == ["a", "b"]
    assert data.validation.frame["label"].tolist() == ["a", "a", "b"]
    assert data.validation_targets().tolist() == [[1, 0], [1, 0], [0, 1]]
    assert len(data.validation.values) == 3


@pytest.mark.parametrize("control", ["none", "noise"])
def test_images_over_the_limit_lie_in_a_file(faces: Path, control: str) -> None:
    held, mapped = (
        load_training_data(
            resolve({"data": faces, "model": "compact", "control": control, "image_memory": limit}), threading.Event()
        )
        for limit in (2048, 0)
    )
    assert held
    assert mapped
    for one, other in ((held.train, mapped.train), (held.validation, mapped.validation)):
        assert not isinstance(one.values, np.memmap)
        assert isinstance(other.values, np.memmap)
        assert np.array_equal(one.values, other.values)


def test_a_run_reads_each_image_file_once(faces: Path, monkeypatch: pytest.MonkeyPatch):
    read: list[str] = []
    content = FolderSource.content

    def count(self: FolderSource, path: str) -> bytes:
        read.append(path)
        return content(self, path)

    monkeypatch.setattr(FolderSource, "content", count)
    config = resolve({"data": faces, "model": "compact", "limit": 20})
    data = load_training_data(config, threading.Event())
    assert data is not None
    # The data set and its fingerprint also include the images that the limit drops.
    assert sorted(read) == sorted(data.dataset.frame["path"])
    assert data.fingerprint == fingerprint(read_training_dataset(config))
