"""Delete runs that have ended, and nothing else."""

from __future__ import annotations

import errno
import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from core.errors import RunError
from core.runs.delete import delete_run
from core.runs.reader import STATES
from core.system.processes import this_process


def refusal(run: Path) -> str:
    with pytest.raises(RunError) as refused:
        delete_run(run)
    return str(refused.value)


@pytest.mark.parametrize("state", [state for state in STATES if state not in ("queued", "running")])
def test_a_run_that_has_ended_is_deleted_with_all_that_is_in_it(write_run: Callable[..., Path], state: str):
    other, run = write_run("other"), write_run(status={"state": state})
    (run / "tensorboard").mkdir()
    (run / "tensorboard" / "events").touch()
    delete_run(run)
    assert not run.exists() and other.exists()


@pytest.mark.parametrize("state", ["queued", "running"])
def test_a_run_under_way_stays(write_run: Callable[..., Path], state: str):
    run = write_run(status={**this_process(), "state": state})
    assert refusal(run) == f"{run.name}: the run has not ended; stop it first"
    assert (run / "config.json").exists()


def test_a_run_that_a_process_has_taken_stays_whatever_its_status_says(write_run: Callable[..., Path]):
    run = write_run()
    (run / "lock").write_text(json.dumps({**this_process(), "token": "another"}))
    assert f"on {socket.gethostname()} is working on it" in refusal(run)
    assert (run / "config.json").exists()


def test_the_lock_of_a_process_that_is_gone_keeps_nothing(write_run: Callable[..., Path]):
    run = write_run()
    (run / "lock").write_text(json.dumps({**this_process(), "pid": 2**22 + 1}))
    delete_run(run)
    assert not run.exists()


def test_what_is_no_run_stays(tmp_path: Path, write_run: Callable[..., Path]):
    precious, link = tmp_path / "precious", tmp_path / "link"
    precious.mkdir()
    link.symlink_to(write_run())
    for place in (precious, link, tmp_path / "nowhere"):
        assert refusal(place) == f"{place.name}: this is not a run directory; nothing was deleted"
    assert precious.exists() and (link / "config.json").exists()


def test_a_run_that_can_not_be_deleted_is_told(write_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch):
    def refuse(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    run = write_run()
    monkeypatch.setattr(shutil, "rmtree", refuse)
    assert refusal(run) == f"{run.name}: Permission denied; delete the remaining files by hand"
