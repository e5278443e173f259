from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.data.dataset import Dataset, counts_by_split, fingerprint
from core.data.images import ImageError
from core.data.pixels import load_pixels
from core.data.readers.fer2013_csv import EMOTIONS
from core.data.readers.reader_factory import read_dataset
from core.errors import DatasetError

HEADER = "emotion,pixels,Usage"
PIXELS = " ".join(str(i % 256) for i in range(48 * 48))
GOOD = f"3,{PIXELS},Training"

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes lines or bytes to a fer2013.csv."""

    def write(*lines: str, content: bytes | None = None, end: str = "\n") -> Path:
        path = tmp_path / "fer2013.csv"
        path.write_bytes("".join(line + end for line in lines).encode() if content is None else content)
        return path

    return write


def broken(dataset: Dataset) -> tuple[str, ...]:
    [problem] = dataset.problems
    assert problem.kind == "broken_row"
    return problem.paths


def test_a_good_file_is_read_whole(write: Write):
    usages = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
    lines = [f"{emotion},{PIXELS},{usage}" for usage in usages for emotion in range(7)]
    dataset = read_dataset(write(HEADER, *lines))
    assert dataset.problems == ()
    assert dataset.classes == tuple(sorted(EMOTIONS))
    assert counts_by_split(dataset.frame) == {split: dict.fromkeys(sorted(EMOTIONS), 1) for split in usages.values()}
    expected = [
        (f"fer2013.csv#{line:05d}", EMOTIONS[line % 7 - 2], split)
        for line, split in zip(range(2, 23), [s for s in usages.values() for _ in range(7)], strict=True)
    ]
    assert list(dataset.frame.itertuples(index=False, name=None)) == expected


@pytest.mark.parametrize(
    ("number", "name"), list(enumerate(["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]))
)
def test_emotions_have_the_names_of_the_original(write: Write, number: int, name: str):
    assert read_dataset(write(HEADER, f"{number},{PIXELS},Training")).classes == (name,)


def test_pixels_stay_with_their_row_when_others_are_broken(write: Write):
    def line(value: int) -> str:
        return f"3,{' '.join([str(value)] * 48 * 48)},Training"

    dataset = read_dataset(write(HEADER, line(10), "broken", line(0), "9,1,Training", line(255)))
    assert broken(dataset) == ("fer2013.csv#00003", "fer2013.csv#00005")
    loaded = load_pixels(dataset, dataset.frame, 48, 1)
    assert loaded.values.shape == (3, 48, 48, 1)
    assert [np.unique(values).tolist() for values in loaded.values] == [[10], [0], [255]]


def test_pixels_are_in_rows_from_the_top(write: Write):
    dataset = read_dataset(write(HEADER, GOOD))
    image = dataset.image("fer2013.csv#00002")
    assert (image.mode, image.size) == ("L", (48, 48))
    assert np.array_equal(np.asarray(image), np.arange(48 * 48).reshape(48, 48) % 256)


def test_the_fingerprint_is_that_of_the_pixels_whatever_the_lines(write: Write):
    dataset = read_dataset(write(HEADER, GOOD, f"4,{PIXELS},Training"))
    before = fingerprint(dataset)
    assert (
        fingerprint(read_dataset(write("Usage,emotion,pixels", f"Training,4,{PIXELS}", f"Training,3,{PIXELS}")))
        == before
    )
    assert fingerprint(read_dataset(write(HEADER, GOOD, f"5,{PIXELS},Training"))) != before
    assert fingerprint(read_dataset(write(HEADER, GOOD, f"4,{PIXELS[:-1]}9,Training"))) != before


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("3", "1 cells, not 3"),
        (f"3,{PIXELS}", "2 cells, not 3"),
        (f"{GOOD},", "4 cells, not 3"),
        (f"{GOOD},a,b,c", "6 cells, not 3"),
        (f"3,{PIXELS} 1,Training", "2,305 pixels, not 2,304"),
        (f"3,{PIXELS.removeprefix('0 ')},Training", "2,303 pixels, not 2,304"),
        ("3,,Training", "0 pixels, not 2,304"),
        (f"3,{PIXELS[:-3]}x,Training", "pixels are not all whole numbers"),
        (f"3,{PIXELS[:-3]}1.5,Training", "pixels are not all whole numbers"),
        (f"3,{PIXELS[:-3]}{'9' * 30},Training", "pixels outside 0 to 255"),
        (f"3,{PIXELS[:-3]}256,Training", "pixels outside 0 to 255"),
        (f"3,{PIXELS[:-3]}-1,Training", "pixels outside 0 to 255"),
        (f"7,{PIXELS},Training", "emotion is '7', not 0 to 6"),
        (f"-1,{PIXELS},Training", "emotion is '-1', not 0 to 6"),
        (f",{PIXELS},Training", "emotion is '', not 0 to 6"),
        (f"happy,{PIXELS},Training", "emotion is 'happy', not 0 to 6"),
        (f"\x1b[31m,{PIXELS},Training", r"emotion is '\x1b[31m', not 0 to 6"),
        (f"{'y' * 99},{PIXELS},Training", f"emotion is '{'y' * 20}', not 0 to 6"),
        (f"3,{PIXELS},training", "Usage is 'training', not Training, PublicTest or PrivateTest"),
        (f"3,{PIXELS},", "Usage is '', not Training, PublicTest or PrivateTest"),
    ],
)
@pytest.mark.parametrize("first", [True, False], ids=["first", "last"])
def test_a_broken_row_is_left_out_and_named_with_its_reason(write: Write, line: str, reason: str, first: bool):
    lines = [line, GOOD] if first else [GOOD, line]
    dataset = read_dataset(write(HEADER, *lines))
    bad, good = ("fer2013.csv#00002", "fer2013.csv#00003")[:: 1 if first else -1]
    assert dataset.frame["path"].tolist() == [good]
    assert broken(dataset) == (bad,)
    assert dataset.problems[0].message == f"skipped broken rows: {bad}: {reason}"


def test_many_broken_rows_are_one_problem(write: Write):
    dataset = read_dataset(write(HEADER, GOOD, "a", "b", "c"))
    assert broken(dataset) == tuple(f"fer2013.csv#0000{line}" for line in (3, 4, 5))
    assert dataset.problems[0].message.endswith("fer2013.csv#00003: 1 cells, not 3 and 2 more")


def test_rows_go_by_the_number_of_their_line_in_the_file(write: Write):
    dataset = read_dataset(write(HEADER, "", GOOD, "", "?", GOOD))
    assert dataset.frame["path"].tolist() == ["fer2013.csv#00003", "fer2013.csv#00006"]
    assert broken(dataset) == ("fer2013.csv#00005",)


@pytest.mark.parametrize(
    "make",
    [
        lambda write: write(HEADER, GOOD, end="\r\n"),
        lambda write: write('"emotion","pixels","Usage"', f'"3","{PIXELS}","Training"'),
        lambda write: write("\ufeff" + HEADER, GOOD),
        lambda write: write(content=f"{HEADER}\n{GOOD}".encode()),
        lambda write: write("Usage,pixels,emotion", f"Training,{PIXELS},3"),
        lambda write: write("id,emotion,pixels,Usage", f"17,{GOOD}"),
        lambda write: write(HEADER, f"3,{PIXELS.replace(' ', '  ')} ,Training"),
    ],
    ids=["CRLF", "quoted", "byte order mark", "no last line end", "other order", "another column", "two spaces"],
)
def test_other_ways_to_write_the_same_are_read(write: Write, make: Callable[[Write], Path]):
    dataset = read_dataset(make(write))
    assert dataset.problems == ()
    assert dataset.frame.to_numpy().tolist() == [["fer2013.csv#00002", "happy", "train"]]
    assert np.array_equal(np.asarray(dataset.image("fer2013.csv#00002")).ravel(), np.arange(2304) % 256)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no column emotion, pixels, Usage; expected emotion,pixels,Usage"),
        (b"\n\n", "no column emotion, pixels, Usage; expected emotion,pixels,Usage"),
        (GOOD.encode(), "no column emotion, pixels, Usage; expected emotion,pixels,Usage"),
        (b"emotion,Usage\n3,Training\n", "no column pixels; expected emotion,pixels,Usage"),
        (b"Emotion,pixels,usage\n", "no column emotion, Usage; expected emotion,pixels,Usage"),
        (HEADER.encode(), "no valid row; expected emotion,pixels,Usage"),
        (f"{HEADER}\n3,1 2,Training\n".encode(), "no valid row; fer2013.csv#00002: 2 pixels, not 2,304; expected "),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not a CSV file: 'utf-8' codec can't decode byte 0x89"),
        (b"\x1f\x8b\x08junk", "this is an archive; unpack it, and give the folder"),
        (b"PK\x03\x04junk", "this is an archive; unpack it, and give the folder"),
        (b"\0" * 1000, "no column emotion, pixels, Usage; expected"),
        (f'{HEADER}\n"{"x" * 200_000}\n'.encode(), "not a CSV file: field larger than field limit"),
        (f"{HEADER}\n{GOOD}\n".encode("utf-16"), "not a CSV file: 'utf-8' codec can't decode byte"),
    ],
    ids=[
        "empty",
        "blank lines",
        "no header",
        "a column short",
        "other case",
        "header alone",
        "no whole row",
        "binary",
        "gzip",
        "zip",
        "zeros",
        "open quote",
        "UTF-16",
    ],
)
def test_what_is_no_fer2013_csv_is_refused_in_one_line(write: Write, content: bytes, told: str):
    path = write(content=content)
    with pytest.raises(DatasetError) as refusal:
        read_dataset(path)
    assert str(refusal.value).startswith(f"{path}: {told}")
    assert str(refusal.value).isprintable()


@pytest.mark.parametrize("name", ["faces.csv.gz", "faces.zip", "faces.csv.xz", "faces.tar", "face.png"])
def test_the_suffix_of_a_file_means_nothing(tmp_path: Path, name: str):
    path = tmp_path / name
    path.write_text(f"{HEADER}\n{GOOD}\n")
    assert read_dataset(path).frame["path"].tolist() == [f"{name}#00002"]
    path.write_bytes(b"junk")
    with pytest.raises(DatasetError, match=f"{path}: no column emotion, pixels, Usage"):
        read_dataset(path)


def test_a_row_that_is_not_there_is_no_image(write: Write):
    dataset = read_dataset(write(HEADER, GOOD))
    for read in (dataset.image, dataset.source.content):
        with pytest.raises(ImageError, match="no such row"):
            read("fer2013.csv#00009")
