"""Images above the memory limit: they have the same pixels from a file, which is removed and takes no memory."""

from __future__ import annotations

import errno
import os
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.config.training_config import resolve
from core.data.pipeline import evaluation_batches, training_stream
from core.data.pixels import MIB, PixelStore, load_pixels, read_rows
from core.data.readers.reader_factory import read_dataset
from core.errors import DatasetError
from core.runs.reader import read_run
from core.runs.writer import create_run
from core.training.build import pixel_statistics
from core.training.trainer import train

WriteTree = Callable[..., Path]


def stored(values: np.ndarray, limit: int) -> np.ndarray:
    store = PixelStore(len(values), (values.shape[1], values.shape[2], values.shape[3]), limit)
    for image in values:
        store.append(image)
    return store.values()


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 48, 48, 1), dtype=np.uint8)


def test_images_lie_in_memory_up_to_the_limit_and_in_a_file_beyond() -> None:
    mebibyte = np.arange(2 * MIB, dtype=np.uint8).reshape(2, 512, 1024, 2)
    within, beyond = stored(mebibyte, 2), stored(mebibyte, 1)
    assert not isinstance(within, np.memmap)
    assert isinstance(beyond, np.memmap)
    assert np.array_equal(within, beyond)
    assert np.array_equal(beyond, mebibyte)
    assert np.array_equal(read_rows(beyond, np.array([1, 0, 1])), mebibyte[[1, 0, 1]])


def test_no_file_is_left_in_the_cache_folder_even_while_it_is_read(isolated_home: Path, pixels: np.ndarray) -> None:
    store = PixelStore(1, (48, 48, 1), 0)
    store.append(pixels[0])
    values = store.values()
    assert len(mapped_files()) >= 1
    assert list((isolated_home / "cache" / "fer-tui").iterdir()) == []
    assert np.array_equal(values, pixels[:1])


def test_reading_takes_no_memory_that_grows_with_the_file() -> None:
    values = stored(np.ones((64, 1024, 1024, 1), np.uint8), 0)
    before = resident()
    for row in range(64):
        assert read_rows(values, np.array([row])).all()
    assert resident() - before < 8 * MIB


def resident() -> int:
    """Return the bytes of memory-mapped files that are in this process's memory."""
    found = re.search(r"RssFile:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


def test_a_full_disk_is_told_before_the_first_image(monkeypatch: pytest.MonkeyPatch, isolated_home: Path) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DatasetError) as caught:
        PixelStore(3, (1024, 1024, 1), 2)
    assert str(caught.value) == (
        f"{isolated_home / 'cache' / 'fer-tui'}: No space left on device; 3 MiB of decoded images need free space "
        "there, or in memory: increase image memory"
    )


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("last", ["as the others", "larger", "smaller", "coloured", "larger and coloured"])
def test_decoding_gives_the_same_pixels_in_a_file(
    tmp_path: Path, write_tree: WriteTree, last: str, channels: int
) -> None:
    root = write_tree(tmp_path, {"a": 4})
    side = {"larger": 12, "smaller": 5}.get(last.split(maxsplit=1)[0], 8)
    mode, colour = ("RGB", (200, 30, 90)) if "coloured" in last else ("L", 90)
    Image.new(mode, (side, side), colour).save(root / "a" / "z.png")
    dataset = read_dataset(root)
    held, mapped = (load_pixels(dataset, dataset.frame, 10, channels, memory=limit) for limit in (2048, 0))
    assert isinstance(mapped.values, np.memmap)
    assert np.array_equal(held.values, mapped.values)
    assert mapped.frame["path"].tolist() == dataset.frame["path"].tolist()
    one_size = 8 if side == 8 else 10
    assert held.values.shape == (5, one_size, one_size, 3 if "coloured" in last and channels == 3 else 1)


def test_unreadable_images_leave_no_gap_in_a_file(tmp_path: Path, write_tree: WriteTree) -> None:
    root = write_tree(tmp_path, {"a": 3})
    (root / "a" / "001.png").write_bytes(b"")
    dataset = read_dataset(root)
    mapped = load_pixels(dataset, dataset.frame, 8, 1, memory=0)
    assert mapped.frame["path"].tolist() == ["a/000.png", "a/002.png"]
    for values, path in zip(mapped.values, mapped.frame["path"], strict=True):
        assert np.array_equal(values[..., 0], np.asarray(Image.open(root / path)))


def test_batches_and_statistics_are_those_of_images_in_memory(pixels: np.ndarray) -> None:
    mapped = stored(pixels, 0)
    targets = np.eye(4, dtype=np.float32)[np.arange(40) % 4]
    config = resolve({"data": "x", "model": "compact", "batch_size": 16, "augmentation": "strong"})
    assert pixel_statistics(mapped, 1) == pixel_statistics(pixels, 1)
    for make in (
        lambda values: training_stream(values, targets, config).take(5),
        lambda values: evaluation_batches(values, targets, 64, 3, batch=16),
        lambda values: evaluation_batches(values, targets, 48, 1, batch=16, flip=True),
    ):
        ours, theirs = (list(make(values).as_numpy_iterator()) for values in (mapped, pixels))
        assert len(ours) == len(theirs) > 2
        for one, other in zip(ours, theirs, strict=True):
            assert all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_a_run_on_mapped_images_ends_as_one_in_memory_and_lets_the_file_go(faces: Path, tmp_path: Path) -> None:
    before, ends = mapped_files(), []
    for limit in (2048, 0):
        settings = {"data": faces, "model": "model2", "width": 0.25, "image_size": 48, "channels": 1, "epochs": 1}
        config = resolve(settings | {"batch_size": 16, "image_memory": limit, "normalization": "dataset"})
        run = create_run(config, tmp_path / str(limit))
        assert train(config, run, threading.Event()) == "completed"
        ends.append(read_run(run).history[-1])
    assert ends[0]["loss"] == pytest.approx(ends[1]["loss"], rel=1e-4)
    assert ends[0]["val_loss"] == pytest.approx(ends[1]["val_loss"], rel=1e-4)
    assert mapped_files() <= before


def mapped_files() -> set[str]:
    """Return the unlinked files that this process has mapped, including those of earlier tests."""
    return set(re.findall(r"\S*fer-tui/\S+(?= \(deleted\))", Path("/proc/self/maps").read_text()))
