from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fer_tui.widgets.typed_path import read_typed_path

NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=20)


def escaped(path: Path) -> str:
    return "".join(c if c.isalnum() or c in "/._-" else f"\\{c}" for c in str(path))


@pytest.mark.parametrize("name", ["my faces", "it's", 'say "x"', "a\\b", "é 50%", "(a) & b", "x#y?z"])
def test_a_path_is_read_as_terminals_paste_it(tmp_path: Path, name: str):
    path = tmp_path / name
    path.mkdir()
    for pasted in (
        str(path),
        f" {path} ",
        shlex.quote(str(path)),
        escaped(path),
        path.as_uri(),
        path.as_uri().replace("file://", "file://localhost"),
        path.as_uri().replace("file://", "file:"),
        f"'{path.as_uri()}'",
    ):
        assert read_typed_path(pasted) == path, pasted


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(NAMES)
def test_any_name_that_exists_comes_back_from_quotes_and_from_a_uri(tmp_path: Path, name: str):
    path = tmp_path / name.strip()
    path.mkdir(exist_ok=True)
    assert read_typed_path(shlex.quote(str(path))) == path
    assert read_typed_path(path.as_uri()) == path


@given(st.text(max_size=30))
def test_anything_typed_is_a_path(text: str):
    assert isinstance(read_typed_path(text), Path)


def test_what_exists_as_typed_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for name in ("'quoted'", "a\\ b", "a%20b"):
        (tmp_path / name).mkdir()
        (tmp_path / name.strip("'")).mkdir(exist_ok=True)
        assert read_typed_path(name) == Path(name)


@pytest.mark.parametrize("text", ["it's", "/no such/place", "'a' 'b'", "file:x", "~nobody-here/x"])
def test_what_no_terminal_pastes_stays_as_typed(text: str):
    assert read_typed_path(text) == Path(text)


def test_bytes_that_are_no_utf_8_come_back_from_a_uri(tmp_path: Path):
    path = tmp_path / os.fsdecode(b"\xff x")
    path.mkdir()
    assert read_typed_path(f"file://{tmp_path}/%FF%20x") == path


def test_a_tilde_is_the_home(isolated_home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", "/home/ann")
    assert read_typed_path("~/faces") == read_typed_path("'~/faces'") == Path("/home/ann/faces")
