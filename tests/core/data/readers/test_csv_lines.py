from __future__ import annotations

from pathlib import Path

import pytest

from core.data.readers.csv_lines import column_names, read_header, read_lines
from core.errors import DatasetError

ROWS = [(1, ["Emotion ", "pixels"]), (2, ["3", "1 2"])]


@pytest.mark.parametrize(
    "content",
    [
        b"Emotion ,pixels\n3,1 2\n",
        b"\xef\xbb\xbfEmotion ;pixels\r\n3;1 2\r\n\r\n;\r\n",
        b"Emotion \tpixels\n3\t1 2",
        b'"Emotion ","pixels"\n"3","1 2"\n"",""\n  \n',
    ],
    ids=["commas", "semicolons", "tabs", "quotes"],
)
def test_a_file_is_read_whatever_its_form(tmp_path: Path, content: bytes):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    assert list(read_lines(path)) == ROWS
    assert read_header(path) == ["emotion", "pixels"]


def test_a_cell_may_have_the_pixels_of_a_large_image(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text(f"a,b\n{'255 ' * 224 * 224},1\n")
    assert [len(cells) for _, cells in read_lines(path)] == [2, 2]


def test_what_is_no_csv_is_refused_or_has_no_header(tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xff\xfe\x80")
    with pytest.raises(DatasetError, match=f"{path}: not a CSV file: "):
        list(read_lines(path))
    assert read_header(tmp_path / "none.csv") == []
    path.write_bytes(b"")
    assert list(read_lines(path)) == read_header(path) == []


def test_names_of_columns_have_no_capitals_and_blanks():
    assert column_names([" Usage", "NF", ""]) == ["usage", "nf", ""]
