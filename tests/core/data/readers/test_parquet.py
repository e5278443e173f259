"""Hugging Face's Parquet files: columns, names of classes, splits, and images that are read when they are needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from data_formats import Drawings, parquet

from core.data.dataset import counts_by_split
from core.data.images import ImageError
from core.data.readers import parquet as reader
from core.data.readers.reader_factory import read_dataset
from core.errors import DatasetError
from core.system import extras


def write(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, **options)
    return path


def test_names_of_classes_and_splits(tmp_path: Path):
    dataset = read_dataset(parquet(tmp_path, Drawings()))
    assert counts_by_split(dataset.frame) == {"train": {"happy": 4, "sad": 4}, "test": {"happy": 2, "sad": 2}}
    assert dataset.frame["path"][0] == "data/test-00000-of-00001.parquet#000000"
    assert dataset.summary == "3 Parquet files: 12 images in 2 classes, train and test"
    assert dataset.problems == ()


@pytest.mark.parametrize("name", ["default/train/0000.parquet", "train.parquet", "plain_text/train-0.parquet"])
def test_where_the_files_may_be(tmp_path: Path, name: str):
    draw = Drawings()
    write(tmp_path / name, {"img": [draw.png(), draw.png()], "emotion": ["happy", "sad"]})
    dataset = read_dataset(tmp_path)
    assert (dataset.format, counts_by_split(dataset.frame)) == ("parquet", {"train": {"happy": 1, "sad": 1}})


def test_a_column_of_splits_and_numbers_without_names(tmp_path: Path):
    draw = Drawings()
    path = write(
        tmp_path / "all.parquet",
        {"image": [draw.png() for _ in range(3)], "label": [0, 1, 1], "split": ["training", "valid", "half"]},
    )
    dataset = read_dataset(path)
    assert counts_by_split(dataset.frame) == {"train": {"0": 1, "1": 0}, "validation": {"0": 0, "1": 1}}
    assert dataset.problems[0].message == (
        "skipped broken rows: all.parquet#000002: the split is 'half', not train, validation or test; correct or "
        "remove them"
    )


@pytest.mark.parametrize("group_rows", [1, 7, 1000])
@pytest.mark.parametrize("memory", [0, 10_000, 10**9])
def test_images_are_those_of_their_rows_in_any_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group_rows: int, memory: int
):
    monkeypatch.setattr(reader, "_PIECE_ROWS", 3)
    monkeypatch.setattr(reader, "_MEMORY", memory)
    draw = Drawings()
    contents = [draw.png() for _ in range(20)]
    write(tmp_path / "all.parquet", {"image": contents, "label": ["a", "b"] * 10}, row_group_size=group_rows)
    dataset = read_dataset(tmp_path / "all.parquet")
    for row in (*range(20), *reversed(range(20)), 5, 17, 0, 19, 6):
        assert dataset.source.content(f"all.parquet#{row:06d}") == contents[row]


def test_pieces_in_memory_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reader, "_PIECE_ROWS", 2)
    monkeypatch.setattr(reader, "_MEMORY", 12_000)
    draw = Drawings()
    write(tmp_path / "all.parquet", {"image": [draw.png() for _ in range(40)], "label": ["a"] * 40})
    source: Any = read_dataset(tmp_path / "all.parquet").source
    for row in range(40):
        source.content(f"all.parquet#{row:06d}")
        assert source._size == sum(piece.nbytes for piece in source._pieces.values()) <= 12_000


def test_rows_without_label_or_image(tmp_path: Path):
    path = write(
        tmp_path / "x.parquet",
        {"image": pa.array([Drawings().png(), None, b"no image"], pa.binary()), "label": ["a", "b", None]},
    )
    dataset = read_dataset(path)
    assert [problem.kind for problem in dataset.problems] == ["broken_row"]
    assert dataset.image("x.parquet#000000").size == (48, 48)
    with pytest.raises(ImageError, match="the row has no image bytes"):
        dataset.image("x.parquet#000001")


def test_a_table_without_images_beside_folders_is_left_alone(tmp_path: Path):
    Drawings().save(tmp_path, "happy", "a.png")
    write(tmp_path / "features.parquet", {"x": [1.0, 2.0]})
    assert read_dataset(tmp_path).format == "folders"
    with pytest.raises(DatasetError, match="no Parquet file with a column of image bytes and a column of labels"):
        read_dataset(tmp_path, format="parquet")


def test_a_damaged_file_is_refused(tmp_path: Path):
    (tmp_path / "x.parquet").write_bytes(b"PAR1 cut short")
    with pytest.raises(DatasetError, match=r"x\.parquet: not a Parquet file \(.*\); download it again"):
        read_dataset(tmp_path / "x.parquet")


@pytest.mark.parametrize("place", [".", "data", "data/x.parquet"])
def test_a_git_lfs_pointer_is_named(tmp_path: Path, place: str):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x.parquet").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    with pytest.raises(DatasetError, match=r"x\.parquet: a Git LFS pointer instead of the file; run 'git lfs pull'"):
        read_dataset(tmp_path / place)


@pytest.mark.parametrize("place", [".", "x.parquet"])
def test_without_pyarrow_the_line_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str):
    write(tmp_path / "x.parquet", {"image": [Drawings().png()], "label": ["a"]})
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(DatasetError) as error:
        read_dataset(tmp_path / place)
    command = extras.install_command("parquet")
    assert str(error.value) == (
        f"{tmp_path / 'x.parquet'}: Parquet files need pyarrow, which is not installed; {command}"
    )
