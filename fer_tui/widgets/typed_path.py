"""Read paths that people type or that terminals paste."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from urllib.parse import unquote_to_bytes


def read_typed_path(text: str) -> Path:
    """Read a path from a text field.

    A file that is dropped on a terminal arrives in quotes, with backslashes before blanks, or as a file:// URI. If the
    text is not an existing path, these are removed.

    Args:
        text: the typed or pasted text. `~` is the user's home.
    """
    typed = text.strip()
    if os.path.lexists(_expand(typed)):
        return Path(_expand(typed))
    return Path(_expand(_decode_uri(_unquote(typed))))


def _expand(text: str) -> str:
    # Path.expanduser raises an error if the user is unknown.
    return os.path.expanduser(text)  # noqa: PTH111


def _unquote(text: str) -> str:
    """Return the word that a shell would read, or the text itself if that is not exactly one word."""
    try:
        words = shlex.split(text)
    except ValueError:
        return text
    return words[0] if len(words) == 1 else text


def _decode_uri(text: str) -> str:
    """Return the path of a file: URI, whatever its host. Any other text is returned unchanged."""
    scheme, _, rest = text.partition(":")
    if scheme.lower() != "file" or not rest.startswith("/"):
        return text
    if rest.startswith("//"):
        _, slash, path = rest[2:].partition("/")
        rest = slash + path
    return os.fsdecode(unquote_to_bytes(rest.encode(errors="surrogateescape"))) or text
