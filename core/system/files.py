"""Writing files so that a reader never sees half of one, whatever stops the writer."""

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
# What `replacing` calls a file that is not whole yet.
_TEMPORARY = re.compile(r"\.[0-9a-f]{8}-")


def fsync_folder(folder: Path) -> None:
    """Make a rename in this folder survive a power cut; file systems that can't are left alone."""
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
    """A temporary path beside `path`, which takes its place, whole and on disk, when the block ends well."""
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

    A link in its place is replaced too, so that nothing outside of a folder is written whatever lies in it.
    """
    with atomic_replace(path) as temporary:
        temporary.write_bytes(content)


def write_output(path: Path, content: bytes) -> None:
    """Write a file that the user named: as `write_bytes`, but to a link, a pipe or a device, such as /dev/stdout."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        path.write_bytes(content)
    else:
        write_bytes(path, content)


def open_to_append(path: Path) -> int:
    """A descriptor that adds to a file, made where it is missing.

    Raises:
        OSError: ELOOP where a symbolic link is in its place: it may lead anywhere; ENXIO where a pipe is.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    return os.open(path, flags, 0o644)


def open_to_read(path: Path) -> io.BufferedReader:
    """A file, opened to be read.

    Raises:
        OSError: there is none, or something else in its place, such as a pipe, which would keep us waiting for ever.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "is no file", str(path))
    return os.fdopen(handle, "rb")


def read_bytes(path: Path, limit: int = 64 * MIB) -> bytes:
    """A file's content.

    Raises:
        OSError: as `open_to_read`; EFBIG where it has more bytes than `limit`.
    """
    with open_to_read(path) as file:
        if os.fstat(file.fileno()).st_size > limit:
            raise OSError(errno.EFBIG, f"has more than {limit // MIB} MiB", str(path))
        return file.read()


def link_or_copy(source: Path, target: Path) -> None:
    """Give a file a second name, or a copy where the file system has no hard links; neither may be written in place."""
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError:
        shutil.copyfile(source, target)


def remove(path: Path) -> None:
    """Remove whatever is there, a folder with all that is in it as far as it can be; links are not followed."""
    # rmtree would open a pipe, and wait for who writes to it.
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def remove_temporary(folder: Path) -> None:
    """Remove what `replacing` left in a folder where the process was killed; nobody else may be writing there."""
    for path in folder.glob(".*-*"):
        if _TEMPORARY.match(path.name):
            remove(path)


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file atomically; figures that are no number become null."""
    write_bytes(path, to_json(value).encode())


def to_json(value: Any) -> str:
    """Strict JSON: NaN and infinities are null, paths are text, NumPy's values are plain ones."""
    text = json.dumps(replace_non_finite(value), indent=2, ensure_ascii=False, allow_nan=False, default=_plain) + "\n"
    # Names from disk that are not UTF-8 hold surrogates, which JSON has an escape for and UTF-8 has no bytes for.
    return text.encode(errors="backslashreplace").decode()


def to_csv(rows: Iterable[Iterable[Any]]) -> bytes:
    """Return rows as CSV that `csv.reader` reads back, names from disk that are not UTF-8 among the cells."""
    lines: list[str] = []

    class Lines:
        def write(self, line: str) -> None:
            lines.append(line.removesuffix("\r\n"))

    # Up to Python 3.12 the csv module quotes a carriage return only where lines end with one.
    csv.writer(Lines(), lineterminator="\r\n").writerows(rows)
    return "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape")


def _plain(value: Any) -> Any:
    return replace_non_finite(value.tolist()) if hasattr(value, "tolist") else str(value)


def replace_non_finite(value: Any) -> Any:
    """The value with every float that is not finite, at any depth, replaced by None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: replace_non_finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [replace_non_finite(item) for item in value]
    return value


def write_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Replace a folder by the one that `fill` writes, keeping the one before as `<name>.previous`.

    At every moment either `folder` or `<name>.previous` is whole.
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
        # On a full disk what was written so far may be the room that the error's own message needs.
        remove(new)
        raise
    if folder.exists():
        remove(previous)
        folder.rename(previous)
    new.rename(folder)
    fsync_folder(folder.parent)
