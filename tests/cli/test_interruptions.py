"""After a signal, a kill or a full disk the finished epochs are kept, and `resume` continues the run."""

from __future__ import annotations

import re

import pytest
from installed import assert_refused, has_control_characters
from scenarios import FullDisk, Interruptions, epochs_told


@pytest.mark.parametrize(("name", "status"), [("stopped", 0), ("sigint", 130), ("sigterm", 143), ("sighup", 129)])
def test_an_interrupted_run_stops_and_keeps_its_epochs(interruptions: Interruptions, name: str, status: int):
    interruption = getattr(interruptions, name)
    assert interruption.answer.status == status
    assert interruption.state == interruption.after.state == "stopped"
    done = interruption.before.history
    assert interruption.after.history[: len(done)] == done
    assert interruption.after.message == f"stopped after epoch {len(interruption.after.history)}"
    assert "Traceback" not in interruption.answer.err + interruption.answer.out


def test_a_signal_is_answered_and_the_way_back_told(interruptions: Interruptions):
    told = interruptions.sigint.answer.lines
    assert "stopping after this batch; press Ctrl+C again to exit at once" in told
    assert " stopped: val_accuracy " in told[-1]
    assert told[-1].rpartition("; ")[2] == f"resume it with 'fer-tui resume {told[-1].split()[0]}'"


def test_stop_from_another_process(interruptions: Interruptions):
    assert interruptions.stopper.status == 0
    (line,) = interruptions.stopper.lines
    assert line.endswith(": stopped")


def test_a_second_process_on_a_run_is_refused(interruptions: Interruptions):
    assert_refused(interruptions.intruder, 1, "is running; watch it with 'fer-tui runs', or stop it first")


def test_one_of_two_that_resume_at_the_same_moment_is_refused(interruptions: Interruptions):
    loser = interruptions.loser
    *notes, line = loser.lines
    # Both processes start to resume the run at the same moment.
    assert all("its results may differ" in note for note in notes)
    assert re.search("^fer-tui: .*(is (running|queued); watch it|is working on it; wait for it)", line)
    assert (loser.status, loser.out) == (1, "")


def test_a_second_signal_leaves_at_once(interruptions: Interruptions):
    twice = interruptions.twice
    assert twice.answer.status == 130
    # While TensorFlow loads, the first signal already ends the training. The second one may come before the command has
    # restored the state of before.
    assert twice.state in ("interrupted", "stopped")
    assert twice.after.history == twice.before.history


def test_a_killed_run_reads_as_interrupted(interruptions: Interruptions):
    killed = interruptions.killed
    assert killed.answer.status == -9
    assert killed.after.state == "running"
    assert killed.state == "interrupted"


def test_nothing_is_redrawn_where_no_terminal_is(interruptions: Interruptions):
    for answer in (interruptions.stopped.answer, interruptions.finished):
        assert epochs_told(answer.err)
        assert not has_control_characters(answer.err)


def test_resume_tells_its_own_epochs_alone(interruptions: Interruptions):
    first = int(epochs_told(interruptions.sigint.answer.err)[0].partition("/")[0])
    assert first == len(interruptions.stopped.after.history) + 1


def test_the_run_is_finished_after_all(interruptions: Interruptions):
    assert interruptions.finished.status == 0
    assert interruptions.end.state == "completed"
    epochs = len(interruptions.killed.after.history) + 1
    assert [row.partition(",")[0] for row in interruptions.end.history] == [str(n) for n in range(1, epochs + 1)]
    assert {"evaluation.json", "predictions.csv", "best.keras"} <= interruptions.files
    assert not {"lock", "stop", "checkpoint.new"} & interruptions.files
    assert not [name for name in interruptions.files if name.startswith(".")]


def test_a_full_disk_ends_the_run_as_failed(full_disk: FullDisk):
    assert full_disk.failed.status == 1
    assert full_disk.failed_state == "failed"
    (line,) = [line for line in full_disk.failed.lines if line.startswith("fer-tui: ")]
    assert "the disk is full; free some space" in line
    assert f"resume it with 'fer-tui resume {full_disk.run.name}'" in line
    assert full_disk.left.history


def test_no_run_begins_on_a_full_disk(full_disk: FullDisk):
    assert_refused(full_disk.refused, 1, f"--runs: {full_disk.run.parent}: No space left on device; free some space")
    assert full_disk.refused_left == ()


def test_a_run_goes_on_when_the_disk_has_room_again(full_disk: FullDisk):
    assert full_disk.resumed.status == 0
    assert full_disk.end.state == "completed"
    done = len(full_disk.left.history)
    # The epoch whose checkpoint did not fit on the disk is trained again.
    assert full_disk.end.history[: done - 1] == full_disk.left.history[:-1]
    assert [row.partition(",")[0] for row in full_disk.end.history] == [str(n) for n in range(1, done + 2)]
