"""The app watches a run of another process during its epochs and after that process is killed."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from installed import RunningCommand, only_run, read_run_files
from scenarios import SMALL
from terminal_app import TerminalApp

from core.data.demo import write_faces

# Epochs of at least a second each, and more of them than any test waits for.
LONG = ("--epochs", "9999", "--patience", "none", "--batch-size", "1")
# Seconds within which a dead process must be reported. The design requires 5; a busy machine needs more.
TOLD_BY = 15.0


def test_a_run_of_another_process_is_watched_until_it_is_killed(tmp_path: Path):
    write_faces(tmp_path / "faces", per_class=60, seed=0)
    runs = tmp_path / "runs"
    screen = TerminalApp("--runs", runs)
    screen.click("Runs")
    screen.wait_for("No runs yet in")

    trainer = RunningCommand("train", "--data", tmp_path / "faces", *SMALL, *LONG, "--runs", runs)
    screen.wait_for("model2 ")
    run = only_run(runs)
    done = re.compile(r"model2 +running +(\d+)/9999 ")
    shown = [0]
    while len(shown) < 5:
        text = screen.wait_for(
            lambda text: (found := done.search(text)) and int(found[1]) > shown[-1] and "images/s" in text
        )
        found = done.search(text)
        assert found
        shown.append(int(found[1]))
        # The app shows only what the files contain.
        assert shown[-1] <= len(read_run_files(run).history)

    trainer.signal(signal.SIGKILL)
    assert trainer.wait().status == -signal.SIGKILL
    epochs = len(read_run_files(run).history)
    told = re.compile(rf"model2 +interrupted +{epochs}/9999 ")
    text = screen.wait_for(told.search, TOLD_BY)
    assert f" interrupted  {run.name}" in text
    screen.wait_for("r Resume")
    screen.press("q")
    assert screen.wait().status == 0
