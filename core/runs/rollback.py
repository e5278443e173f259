"""Undo a resume: a run's files are kept from before it was resumed until the resumed run has ended.

A resume that trains no new epoch, for example because the data are missing or the memory does not suffice, leaves the
run as it was.
"""

from __future__ import annotations

import os
import shutil
import uuid
from pathlib import Path

from core.runs.names import BEFORE, CHECKPOINT, CONFIG, ENVIRONMENT, EVALUATION, HISTORY, KEPT, PREDICTIONS, STATUS
from core.system import files

# The status is restored last, because readers then see that the run has ended.
KEPT_FILES = (CONFIG, ENVIRONMENT, HISTORY, EVALUATION, PREDICTIONS, KEPT, STATUS)
# The checkpoint's state. Each new checkpoint has another.
_CHECKPOINT_STATE = "state.json"


def keep_files(run: Path) -> None:
    """Keep a run's files in its folder `before-resume`, as hard links where the file system has them.

    Raises:
        OSError: the run directory can't be written.
    """
    kept, new = run / BEFORE, run / f"{BEFORE}.new"
    files.remove(new)
    new.mkdir()
    try:
        for name in KEPT_FILES:
            if not os.path.lexists(run / name):
                continue
            if name == HISTORY and not (run / name).is_symlink():
                # A resumed run appends to this file, all others are replaced.
                shutil.copyfile(run / name, new / name)
            else:
                files.link_or_copy(run / name, new / name)
        if (run / CHECKPOINT / _CHECKPOINT_STATE).is_file():
            shutil.copyfile(run / CHECKPOINT / _CHECKPOINT_STATE, new / _CHECKPOINT_STATE)
    except BaseException:
        files.remove(new)
        raise
    files.remove(kept)
    new.rename(kept)


def can_restore(run: Path) -> bool:
    """Return whether a run was resumed and has no new checkpoint since."""
    return (run / BEFORE).is_dir() and _content(run / BEFORE) == _content(run / CHECKPOINT)


def restore_files(run: Path) -> None:
    """Restore the files of `keep_files`, and remove those that the run did not have.

    Raises:
        OSError: the run directory can't be written.
    """
    for name in KEPT_FILES:
        kept, temporary = run / BEFORE / name, run / f".{uuid.uuid4().hex[:8]}-{name}"
        if not os.path.lexists(kept):
            (run / name).unlink(missing_ok=True)
            continue
        files.link_or_copy(kept, temporary)
        temporary.replace(run / name)
        # Renaming one hard link to another of the same file does nothing.
        temporary.unlink(missing_ok=True)
    files.fsync_folder(run)
    drop_files(run)


def drop_files(run: Path) -> None:
    """Remove the files of `keep_files`."""
    files.remove(run / BEFORE)


def _content(folder: Path) -> bytes | None:
    try:
        return files.read_bytes(folder / _CHECKPOINT_STATE)
    except OSError:
        return None
