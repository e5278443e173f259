from __future__ import annotations

import pytest

from core.data.edited_csv import EditedCsv, EditedCsvError


def rows(content: bytes | str, needed: tuple[str, ...] = ("path", "label"), optional: tuple[str, ...] = ()):
    encoded = content.encode() if isinstance(content, str) else content
    return [(line, dict(row)) for line, row in EditedCsv(encoded, needed, optional).rows()]


A, B = {"path": "a.png", "label": "sad"}, {"path": "b.png", "label": "happy"}


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        ("path,label\na.png,sad\nb.png,happy\n", [2, 3]),
        ("\ufeffpath,label\r\na.png,sad\r\nb.png,happy", [2, 3]),
        ("PATH;Label\na.png;sad\n\nb.png;happy\n", [2, 4]),
        ("path\tlabel\na.png\tsad\nb.png\thappy\n", [2, 3]),
        ("path\tlabel\na.png\tsad\nb.png\thappy\n".encode("utf-16"), [2, 3]),
        (" path , label \n a.png , sad\nb.png,happy \n", [2, 3]),
        ('"path", "label"\n"a.png", "sad"\nb.png, happy\n', [2, 3]),
        ("sep=;\npath;label\na.png;sad\nb.png;happy\n", [3, 4]),
        ("\n,\npath,label,,\na.png,sad,,\n,,,\nb.png,happy,,\n", [4, 6]),
        ("path,label\ra.png,sad\rb.png,happy\r", [2, 3]),
    ],
)
def test_what_editors_and_spreadsheets_write_is_read(content: str | bytes, lines: list[int]):
    assert rows(content) == list(zip(lines, (A, B), strict=True))


def test_other_columns_are_kept_and_their_order_does_not_count():
    assert rows("why;label;path\nblurred;sad;a.png\n") == [(2, {"why": "blurred", "label": "sad", "path": "a.png"})]


def test_blanks_may_belong_to_a_cell_if_the_header_has_none():
    assert rows('path,label\n a.png ,"x, y\nz"\n') == [(3, {"path": " a.png ", "label": "x, y\nz"})]


def test_names_of_files_that_are_not_utf8_survive():
    assert rows(b"path,label\ncaf\xe9.png,sad\n")[0][1]["path"].encode(errors="surrogateescape") == b"caf\xe9.png"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "the file has no column 'path'; needs path, label in its first line (found: nothing)"),
        ("a.png,sad\n", "the file has no column 'path'; needs path, label in its first line (found: a.png, sad)"),
        ("path|label\n", "no column 'path'; needs path, label in its first line (found: path|label), separated by"),
        ("path,Path,label\n", "the file has the column 'path' twice; rename or remove one of them"),
        ("path,label,splits\n", "unknown column 'splits'; did you mean 'split'?"),
        ("path,label\na.png,sad\nb.png\n", "line 3: the number of cells differs from the header (1, not 2)"),
        ("sep=,\npath,label\na,b.png,sad\n", "line 3: the number of cells differs from the header (3, not 2)"),
        ('path,label\n"a"b.png,sad\n', "line 2: ',' expected after '\"'; check the quotes in this line"),
        ("path,label\n".encode("utf-16-le"), "the file is not a text file in UTF-8; save it as CSV (UTF-8)"),
        (b"PK\x03\x04", "the file is a workbook or an archive, not a CSV file; save it as CSV (UTF-8)"),
    ],
)
def test_what_can_be_misread_is_refused_with_its_place(content: str | bytes, said: str):
    with pytest.raises(EditedCsvError) as error:
        rows(content, optional=("split",))
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_similar_columns_of_other_meaning_are_no_misspelling():
    assert rows("path,label,notes\na.png,sad,?\n", optional=("votes", "split"))[0][1]["notes"] == "?"
    assert rows("path,label,split,splits\na.png,sad,train,x\n", optional=("split",))[0][1]["split"] == "train"
