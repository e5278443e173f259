"""A run's data: a stop returns no partial data, and `data check` finds everything that would stop a training."""

from __future__ import annotations

import ast
import inspect
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.config.training_config import resolve
from core.data import pixels, splits, training_data
from core.data.audit import audit_dataset
from core.data.dataset import fingerprint
from core.data.readers.image_tree import FolderSource
from core.data.readers.reader_factory import read_dataset
from core.data.splits import read_training_dataset
from core.data.training_data import load_training_data
from core.errors import DatasetError

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


# What stops a training

OBSTACLES = {"no_training_images", "no_validation_images", "one_class", "too_few_images"}
PAIR = {"train/a": 2, "train/b": 2}
# The images of each folder, the folders whose images are damaged, what `train` says, and the kind that the check has.
STOPPED = [
    ({"test/a": 2, "test/b": 2}, [], "no training images; expected ", "no_training_images"),
    ({"train/a": 4}, [], "only one class ('a') in train", "one_class"),
    ({"a": 1, "b": 1}, [], "too few images to hold a validation split out of train", "too_few_images"),
    (PAIR, ["train/a", "train/b"], "none of its 2 images can be read; 'fer-tui data check'", "no_training_images"),
    (PAIR, ["train/b"], "only 'a' has training images that can be read; 'fer-tui data check'", "one_class"),
    ({**PAIR, "val/c": 2}, [], "no validation image has a class that train has", "class_in_one_split"),
    (
        {**PAIR, "train/c": 2, "val/c": 2},
        ["train/c"],
        "no validation image has a class that train has",
        "class_in_one_split",
    ),
    ({**PAIR, "val/a": 3}, ["val/a"], "none of its 3 images can be read; 'fer-tui data check'", "no_validation_images"),
]


def write_damaged(write_tree: WriteTree, root: Path, counts: dict[str, int], damaged: list[str]) -> Path:
    """Write a data set whose images in some folders are damaged."""
    write_tree(root, counts)
    for folder in damaged:
        for image in (root / folder).iterdir():
            image.write_bytes(b"")
    return root


@pytest.mark.parametrize(("counts", "damaged", "told", "kind"), STOPPED)
def test_the_check_finds_what_stops_a_training(
    tmp_path: Path, write_tree: WriteTree, counts: dict[str, int], damaged: list[str], told: str, kind: str
):
    root = write_damaged(write_tree, tmp_path, counts, damaged)
    with pytest.raises(DatasetError) as error:
        load_training_data(resolve({"data": root, "model": "compact"}), threading.Event())
    assert told in str(error.value)
    assert kind in {problem.kind for problem in audit_dataset(read_dataset(root))}


@pytest.mark.parametrize(
    ("counts", "damaged"),
    [
        ({"a": 2, "b": 2}, []),
        ({"a": 1, "b": 2}, []),
        ({**PAIR, "val/a": 1}, []),
        ({**PAIR, "val/a": 1, "val/c": 1}, ["val/c"]),
        ({**PAIR, "train/c": 2, "val/a": 1}, ["train/c"]),
    ],
)
def test_the_check_finds_no_obstacle_where_a_training_begins(
    tmp_path: Path, write_tree: WriteTree, counts: dict[str, int], damaged: list[str]
):
    root = write_damaged(write_tree, tmp_path, counts, damaged)
    assert load_training_data(resolve({"data": root, "model": "compact"}), threading.Event())
    problems = audit_dataset(read_dataset(root))
    assert OBSTACLES.isdisjoint(problem.kind for problem in problems)
    assert not any("no validation image has a class" in problem.message for problem in problems)


def test_these_are_all_errors_about_the_data(tmp_path: Path, write_tree: WriteTree):
    reached: set[tuple[str, int]] = set()
    for number, (counts, damaged, *_) in enumerate(STOPPED):
        root = write_damaged(write_tree, tmp_path / str(number), counts, damaged)
        with pytest.raises(DatasetError) as error:
            load_training_data(resolve({"data": root, "model": "compact"}), threading.Event())
        reached.add((str(error.traceback[-1].path), error.traceback[-1].lineno + 1))
    raises = [each for place in (splits, training_data, pixels.load_pixels) for each in raise_statements(place)]
    assert len(raises) == 6
    for file, first, last in raises:
        assert any(path == file and first <= line <= last for path, line in reached), f"{file}:{first}"


def raise_statements(place: Any) -> Iterator[tuple[str, int, int]]:
    """The file, the first line and the last line of each `raise DatasetError` in a module or a function."""
    lines, start = inspect.getsourcelines(place)
    for node in ast.walk(ast.parse("".join(lines))):
        if isinstance(node, ast.Raise) and node.exc is not None and "DatasetError" in ast.dump(node.exc):
            offset = max(start, 1) - 1
            yield str(inspect.getsourcefile(place)), node.lineno + offset, (node.end_lineno or node.lineno) + offset
