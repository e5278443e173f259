"""Deleting a run directory."""

from __future__ import annotations

import shutil
from pathlib import Path

from core.errors import RunError
from core.runs.lock import RunLock
from core.runs.reader import FINAL_STATES, is_run, read_state


def delete_run(run: Path) -> None:
    """Delete a run directory with all that is in it.

    Raises:
        RunError: it is no run directory, it has not ended, another process works on it, or it can't be deleted.
    """
    if run.is_symlink() or not is_run(run):
        raise RunError(f"{run.name}: is no run directory; nothing was deleted")
    if read_state(run) not in FINAL_STATES:
        raise RunError(f"{run.name}: is under way; stop it first")
    # The lock is looked at and not taken: runs are deleted where a full disk has no room for another file.
    RunLock(run).check_free()
    try:
        shutil.rmtree(run)
    except OSError as error:
        raise RunError(f"{run.name}: {error.strerror}; what is left of it can be removed by hand") from None
