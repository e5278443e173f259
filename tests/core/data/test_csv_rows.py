from __future__ import annotations

from pathlib import Path

import pytest

from core.data.csv_rows import column_names, read_csv_columns, read_csv_rows
from core.errors import DatasetError

ROWS = [(1, ["Emotion ", "pixels"]), (2, ["3", "1 2"])]


@pytest.mark.parametrize(
    "content",
    [
        b"Emotion ,pixels\n3,1 2\n",
        b"\xef\xbb\xbfEmotion ;pixels\r\n3;1 2\r\n\r\n;\r\n",
        b"Emotion \tpixels\n3\t1 2",
        b'"Emotion ","pixels"\n"3","1 2"\n"",""\n  \n',
        "Emotion \tpixels\r\n3\t1 2\r\n".encode("utf-16"),
    ],
    ids=["commas", "semicolons", "tabs", "quotes", "UTF-16"],
)
def test_a_file_is_read_whatever_its_form(tmp_path: Path, content: bytes):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    assert list(read_csv_rows(path)) == ROWS
    assert read_csv_columns(path) == ["emotion", "pixels"]


def test_a_cell_may_have_the_pixels_of_a_large_image(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text(f"a,b\n{'255 ' * 224 * 224},1\n")
    assert [len(cells) for _, cells in read_csv_rows(path)] == [2, 2]


def test_what_is_no_csv_is_refused_or_has_no_header(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xff\xfe\x80")
    with pytest.raises(DatasetError, match=f"{path}: not a CSV file: "):
        list(read_csv_rows(path))
    assert read_csv_columns(tmp_path / "none.csv") == []
    path.write_bytes(b"")
    assert list(read_csv_rows(path)) == read_csv_columns(path) == []


def test_names_of_columns_have_no_capitals_and_blanks():
    assert column_names([" Usage", "NF", ""]) == ["usage", "nf", ""]


def test_excels_line_of_the_separator_is_not_a_row(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text("sep=;\na;b,c\n1;2,3\n")
    assert list(read_csv_rows(path)) == [(2, ["a", "b,c"]), (3, ["1", "2,3"])]
