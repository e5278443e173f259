"""Writing files so that a reader never sees half of one, whatever stops the writer."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


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
def replacing(path: Path) -> Iterator[Path]:
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

    A link, a pipe or a device, such as /dev/stdout, is written to and not replaced.
    """
    if path.is_symlink() or (path.exists() and not path.is_file()):
        path.write_bytes(content)
        return
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_json(path: Path, value: Any) -> None:
    """Replace a JSON file atomically; figures that are no number become null."""
    write_bytes(path, to_json(value).encode())


def to_json(value: Any) -> str:
    """Strict JSON: NaN and infinities are null, paths are text, NumPy's values are plain ones."""
    text = json.dumps(finite(value), indent=2, ensure_ascii=False, allow_nan=False, default=_plain) + "\n"
    # Names from disk that are not UTF-8 hold surrogates, which JSON has an escape for and UTF-8 has no bytes for.
    return text.encode(errors="backslashreplace").decode()


def _plain(value: Any) -> Any:
    return finite(value.tolist()) if hasattr(value, "tolist") else str(value)


def finite(value: Any) -> Any:
    """The value with every float that is not finite, at any depth, replaced by None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def write_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Replace a folder by the one that `fill` writes, keeping the one before as `<name>.previous`.

    At every moment either `folder` or `<name>.previous` is whole.
    """
    new, previous = folder.with_name(f"{folder.name}.new"), folder.with_name(f"{folder.name}.previous")
    shutil.rmtree(new, ignore_errors=True)
    try:
        new.mkdir()
        fill(new)
        for path in new.iterdir():
            fsync_file(path)
        fsync_folder(new)
    except BaseException:
        # On a full disk what was written so far may be the room that the error's own message needs.
        shutil.rmtree(new, ignore_errors=True)
        raise
    if folder.exists():
        shutil.rmtree(previous, ignore_errors=True)
        folder.rename(previous)
    new.rename(folder)
    fsync_folder(folder.parent)
