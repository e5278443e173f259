"""Read TOML files that people edit."""

from __future__ import annotations

import codecs
import re
import tomllib
from pathlib import Path
from typing import Any

# What word processors and web pages turn quotes and blanks into.
_TYPOGRAPHIC = "\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb\u00a0"


def read_toml_file(path: Path) -> dict[str, Any]:
    """Read a TOML file. A byte-order mark at its beginning is ignored.

    Raises:
        OSError: the file can't be read.
        ValueError: the file is not TOML, or not UTF-8; the message says why and what to do.
    """
    content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in content:
        raise ValueError("the file is UTF-16, not UTF-8; save it again with the encoding UTF-8")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line} is not UTF-8; save the file again with the encoding UTF-8") from None
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        remedy = 'write NAME = VALUE, with texts in straight quotes: model = "compact"'
        raise ValueError(f"not TOML: {error}{_typographic_hint(text, str(error))}; {remedy}") from None


def _typographic_hint(text: str, error: str) -> str:
    """Return which character of an error's line looks like a quote or a blank of TOML but is none; empty if none."""
    place = re.search(r"at line (\d+)", error)
    lines = text.split("\n")
    line = lines[int(place[1]) - 1] if place and int(place[1]) <= len(lines) else lines[-1]
    odd = next((character for character in line if character in _TYPOGRAPHIC), None)
    return f", near the character {odd!r}" if odd else ""
