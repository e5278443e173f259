from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from core.data.audit import audit_dataset
from core.data.dataset import UNSPLIT, Dataset, counts_by_split, fingerprint
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
        (f"8,{PIXELS},Training", "emotion is '8', not 0 to 7"),
        (f"3.5,{PIXELS},Training", "emotion is '3.5', not 0 to 7"),
        (f"-1,{PIXELS},Training", "emotion is '-1', not 0 to 7"),
        (f",{PIXELS},Training", "emotion is '', not 0 to 7"),
        (f"cheese,{PIXELS},Training", "emotion is 'cheese', not 0 to 7"),
        (f"\x1b[31m,{PIXELS},Training", r"emotion is '\x1b[31m', not 0 to 7"),
        (f"{'y' * 99},{PIXELS},Training", f"emotion is '{'y' * 20}', not 0 to 7"),
        (f"3,{PIXELS},exam", "Usage is 'exam', not Training, PublicTest or PrivateTest"),
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
    assert dataset.problems[0].message == f"skipped broken rows: {bad}: {reason}; correct or remove them"


def test_many_broken_rows_are_one_problem(write: Write):
    dataset = read_dataset(write(HEADER, GOOD, "a", "b", "c"))
    assert broken(dataset) == tuple(f"fer2013.csv#0000{line}" for line in (3, 4, 5))
    assert dataset.problems[0].message.endswith("fer2013.csv#00003: 1 cells, not 3 and 2 more; correct or remove them")


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
        lambda write: write("emotion, Usage, pixels", f"3,Training,{PIXELS}"),
        lambda write: write("emotion,pixels,Split", f"3,{PIXELS},train"),
        lambda write: write("emotion,pixels,split,Usage", f"3,{PIXELS},7,Training"),
        lambda write: write("EMOTION,Pixels , usage", f"3,{PIXELS},Training"),
        lambda write: write("\ufeff" + HEADER.replace(",", ";"), GOOD.replace(",", ";"), end="\r\n"),
        lambda write: write(HEADER.replace(",", "\t"), GOOD.replace(",", "\t")),
        lambda write: write(f"Unnamed: 0,{HEADER}", f"0,{GOOD}"),
        lambda write: write(f",{HEADER}", f"0,{GOOD}"),
        lambda write: write(HEADER, f"3.0,{PIXELS},Training"),
        lambda write: write(HEADER, f" Happiness,{PIXELS},Training"),
        lambda write: write(HEADER, f"3,{PIXELS},training "),
        lambda write: write(HEADER, f'3,"[{PIXELS.replace(" ", ", ")}]",Training'),
        lambda write: write(HEADER, f"3,[{PIXELS}],Training"),
        lambda write: write(HEADER, GOOD, "", ",,", "  ", '"","",""'),
    ],
    ids=[
        *("CRLF", "quoted", "byte order mark", "no last line end", "other order", "another column", "two spaces"),
        *(
            "blanks in the header",
            "a split",
            "a split and Usage",
            "other case",
            "semicolons",
            "tabs",
            "an index",
            "an unnamed index",
        ),
        *("a decimal", "a word", "another Usage", "a list", "brackets", "blank lines"),
    ],
)
def test_other_ways_to_write_the_same_are_read(write: Write, make: Callable[[Write], Path]):
    dataset = read_dataset(make(write))
    assert dataset.problems == ()
    assert dataset.frame.to_numpy().tolist() == [["fer2013.csv#00002", "happy", "train"]]
    assert np.array_equal(np.asarray(dataset.image("fer2013.csv#00002")).ravel(), np.arange(2304) % 256)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "no column emotion, pixels; expected emotion,pixels,Usage"),
        (b"\n\n", "no column emotion, pixels; expected emotion,pixels,Usage"),
        (GOOD.encode(), "no column emotion, pixels; expected emotion,pixels,Usage"),
        (b"emotion,Usage\n3,Training\n", "no column pixels; expected emotion,pixels,Usage"),
        (b"pixels,Usage\n", "no column emotion, so its images have no labels; expected emotion,pixels,Usage"),
        (
            b"label,pixels,Usage\n",
            "no column emotion, so its images have no labels; expected emotion,pixels,Usage (found: label, pixels, ",
        ),
        (b"emotion,Pixels,pixels\n", "two columns pixels; expected emotion,pixels,Usage"),
        (HEADER.encode(), "no valid row; expected emotion,pixels,Usage"),
        (f"{HEADER}\n3,1 2,Training\n".encode(), "no valid row; fer2013.csv#00002: 2 pixels, not 2,304; expected "),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "not a CSV file: 'utf-8' codec can't decode byte 0x89"),
        (b"\x1f\x8b\x08junk", "this is an archive; unpack it, and give the folder"),
        (b"PK\x03\x04junk", "this is an archive; unpack it, and give the folder"),
        (b"\0" * 1000, "no column emotion, pixels; expected"),
        (f'{HEADER}\n"{"x" * 2_000_000}\n'.encode(), "not a CSV file: field larger than field limit"),
    ],
    ids=[
        "empty",
        "blank lines",
        "no header",
        "a column short",
        "no labels",
        "another name",
        "a column twice",
        "header alone",
        "no whole row",
        "binary",
        "gzip",
        "zip",
        "zeros",
        "open quote",
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
    with pytest.raises(DatasetError, match=f"{path}: no column emotion, pixels"):
        read_dataset(path)


def test_a_row_that_is_not_there_is_no_image(write: Write):
    dataset = read_dataset(write(HEADER, GOOD))
    for read in (dataset.image, dataset.source.content):
        with pytest.raises(ImageError, match="no such row"):
            read("fer2013.csv#00009")


OTHER_PIXELS = " ".join(str(i % 251) for i in range(48 * 48))
LINES = {
    "fer2013.csv": f"{HEADER}\n{GOOD}\n4,{PIXELS},PublicTest\n",
    "icml_face_data.csv": f"emotion, Usage, pixels\n0,Training,{PIXELS}\n2,PublicTest,{OTHER_PIXELS}\n",
    "train.csv": f"emotion,pixels\n5,{PIXELS}\n6,{OTHER_PIXELS}\n",
    "test.csv": f"pixels\n{PIXELS}\n",
    "ckextended.csv": f"{HEADER}\n7,{PIXELS},Training\n1,{OTHER_PIXELS},PrivateTest\n",
    "My Faces.CSV": f"Emotion;Pixels;Usage\nfear;{PIXELS};test\n",
}
CLASSES = {
    "fer2013.csv": ("happy", "sad"),
    "icml_face_data.csv": ("angry", "fear"),
    "train.csv": ("neutral", "surprise"),
    "ckextended.csv": ("contempt", "disgust"),
    "My Faces.CSV": ("fear",),
}


def put(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_text(LINES[name])
    return folder


@pytest.mark.parametrize("name", CLASSES)
def test_each_csv_is_read_by_itself_and_as_the_csv_of_a_folder(tmp_path: Path, name: str):
    folder = put(tmp_path, name)
    for place in (folder, folder / name):
        dataset = read_dataset(place)
        assert (dataset.format, dataset.classes, dataset.root) == ("fer2013", CLASSES[name], folder / name)
        assert all(path.startswith(f"{name}#0000") for path in dataset.frame["path"])
        assert {problem.kind for problem in dataset.problems} <= {"class_in_one_split"}


def test_a_csv_without_usage_has_no_splits_and_the_one_without_labels_is_named(tmp_path: Path):
    dataset = read_dataset(put(tmp_path, "train.csv", "test.csv"))
    assert counts_by_split(dataset.frame) == {UNSPLIT: {"neutral": 1, "surprise": 1}}
    assert dataset.summary == "2 images in 2 classes, without splits; left out: test.csv (no labels)"
    assert dataset.problems == ()
    assert np.array_equal(np.asarray(dataset.image("train.csv#00003")).ravel(), np.arange(2304) % 251)


@pytest.mark.parametrize("place", ["", "test.csv"])
def test_a_csv_without_labels_alone_is_refused(tmp_path: Path, place: str):
    with pytest.raises(DatasetError, match=r"no column emotion, so its images have no labels; "):
        read_dataset(put(tmp_path, "test.csv") / place)


@pytest.mark.parametrize(
    ("names", "read"),
    [
        (("train.csv", "icml_face_data.csv", "fer2013.csv", "ckextended.csv", "test.csv"), "fer2013.csv"),
        (("train.csv", "icml_face_data.csv", "ckextended.csv", "test.csv"), "icml_face_data.csv"),
        (("train.csv", "ckextended.csv"), "train.csv"),
    ],
)
def test_of_several_csvs_one_is_read_and_the_others_are_named(tmp_path: Path, names: tuple[str, ...], read: str):
    dataset = read_dataset(put(tmp_path, *names))
    assert dataset.classes == CLASSES[read]
    left = [name for name in names if name not in (read, "test.csv")]
    [problem] = [problem for problem in dataset.problems if problem.kind == "foreign_file"]
    assert set(problem.paths) == set(left)
    assert problem.message.startswith(f"{read} was read; ")
    assert problem.message.endswith("not: give a file's path to read it")
    assert all(name in dataset.summary for name in left)
    assert ("test.csv (no labels)" in dataset.summary) == ("test.csv" in names)


def test_a_csv_beside_image_folders_is_read_and_the_folders_are_named(tmp_path: Path, write_tree: Callable[..., Path]):
    write_tree(put(tmp_path, "icml_face_data.csv"), {"train/happy": 2, "train/sad": 2})
    dataset = read_dataset(tmp_path)
    assert dataset.format == "fer2013"
    assert dataset.problems[0].message == (
        "icml_face_data.csv was read; the folders beside it (train/) were not: choose them with --format folders"
    )
    assert read_dataset(tmp_path, format="folders").classes == ("happy", "sad")


def test_a_folder_of_images_with_other_csvs_stays_a_folder_of_images(tmp_path: Path, write_tree: Callable[..., Path]):
    write_tree(put(tmp_path, "test.csv"), {"train/happy": 2, "train/sad": 2})
    (tmp_path / "submission.csv").write_text("id,emotion\n1,3\n")
    assert read_dataset(tmp_path).format == "folders"


@pytest.mark.parametrize("size", [8, 32, 64, 224])
def test_images_of_another_square_size_are_read(write: Write, size: int):
    pixels = " ".join(str(i % 256) for i in range(size * size))
    dataset = read_dataset(write(HEADER, f"3,{pixels},Training", f"4,{PIXELS},Training" if size != 48 else ""))
    # 48 x 48 is preferred, however many rows have another size.
    assert broken(dataset) == ("fer2013.csv#00002",)
    assert dataset.problems[0].message.endswith(f"{size * size:,} pixels, not 2,304; correct or remove them")
    dataset = read_dataset(write(HEADER, f"3,{pixels},Training", "4,1 2 3,Training", f"4,{pixels},Training"))
    assert broken(dataset) == ("fer2013.csv#00003",)
    assert dataset.problems[0].message.endswith(f"3 pixels, not {size * size:,}; correct or remove them")
    image = dataset.image("fer2013.csv#00004")
    assert image.size == (size, size)
    assert np.array_equal(np.asarray(image).ravel(), np.arange(size * size) % 256)


def test_rows_of_no_square_size_are_broken(write: Write):
    with pytest.raises(DatasetError, match=r"no valid row; fer2013\.csv#00002: 600 pixels, not 2,304; expected"):
        read_dataset(write(HEADER, f"3,{' '.join(['1'] * 600)},Training"))


def test_a_run_of_version_0_1_0_reads_the_rows_that_it_began_with(tmp_path: Path, write: Write):
    more = [
        f"7,{PIXELS},Training",
        f"happy,{PIXELS},Training",
        f"3.0,{PIXELS},Training",
        f"3,{PIXELS},training",
        f"3,[{PIXELS}],Training",
    ]
    path = write(HEADER, GOOD, *more)
    put(tmp_path, "icml_face_data.csv")
    for place in (path, tmp_path):
        old, new = read_dataset(place, decoding=1), read_dataset(place)
        assert old.frame["path"].tolist() == ["fer2013.csv#00002"]
        assert len(new.frame) == 6
        assert fingerprint(old) == fingerprint(read_dataset(write(HEADER, GOOD)))
        write(HEADER, GOOD, *more)


def test_a_run_of_version_0_1_0_on_folders_beside_a_csv_reads_the_folders(
    tmp_path: Path, write_tree: Callable[..., Path]
):
    write_tree(put(tmp_path, "icml_face_data.csv"), {"train/happy": 2, "train/sad": 2})
    assert read_dataset(tmp_path, decoding=1).format == "folders"


def test_the_fingerprint_is_that_of_version_0_1_0(write: Write):
    dataset = read_dataset(write(HEADER, GOOD, f"0,{PIXELS},PublicTest", f"6,{PIXELS},PrivateTest"))
    assert fingerprint(dataset) == "9a9e9836a97e5726d1665da2b49650e94185e93c1c8e9a3d7f72ab3420fea4b9"


def test_a_checked_csv_has_no_other_problems(tmp_path: Path):
    kinds = {problem.kind for problem in audit_dataset(read_dataset(put(tmp_path, "ckextended.csv")))}
    assert kinds == {"one_class"}
