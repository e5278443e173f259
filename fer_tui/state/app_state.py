"""State that the app keeps between sessions. The user's settings override it."""

from __future__ import annotations

import contextlib
import json
import threading
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from core.system.files import write_json
from core.system.folders import user_folder


@dataclass(frozen=True)
class ExportChoice:
    """The last choices in the export dialog for one kind of table."""

    form: str = "csv"
    path: str = "comparison.csv"


@dataclass(frozen=True)
class AppState:
    """The user's last choices; an empty value means no choice.

    Attributes:
        theme: the theme last chosen in the palette.
        data: the data set opened last.
        export: the format and path of the last export of the comparison.
        export_on_data: the format and path of the last export of a table of runs by data sets.
        train: the last values of the Train form.
    """

    theme: str = ""
    data: str = ""
    export: ExportChoice = ExportChoice()
    export_on_data: ExportChoice = ExportChoice(path="on-data.csv")
    train: dict[str, Any] = field(default_factory=dict)


# The fields of AppState with an ExportChoice.
EXPORTS = ("export", "export_on_data")


def state_path() -> Path | None:
    """Return the path of state.json in the user's state folder; None without a home folder."""
    folder = user_folder("state")
    return None if folder is None else folder / "state.json"


def load_state(path: Path) -> AppState:
    """Read the state; return an empty one if the file is missing, unreadable or damaged."""
    try:
        content = json.loads(path.read_bytes())
        exports = {name: ExportChoice(**_known(ExportChoice, content[name])) for name in EXPORTS if name in content}
        state = AppState(**{**_known(AppState, content), **exports})
    except (OSError, ValueError, RecursionError, TypeError, AttributeError):
        return AppState()
    choices = (state.export, state.export_on_data)
    texts = (state.theme, state.data, *(text for choice in choices for text in (choice.form, choice.path)))
    return state if all(isinstance(text, str) for text in texts) and isinstance(state.train, dict) else AppState()


def _known(kind: type, content: dict[str, Any]) -> dict[str, Any]:
    """Return the values that a dataclass has fields for; a later version may have written more."""
    return {each.name: content[each.name] for each in fields(kind) if each.name in content}


class StateStore:
    """The state and its file. A thread writes the file, so that a slow disk does not block the app."""

    def __init__(self, path: Path | None) -> None:
        """Read the file at `path`, which need not exist. With None the state is kept in memory only."""
        self.path = path
        self.state = AppState() if path is None else load_state(path)
        self._changes: dict[str, Any] = {}
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._writer: threading.Thread | None = None

    def update(self, **changes: Any) -> None:
        """Change fields of the state in memory, and write them to the file in a thread."""
        if all(getattr(self.state, name) == value for name, value in changes.items()):
            return
        self.state = replace(self.state, **changes)
        if self.path is None:
            return
        with self._lock:
            self._changes |= changes
        self._writer = threading.Thread(target=self._write, args=[self.path], name="memory", daemon=True)
        self._writer.start()

    def close(self, seconds: float = 1.0) -> None:
        """Wait at most `seconds` for the last write."""
        if self._writer is not None:
            self._writer.join(seconds)

    def _write(self, path: Path) -> None:
        """Apply the changes to the current content of the file: another process may have changed other fields."""
        with self._writing:
            with self._lock:
                changes, self._changes = self._changes, {}
            if changes:
                with contextlib.suppress(OSError):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    write_json(path, asdict(replace(load_state(path), **changes)))
