"""Random damage to the bytes of a file and to the files of a folder."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Bytes that often break programs that read text and numbers.
JUNK = (
    *(b"", b"\0" * 64, b"\xff\xfe\xfd", b"nan", b"-1", b"1e999", b"9" * 400, b"null", b"[" * 5000, b'"', b"{}"),
    *(b"\r", b"\n", b",,,,", b"\x1b]0;title\x07\x1b[31m", b"=1+1", b"../../..", b"true"),
    *("\u202e\U0001f600".encode(), b"\xed\xa0\x80"),
)


def damage_bytes(content: bytes, draw: random.Random) -> bytes:
    """Return the bytes with random damage."""
    found = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 3, 8))):
        at = draw.randrange(len(found) + 1)
        length = draw.choice((1, 1, 4, 16, 200, 5000))
        match draw.randrange(7):
            case 0:
                del found[at:]
            case 1:
                del found[at : at + length]
            case 2:
                found[at:at] = found[at : at + length]
            case 3:
                found[at:at] = draw.choice(JUNK)
            case 4:
                found[at : at + length] = draw.choice(JUNK)
            case 5:
                found[at : at + length] = draw.randbytes(min(length, 64))
            case _:
                if at < len(found):
                    found[at] ^= 1 << draw.randrange(8)
    return bytes(found)


ODD: tuple[Any, ...] = (
    *(None, True, 0, -1, 10**40, 1.5, float("nan"), float("inf"), "", "x" * 3000, "\x1b[2J", "=1+1", "\ud800"),
    *([], {}, [[]], [None], ["a", 1], {"a": {}}, [[1], [2, 3]], {"code": 1}, [{"message": "m"}]),
)


def damage_json(content: bytes, draw: random.Random) -> bytes:
    """Return JSON with some values changed to other types or removed; invalid JSON is returned unchanged."""
    try:
        value = json.loads(content)
    except ValueError:
        return content
    for _ in range(draw.choice((1, 1, 2, 4))):
        _change(value, draw)
    return json.dumps(value).encode()


def _change(value: Any, draw: random.Random) -> None:
    if not value or not isinstance(value, dict | list):
        return
    at = draw.choice(list(value) if isinstance(value, dict) else range(len(value)))
    if isinstance(value[at], dict | list) and value[at] and draw.random() < 0.6:
        _change(value[at], draw)
    elif draw.random() < 0.2:
        del value[at]
    else:
        value[at] = draw.choice(ODD)


def damage_folder(folder: Path, names: Sequence[str], canary: Path, draw: random.Random) -> list[str]:
    """Damage, remove or replace files of a folder; return a description of each change.

    Args:
        folder: the folder to damage.
        names: the names of the files, which may be missing.
        canary: a folder elsewhere, to which links may point.
        draw: the random generator.
    """
    done = []
    for name in draw.sample(list(names), draw.choice((1, 1, 2, 3, len(names)))):
        path, kind = folder / name, draw.randrange(14)
        content = path.read_bytes() if path.is_file() else b""
        path.parent.mkdir(exist_ok=True)
        if path.is_symlink() or path.exists():
            path.unlink()
        if kind == 0:
            done.append(f"{name} gone")
            continue
        if kind == 1:
            path.mkdir()
        elif kind == 2:
            path.symlink_to(draw.choice((canary / "file", canary, canary / "new", Path("/dev/zero"), path)))
        elif kind == 3:
            os.mkfifo(path)
        elif kind == 4:
            path.write_bytes(draw.choice(JUNK))
        elif kind > 7 and name.endswith(".json"):
            path.write_bytes(damage_json(content, draw))
        else:
            path.write_bytes(damage_bytes(content, draw))
        done.append(f"{name} {('', 'a folder', 'a link', 'a pipe', 'junk')[kind] if kind < 5 else 'damaged'}")
    return done


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Return the bytes and the modification time of every file below a folder."""
    return {
        str(path.relative_to(folder)): (path.read_bytes() if path.is_file() else b"", path.lstat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }
