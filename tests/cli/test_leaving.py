"""Quit the app, or close its terminal, during a training in the app's own process."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from installed import COMMAND, DEADLINE, RunFiles, environment, fer, listed_state, only_run, read_run_files, wait_until
from terminal_app import FOREIGN_OUTPUT, TerminalApp

from core.data.demo import write_faces

# A training of a small network with batch size 1, which ends only when it is stopped.
SETTINGS = """[train]
model = "model2"
epochs = 9999
patience = "none"
batch_size = 1
width = 0.1
image_size = 32
augmentation = "none"
"""
UNDER_WAY = re.compile(r"epoch (\d+)/9999 .* images/s")
QUESTION = "A training is running."


class Witness(TerminalApp):
    """Checks every state of the screen, and collects those with text that the app did not write."""

    def __init__(self, *arguments: str | Path, env: Mapping[str, str]) -> None:
        self.is_painted = False
        self.spoilt: list[str] = []
        super().__init__(*arguments, env=env, in_new_process=True)

    def _take(self, name: str, content: bytes) -> None:
        super()._take(name, content)
        text = self.text
        is_whole = text.startswith(" fer-tui ") and "q Quit" in text.partition("\n")[0]
        self.is_painted |= is_whole
        if FOREIGN_OUTPUT.search(text) or (self.is_painted and not is_whole):
            self.spoilt.append(text)


@pytest.fixture
def training(tmp_path: Path) -> tuple[Witness, Path]:
    """Return the app in the middle of an epoch of a training started with its keys, and the run."""
    write_faces(tmp_path / "faces", per_class=200, seed=0)
    (tmp_path / "fer-tui").mkdir()
    (tmp_path / "fer-tui" / "config.toml").write_text(SETTINGS)
    screen = Witness("--data", tmp_path / "faces", "--runs", tmp_path / "runs", env={"XDG_CONFIG_HOME": str(tmp_path)})
    screen.wait_for("no findings")
    screen.press("2")
    screen.wait_for("Start 1 run")
    screen.press("s")
    screen.wait_for("loading TensorFlow")
    screen.wait_for(lambda text: (found := UNDER_WAY.search(text)) and found[1] == "2")
    return screen, only_run(tmp_path / "runs")


def in_mid_epoch(run: Path) -> RunFiles:
    """Return the run some batches after the end of an epoch and many before the end of the next."""
    done = len(read_run_files(run).history)

    def seen() -> RunFiles | None:
        now = read_run_files(run)
        return now if len(now.history) > done and 1 < now.batch < 300 else None

    return wait_until(seen, f"{run}: no epoch finished")


def is_stopped_whole(run: Path, before: RunFiles) -> RunFiles:
    """Check that the run is stopped, with all its finished epochs and no partial one."""
    after = read_run_files(run)
    assert listed_state(run) == after.state == "stopped"
    assert after.history[: len(before.history)] == before.history
    # The current epoch may have finished before the stop took effect, but no further epoch.
    assert len(after.history) <= len(before.history) + 1
    assert after.message == f"stopped after epoch {len(after.history)}"
    return after


def test_a_dropped_line_ends_the_app_and_its_run_can_be_resumed(training: tuple[Witness, Path]):
    screen, run = training
    before = in_mid_epoch(run)
    screen.disconnect()
    assert screen.wait().status == 129
    after = is_stopped_whole(run, before)
    assert screen.spoilt == []

    epochs = len(after.history) + 1
    assert fer("resume", run.name, "--epochs", str(epochs), "--runs", run.parent).status == 0
    end = read_run_files(run)
    assert end.state == "completed"
    assert end.history[: epochs - 1] == after.history
    assert [row.partition(",")[0] for row in end.history] == [str(number) for number in range(1, epochs + 1)]


def test_quitting_asks_once_and_ends_within_the_batch(training: tuple[Witness, Path]):
    screen, run = training
    screen.press("q")
    screen.wait_for(QUESTION)
    screen.press("q", "q", "n")
    screen.wait_for(lambda text: QUESTION not in text)
    done = len(read_run_files(run).history)
    screen.wait_for(lambda text: (found := UNDER_WAY.search(text)) and int(found[1]) > done + 1)
    assert QUESTION not in screen.text

    before = in_mid_epoch(run)
    screen.press("q")
    text = screen.wait_for(QUESTION)
    assert text.count(QUESTION) == 1
    screen.press("y")
    assert screen.wait().status == 0
    is_stopped_whole(run, before)
    assert screen.spoilt == []


def test_a_terminal_that_goes_without_a_signal_ends_the_app(tmp_path: Path):
    master, slave = pty.openpty()
    # The process is in another session than the terminal, so it receives no SIGHUP.
    process = subprocess.Popen(
        [COMMAND, "--runs", tmp_path],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment({"TERM": "xterm-256color"}),
        start_new_session=True,
    )
    os.close(slave)
    shown = b""
    while b"No data set is open" not in shown:
        shown += os.read(master, 65_536)
    os.close(master)
    assert process.wait(DEADLINE) == 129
