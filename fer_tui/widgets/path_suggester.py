"""Completion of typed paths."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from textual.suggester import Suggester

LOOKED_AT = 5_000


def complete(typed: str, *, folders_only: bool = False) -> str | None:
    """Return the first path, in alphabetical order, that starts with the typed text; None if there is none."""
    if not typed:
        return None
    head, slash, start = typed.rpartition("/")
    folder = Path(head + slash or ".").expanduser()
    found: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for _, entry in zip(range(LOOKED_AT), entries, strict=False):
                is_hidden = entry.name.startswith(".") and not start.startswith(".")
                is_shown = entry.name.startswith(start) and entry.name.isprintable() and not is_hidden
                if is_shown and (entry.is_dir() or not folders_only):
                    found.append(entry.name + ("/" if entry.is_dir() else ""))
    except (OSError, RuntimeError, ValueError):
        return None
    best = min(found, default=None)
    return None if best is None else f"{typed[: len(typed) - len(start)]}{best}"


class PathSuggester(Suggester):
    """Suggest the first path that starts with the typed text; a thread reads the disk."""

    def __init__(self, *, folders_only: bool = False) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self.folders_only = folders_only

    async def get_suggestion(self, value: str) -> str | None:
        """Return the completed path, or None."""
        return await asyncio.to_thread(complete, value, folders_only=self.folders_only)
