"""Atomic file operations: a reader never sees a partly written file, even if the writer is killed."""

from __future__ import annotations

import contextlib
import csv
import errno
import io
import json
import math
import os
import re
import shutil
import stat
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

MIB = 1024**2
# The names of unfinished files, see `atomic_replace`.
_TEMPORARY = re.compile(r"\.[0-9a-f]{8}-")
# The escapes of `to_utf8`.
_ESCAPED = re.compile(r"\\u(dc[89a-f][0-9a-f])")


def fsync_folder(folder: Path) -> None:
    """Make a rename in this folder survive a power failure. Does nothing on file systems without support for it."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def fsync_file(path: Path) -> None:
    """Force a file's content to disk."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())


@contextlib.contextmanager
def atomic_replace(path: Path) -> Iterator[Path]:
    """Yield a temporary path and rename it to `path` when the block succeeds, after the file is synced to disk."""
    temporary = path.with_name(f".{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        yield temporary
        fsync_file(temporary)
        temporary.replace(path)
        fsync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file atomically: temporary file, fsync, rename, fsync of the folder.

    A symbolic link is replaced, not followed, so that nothing outside the folder is written.
    """
    with atomic_replace(path) as temporary:
        temporary.write_bytes(content)


def write_output(path: Path, content: bytes) -> None:
    """Write a file that the user named. Like `write_bytes`, but writes through links, pipes and devices."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        path.write_bytes(content)
    else:
        write_bytes(path, content)


def open_to_append(path: Path) -> int:
    """Open a file to append to, creating it if missing; return its descriptor.

    A file that may only be read, such as another user's file in a shared folder, is replaced with a copy.

    Raises:
        OSError: ELOOP for a symbolic link, which is never followed; ENXIO for a pipe; EACCES if neither the file nor
            its folder may be written.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(path, flags, 0o666)
    except PermissionError as error:
        try:
            write_bytes(path, read_bytes(path))
        except OSError:
            raise error from None
        return os.open(path, flags, 0o666)


def open_to_read(path: Path) -> io.BufferedReader:
    """Open a regular file for reading.

    Raises:
        OSError: the file does not exist or is not a regular file. Opening a pipe could block forever.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "is not a regular file", str(path))
    return os.fdopen(handle, "rb")


def read_bytes(path: Path, limit: int = 64 * MIB) -> bytes:
    """Read a file's content.

    Raises:
        OSError: as in `open_to_read`, or EFBIG if the file has more bytes than `limit`.
    """
    with open_to_read(path) as file:
        if os.fstat(file.fileno()).st_size > limit:
            raise OSError(errno.EFBIG, f"has more than {limit // MIB} MiB", str(path))
        return file.read()


def link_or_copy(source: Path, target: Path) -> None:
    """Create a hard link, or a copy if the file system has no hard links. Do not modify either file in place."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copyfile(source, target)


def remove(path: Path) -> None:
    """Remove a file, or a folder and as much of its content as possible. Links are not followed."""
    # rmtree would open a pipe and wait for a writer.
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def remove_temporary(folder: Path) -> None:
    """Remove the temporary files of `atomic_replace` that a killed process left; no process may be writing there."""
    for path in folder.glob(".*-*"):
        if _TEMPORARY.match(path.name):
            remove(path)


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file atomically; NaN and infinity become null."""
    write_bytes(path, to_json(value).encode())


def to_json(value: Any) -> str:
    """Return strict JSON: NaN and infinity become null, paths become strings, NumPy values become plain values."""
    text = json.dumps(replace_non_finite(value), indent=2, ensure_ascii=False, allow_nan=False, default=_plain) + "\n"
    # The escapes of `to_utf8` are JSON escapes too.
    return to_utf8(text).decode()


def to_utf8(text: str) -> bytes:
    """Encode a text for a file. A file name from disk that is not UTF-8 is escaped; `from_utf8` restores it.

    Python decodes a byte that is not UTF-8, such as Latin-1's 0xe9, to the surrogate U+DCE9. It is written as
    `\\udce9`.
    """
    return text.encode(errors="backslashreplace")


def from_utf8(content: bytes) -> str:
    """Decode the content of a file that `to_utf8` encoded. Bytes that are not UTF-8 are read like file names."""
    return unescape(content.decode(errors="surrogateescape"))


def unescape(text: str) -> str:
    """Replace the escapes of `to_utf8`."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def to_csv(rows: Iterable[Iterable[Any]]) -> bytes:
    """Return rows as CSV in UTF-8 that `csv.reader` reads back after `from_utf8`."""
    lines: list[str] = []

    class Lines:
        def write(self, line: str) -> None:
            lines.append(line.removesuffix("\r\n"))

    # Up to Python 3.12 the csv module quotes a carriage return only where lines end with one.
    csv.writer(Lines(), lineterminator="\r\n").writerows(rows)
    return to_utf8("".join(f"{line}\n" for line in lines))


def _plain(value: Any) -> Any:
    return replace_non_finite(value.tolist()) if hasattr(value, "tolist") else str(value)


def replace_non_finite(value: Any) -> Any:
    """Return the value with every non-finite float, at any depth, replaced by None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: replace_non_finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [replace_non_finite(item) for item in value]
    return value


def write_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Replace a folder with a new one that `fill` writes, and keep the old one as `<name>.previous`.

    At every moment either `folder` or `<name>.previous` is complete.
    """
    new, previous = folder.with_name(f"{folder.name}.new"), folder.with_name(f"{folder.name}.previous")
    remove(new)
    try:
        new.mkdir()
        fill(new)
        for path in new.iterdir():
            fsync_file(path)
        fsync_folder(new)
    except BaseException:
        # On a full disk, storing the error message may need the space of the unfinished folder.
        remove(new)
        raise
    if folder.exists():
        remove(previous)
        folder.rename(previous)
    new.rename(folder)
    fsync_folder(folder.parent)
