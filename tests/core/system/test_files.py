from __future__ import annotations

import csv
import io
import json
import math
import os
import stat
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.system import files


class Crash(BaseException):
    """Simulates a killed process; `except Exception` does not catch it."""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail(error: BaseException) -> Callable[..., Any]:
    def failing(*_: Any, **__: Any) -> Any:
        raise error

    return failing


# Files


def test_a_file_is_replaced_by_the_new_one_alone(tmp_path: Path):
    path = tmp_path / "a.json"
    files.write_bytes(path, b"old")
    files.write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["a.json"]


def test_the_old_file_stands_until_the_new_one_is_whole(tmp_path: Path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with files.atomic_replace(path) as temporary:
        temporary.write_bytes(b"ne")
        assert path.read_bytes() == b"old"
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old"
        assert temporary.parent == tmp_path, "a rename across file systems is not atomic"
        assert temporary.name.startswith(".")
    assert path.read_bytes() == b"new"


def test_a_reader_never_sees_half_a_file(tmp_path: Path):
    path = tmp_path / "a"
    contents = [bytes([letter]) * 200_000 for letter in b"ab"]
    files.write_bytes(path, contents[0])

    def write() -> None:
        for number in range(60):
            files.write_bytes(path, contents[number % 2])

    writer = threading.Thread(target=write)
    writer.start()
    seen: set[bytes] = set()
    while writer.is_alive():
        seen.add(path.read_bytes())
    writer.join()
    assert seen <= set(contents)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), Crash()])
@pytest.mark.parametrize("target", ["pathlib.Path.write_bytes", "os.fsync", "pathlib.Path.replace"])
@pytest.mark.parametrize("before", [b"old", None])
def test_a_failure_leaves_the_old_file_and_no_temporary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, target: str, before: bytes | None
):
    path = tmp_path / "a"
    if before:
        path.write_bytes(before)
    monkeypatch.setattr(target, fail(error))
    with pytest.raises(type(error)):
        files.write_bytes(path, b"new")
    monkeypatch.undo()
    assert names(tmp_path) == (["a"] if before else [])
    assert not before or path.read_bytes() == before


def test_a_failure_inside_the_block_leaves_the_old_file(tmp_path: Path):
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(KeyError), files.atomic_replace(path) as temporary:
        temporary.write_bytes(b"half")
        raise KeyError
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a"]


def test_a_file_is_on_disk_before_it_takes_its_place_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    steps: list[str] = []
    sync, replace = os.fsync, Path.replace

    def fsync(handle: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        sync(handle)

    def renamed(path: Path, target: Path) -> Path:
        steps.append("rename")
        assert path.read_bytes() == b"whole"
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", renamed)
    files.write_bytes(tmp_path / "a", b"whole")
    assert steps == ["file", "rename", "folder"]


def test_a_file_system_that_cannot_sync_folders_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sync = os.fsync

    def fsync(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(22, "Invalid argument")
        sync(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    files.write_bytes(tmp_path / "a", b"new")
    files.fsync_folder(tmp_path / "gone")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_what_the_user_named_may_be_new_or_is_replaced_whole(tmp_path: Path):
    for content in (b"one", b"two"):
        files.write_output(tmp_path / "file", content)
        assert (tmp_path / "file").read_bytes() == content
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_link_is_written_through(tmp_path: Path):
    (tmp_path / "link").symlink_to("real")
    for content in (b"one", b"two"):
        files.write_output(tmp_path / "link", content)
        assert (tmp_path / "real").read_bytes() == content
        assert (tmp_path / "link").is_symlink()


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        files.write_output(pipe, b"table")
        assert os.read(reader, 100) == b"table"
    finally:
        os.close(reader)
    assert pipe.is_fifo()


def test_a_link_in_a_folder_of_ours_is_replaced_and_not_followed(tmp_path: Path):
    (tmp_path / "real").write_bytes(b"theirs")
    (tmp_path / "link").symlink_to("real")
    files.write_bytes(tmp_path / "link", b"ours")
    assert (tmp_path / "real").read_bytes() == b"theirs"
    assert (tmp_path / "link").read_bytes() == b"ours"
    (tmp_path / "log").symlink_to("real")
    with pytest.raises(OSError, match="symbolic links"):
        files.open_to_append(tmp_path / "log")


@pytest.mark.parametrize("name", ["new", "new.new", "new.previous"])
def test_a_link_to_a_folder_is_taken_away_and_not_followed(tmp_path: Path, name: str):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "file").write_text("theirs")
    (tmp_path / name).symlink_to(theirs)
    for content in ("one", "two", "three"):
        files.write_folder(
            tmp_path / "new", lambda folder, content=content: void((folder / "file").write_text(content))
        )
    assert (theirs / "file").read_text() == "theirs"
    assert [path.name for path in theirs.iterdir()] == ["file"]
    assert (tmp_path / "new" / "file").read_text() == "three"
    assert (tmp_path / "new.previous" / "file").read_text() == "two"


def void(result: object) -> None:
    """Discard a result, so that a callback returns None."""


def test_a_folder_in_the_place_is_an_error(tmp_path: Path):
    with pytest.raises(OSError):
        files.write_bytes(tmp_path, b"")
    with pytest.raises(FileNotFoundError):
        files.write_bytes(tmp_path / "gone" / "a", b"")


# Folders


class Disk:
    """Counts the system calls that change the disk, and simulates a kill after one of them."""

    CALLS = ("mkdir", "rename", "unlink", "rmdir", "fsync", "replace")

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps = 0
        self.last: int | None = None
        for name in self.CALLS:
            # Skip fsync, which is slow and makes no difference here.
            call = (lambda handle: None) if name == "fsync" else getattr(os, name)
            monkeypatch.setattr(os, name, self._counted(call))

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            if self.last is not None and self.steps >= self.last:
                raise Crash
            self.steps += 1
            result = call(*arguments, **options)
            if self.steps == self.last:
                raise Crash
            return result

        return counted

    def crash_after(self, steps: int | None) -> None:
        self.steps, self.last = 0, steps


def fill_with(version: int) -> Callable[[Path], None]:
    def fill(folder: Path) -> None:
        for name in ("weights", "state"):
            (folder / name).write_text(f"{name} {version}")
            files.fsync_file(folder / name)

    return fill


def version(folder: Path) -> int:
    """Return the version of a complete folder; 0 for an incomplete one."""
    try:
        found = {(folder / name).read_text() for name in ("weights", "state")}
    except OSError:
        return 0
    numbers = {text.split()[1] for text in found}
    return int(numbers.pop()) if len(numbers) == 1 else 0


def readable(folder: Path) -> int:
    """Return the version that a reader gets: of the folder if it is complete, otherwise of the previous one."""
    return version(folder) or version(folder.with_name(f"{folder.name}.previous"))


def test_a_folder_takes_the_place_of_the_one_before(tmp_path: Path):
    folder = tmp_path / "checkpoint"
    for number in (1, 2, 3):
        files.write_folder(folder, fill_with(number))
        assert version(folder) == number
        assert version(tmp_path / "checkpoint.previous") == number - 1
    assert names(tmp_path) == ["checkpoint", "checkpoint.previous"]


def test_whatever_step_the_process_ends_at_a_whole_folder_is_left_and_the_next_write_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    disk = Disk(monkeypatch)
    disk.crash_after(None)
    for number in (1, 2, 3):
        disk.crash_after(None)
        files.write_folder(tmp_path / "count", fill_with(number))
    total = disk.steps
    assert total >= 9, "write_folder makes calls that the test does not count"
    for first in range(1, total + 1):
        for second in range(1, total + 1, 2):
            folder = tmp_path / f"{first}-{second}" / "checkpoint"
            disk.crash_after(None)
            folder.parent.mkdir()
            files.write_folder(folder, fill_with(1))
            files.write_folder(folder, fill_with(2))
            before = 2
            for number, step in ((3, first), (4, second)):
                disk.crash_after(step)
                try:
                    files.write_folder(folder, fill_with(number))
                except Crash:
                    pass
                else:
                    assert version(folder) == number
                assert readable(folder) >= before, f"a readable version was lost at steps {first} and {second}"
                before = readable(folder)
            disk.crash_after(None)
            files.write_folder(folder, fill_with(5))
            assert version(folder) == 5


def test_the_first_folder_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    disk = Disk(monkeypatch)
    for step in range(1, 12):
        folder = tmp_path / str(step) / "checkpoint"
        disk.crash_after(None)
        folder.parent.mkdir()
        disk.crash_after(step)
        try:
            files.write_folder(folder, fill_with(1))
        except Crash:
            assert version(folder) == 1 or not folder.exists()
        else:
            assert version(folder) == 1


def test_a_filling_that_fails_leaves_the_folder(tmp_path: Path):
    folder = tmp_path / "checkpoint"
    files.write_folder(folder, fill_with(1))

    def full(new: Path) -> None:
        (new / "weights").write_text("half")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        files.write_folder(folder, full)
    assert version(folder) == 1
    files.write_folder(folder, fill_with(2))
    assert (version(folder), version(tmp_path / "checkpoint.previous")) == (2, 1)


def test_the_files_of_a_folder_are_on_disk_before_it_takes_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    synced: list[str] = []
    at_rename: list[str] = []
    rename = os.rename

    def renamed(*arguments: Any) -> None:
        at_rename.extend(synced)
        rename(*arguments)

    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(Path(f"/proc/self/fd/{handle}").resolve().name))
    monkeypatch.setattr(os, "rename", renamed)
    files.write_folder(tmp_path / "checkpoint", lambda folder: (folder / "weights").touch())
    assert at_rename == ["weights", "checkpoint.new"]
    assert synced == [*at_rename, tmp_path.name]


# JSON


def strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.nan, None),
        ([math.inf, -math.inf, 1.5], [None, None, 1.5]),
        ({"a": {"b": (math.nan, 2)}}, {"a": {"b": [None, 2]}}),
        (Path("a/b"), "a/b"),
        ({"when": datetime(2026, 1, 2, tzinfo=UTC)}, {"when": "2026-01-02 00:00:00+00:00"}),
        (True, True),
        (None, None),
        (10**30, 10**30),
        (np.float32(0.5), 0.5),
        (np.float32("nan"), None),
        (np.float64("inf"), None),
        ({"count": np.int64(3)}, {"count": 3}),
        (np.bool_(True), True),
        (np.array([[1.0, np.nan]]), [[1.0, None]]),
        ("\x1b[31m\u2028\n", "\x1b[31m\u2028\n"),
        ("caf\udce9", "caf\udce9"),
        ({"caf\udce9": 1}, {"caf\udce9": 1}),
    ],
)
def test_json_is_strict_and_plain(value: Any, expected: Any):
    text = files.to_json(value)
    assert strict(text) == expected
    assert type(strict(text)) is type(expected)
    text.encode()


def test_json_is_readable():
    assert files.to_json({"高兴": 1}) == '{\n  "高兴": 1\n}\n'


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON)
def test_any_value_is_written_and_read_back_but_for_what_is_not_finite(value: Any):
    assert strict(files.to_json(value)) == files.replace_non_finite(value)


def test_json_files_are_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.json"
    files.write_json(path, {"name": "caf\udce9", "loss": math.nan})
    assert strict(path.read_text("utf-8")) == {"name": "caf\udce9", "loss": None}
    monkeypatch.setattr(os, "fsync", fail(OSError(28, "No space left on device")))
    with pytest.raises(OSError):
        files.write_json(path, {})
    assert strict(path.read_text("utf-8"))["loss"] is None
    assert names(tmp_path) == ["a.json"]


def test_a_value_that_is_no_json_leaves_the_old_file(tmp_path: Path):
    path = tmp_path / "a.json"
    files.write_json(path, [1])
    with pytest.raises(TypeError):
        files.write_json(path, {(1, 2): 3})
    assert strict(path.read_text("utf-8")) == [1]


# Names that are not UTF-8, and the umask


@pytest.mark.parametrize("name", ["plain", "caf\u00e9", "高兴", "caf\udce9", 'a,\udcff"b', "two\nlines\udc80"])
def test_a_name_in_a_csv_is_utf8_and_reads_back(name: str):
    content = files.to_csv([["path", "label"], [name, "x"]])
    content.decode("utf-8")
    rows = list(csv.reader(io.StringIO(files.from_utf8(content), newline="")))
    assert rows == [["path", "label"], [name, "x"]]


def test_a_csv_of_an_older_version_reads_the_same():
    assert files.from_utf8(b"caf\xe9,1\n") == files.from_utf8(b"caf\\udce9,1\n") == "caf\udce9,1\n"


@pytest.mark.parametrize(("umask", "mode"), [(0o002, 0o664), (0o022, 0o644), (0o077, 0o600)])
def test_new_files_follow_the_umask(tmp_path: Path, umask: int, mode: int):
    before = os.umask(umask)
    try:
        os.close(files.open_to_append(tmp_path / "appended"))
        files.write_bytes(tmp_path / "replaced", b"")
        files.write_folder(tmp_path / "folder", lambda folder: (folder / "inside").touch())
    finally:
        os.umask(before)
    made = [tmp_path / "appended", tmp_path / "replaced", tmp_path / "folder" / "inside"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in made] == [mode] * 3
