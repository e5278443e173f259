"""What the app remembers by itself from one start to the next; the user's own settings win over it."""

from __future__ import annotations

import contextlib
import json
import threading
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from core.files import write_json


class ExportChoice(BaseModel):
    """What the export dialog was last told."""

    model_config = ConfigDict(frozen=True)

    form: str = "csv"
    path: str = "comparison.csv"


class State(BaseModel):
    """What was last chosen; empty where nothing was."""

    model_config = ConfigDict(frozen=True)

    theme: str = Field(default="", description="Theme chosen in the palette.")
    data: str = Field(default="", description="Data set opened last.")
    export: ExportChoice = Field(default=ExportChoice(), description="Format and path of the last export.")
    train: dict[str, Any] = Field(default={}, description="The Train form as it was left.")


def state_path() -> Path:
    """state.json in the user's folder for states."""
    from platformdirs import user_state_path

    return user_state_path("fer-tui") / "state.json"


def load_state(path: Path) -> State:
    """Read what was remembered; nothing where the file is missing, can't be read or is damaged."""
    try:
        return State.model_validate(json.loads(path.read_bytes()))
    except (OSError, ValueError, RecursionError, ValidationError):
        return State()


class Memory:
    """The state and its file; a thread writes it, so that a slow disk keeps nobody waiting."""

    def __init__(self, path: Path) -> None:
        """Read the file at `path`, which need not be there."""
        self.path = path
        self.state = load_state(path)
        self._changes: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._writer: threading.Thread | None = None

    def remember(self, **changes: Any) -> None:
        """Change fields of the state, now in memory and soon on disk."""
        if all(getattr(self.state, name) == value for name, value in changes.items()):
            return
        self.state = self.state.model_copy(update=changes)
        with self._lock:
            self._changes |= changes
        self._writer = threading.Thread(target=self._write, name="memory", daemon=True)
        self._writer.start()

    def close(self, seconds: float = 1.0) -> None:
        """Wait for what is being written, but not for ever."""
        if self._writer is not None:
            self._writer.join(seconds)

    def _write(self) -> None:
        """Put the changes into the file as it is now: another process may have remembered something else."""
        with self._writing:
            with self._lock:
                changes, self._changes = self._changes, {}
            if changes:
                with contextlib.suppress(OSError):
                    self.path.parent.mkdir(parents=True, exist_ok=True)
                    write_json(self.path, load_state(self.path).model_copy(update=changes).model_dump())
