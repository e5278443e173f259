"""What every reader promises, tried on a small sample of its format."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from data_formats import COUNTS, SAMPLES, WITH_VOTES, Drawings

from core.data.cleaning import write_cleaned
from core.data.dataset import Dataset, counts_by_split, fingerprint
from core.data.readers.reader_factory import READERS, read_dataset

EVERY = pytest.mark.parametrize("name", READERS)


def sample(name: str, root: Path, *, changed: bool = False) -> Path:
    assert name in SAMPLES, f"tests/support/data_formats.py has no sample of the format '{name}'"
    return SAMPLES[name](root / name, Drawings(changed=changed))


def images(dataset: Dataset) -> Counter[tuple[str, str, str, tuple[int, int], bytes]]:
    """Return the label, the split and the pixels of every image, however it is named."""
    frame = dataset.frame
    decoded = [dataset.image(path) for path in frame["path"]]
    return Counter(
        (label, split, image.mode, image.size, image.tobytes())
        for label, split, image in zip(frame["label"], frame["split"], decoded, strict=True)
    )


def test_every_sample_is_of_a_reader():
    assert set(SAMPLES) == set(COUNTS) == set(READERS)


@EVERY
def test_a_sample_is_recognized(name: str, tmp_path: Path):
    root = sample(name, tmp_path)
    assert next(each for each, reader in READERS.items() if reader.can_read(root)) == name
    assert read_dataset(root).format == name
    assert read_dataset(root, format=name).frame.equals(read_dataset(root).frame)


@EVERY
def test_the_frame(name: str, tmp_path: Path):
    dataset = read_dataset(sample(name, tmp_path))
    frame = dataset.frame
    assert list(frame.columns[:3]) == ["path", "label", "split"]
    assert set(frame.columns[3:]) <= {"group", "votes"}
    assert frame["path"].is_unique
    assert frame["path"].is_monotonic_increasing
    assert frame.index.tolist() == list(range(len(frame)))
    assert dataset.classes == tuple(sorted(set(frame["label"])))
    assert {
        split: {k: n for k, n in counts.items() if n} for split, counts in counts_by_split(frame).items()
    } == COUNTS[name]


@EVERY
def test_every_image_decodes(name: str, tmp_path: Path):
    dataset = read_dataset(sample(name, tmp_path))
    decoded = [dataset.image(path) for path in dataset.frame["path"]]
    assert {image.mode for image in decoded} <= {"L", "RGB"}
    # In any order, as a shuffled frame asks for them.
    again = [dataset.image(path) for path in reversed(dataset.frame["path"].tolist())]
    assert [image.tobytes() for image in decoded] == [image.tobytes() for image in reversed(again)]


@EVERY
def test_the_fingerprint_is_that_of_the_pixels(name: str, tmp_path: Path):
    first = fingerprint(read_dataset(sample(name, tmp_path / "a")))
    assert first == fingerprint(read_dataset(sample(name, tmp_path / "b")))
    assert first != fingerprint(read_dataset(sample(name, tmp_path / "c", changed=True)))


@EVERY
def test_messages_are_single_lines(name: str, tmp_path: Path):
    dataset = read_dataset(sample(name, tmp_path))
    reader = READERS[name]
    for text in (reader.description, dataset.summary, *(problem.message for problem in dataset.problems)):
        assert text.isprintable(), text
        assert text == text.strip()
    assert dataset.summary or name == "fer2013"


@EVERY
def test_other_places_are_not_taken(name: str, tmp_path: Path):
    assert not READERS[name].can_read(tmp_path / "nowhere")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert READERS[name].can_read(empty) == (name == "folders")


@EVERY
@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_to_a_manifest_and_back(name: str, ending: str, tmp_path: Path):
    votes = "soft" if name in WITH_VOTES else "majority"
    dataset = read_dataset(sample(name, tmp_path), votes=votes)
    assert ("votes" in dataset.frame) == (name in WITH_VOTES)
    out = tmp_path / "out" / f"faces{ending}"
    cleaned = write_cleaned(dataset, out)
    assert cleaned.images == len(dataset.frame)
    again = read_dataset(out, votes=votes)
    assert again.format == "manifest"
    assert again.problems == tuple(each for each in dataset.problems if each.kind == "class_in_one_split")
    assert images(again) == images(dataset)
    assert list(again.frame.columns) == list(dataset.frame.columns)
    for column in again.frame.columns[3:]:
        assert Counter(again.frame[column]) == Counter(dataset.frame[column])


@EVERY
def test_to_folders_and_back(name: str, tmp_path: Path):
    dataset = read_dataset(sample(name, tmp_path))
    write_cleaned(dataset, tmp_path / "out")
    again = read_dataset(tmp_path / "out")
    assert again.format == "folders"
    assert images(again) == images(dataset)
    assert not [each for each in again.problems if each.kind != "class_in_one_split"]
