"""Delete a run directory."""

from __future__ import annotations

import shutil
from pathlib import Path

from core.errors import RunError
from core.runs.lock import RunLock
from core.runs.reader import FINAL_STATES, is_run, read_state


def delete_run(run: Path) -> None:
    """Delete a run directory and all its files.

    Raises:
        RunError: the path is not a run directory, the run has not ended, another process holds its lock, or the
            directory can't be deleted.
    """
    if run.is_symlink() or not is_run(run):
        raise RunError(f"{run.name}: this is not a run directory; nothing was deleted")
    if read_state(run) not in FINAL_STATES:
        raise RunError(f"{run.name}: the run has not ended; stop it first")
    # The lock is only checked. Acquiring it would fail on a full disk, where runs are deleted to free space.
    RunLock(run).check_free()
    try:
        shutil.rmtree(run)
    except OSError as error:
        raise RunError(f"{run.name}: {error.strerror}; delete the remaining files by hand") from None
