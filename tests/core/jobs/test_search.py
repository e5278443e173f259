"""A study and its trials with fake trainings; tests/cli has real trainings."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from core.errors import ConfigError, RunError
from core.jobs import search as searching
from core.jobs.search import Search, TrialResult, study_file
from core.jobs.search_space import Range
from core.runs.history import HISTORY_COLUMNS
from core.runs.reader import read_run
from core.runs.writer import RunWriter
from core.system import files
from core.system.processes import this_process

SETTINGS = {"data": "faces", "model": "compact", "epochs": 4, "monitor": "val_accuracy"}
SPACE = {"learning_rate": Range(1e-4, 1e-2, log=True)}
# The script of a training: a val_accuracy per epoch, or how the training ends.
Script = Sequence[float | str]


class Scripted:
    """Replaces RunQueue: each run of a search uses the next script."""

    scripts: list[Script]
    waiting: threading.Event

    def __init__(self, runs: Sequence[Path], *, in_children: bool) -> None:
        assert in_children
        (self.run,) = runs
        self.errors: dict[Path, Exception] = {}
        self.asked = threading.Event()

    def work(self) -> None:
        with RunWriter(self.run, self.asked) as writer:
            state, message = "completed", ""
            for step in Scripted.scripts.pop(0):
                if step == "wait":
                    Scripted.waiting.set()
                    # A stop arrives at once. Without a stop the test must fail instead of hanging.
                    if self.asked.wait(30):
                        state = "stopped"
                        break
                elif isinstance(step, str):
                    state, message = step, f"it {step}"
                else:
                    epoch = len(read_run(self.run).history) + 1
                    writer.append_epoch({**dict.fromkeys(HISTORY_COLUMNS, 0.5), "epoch": epoch, "val_accuracy": step})
            writer.update(state=state, message=message)

    def stop(self) -> None:
        self.asked.set()

    def kill(self) -> None:
        self.asked.set()


@pytest.fixture
def scripts(monkeypatch: pytest.MonkeyPatch) -> list[Script]:
    monkeypatch.setattr(searching, "RunQueue", Scripted)
    Scripted.scripts, Scripted.waiting = [], threading.Event()
    return Scripted.scripts


@pytest.fixture
def opened(tmp_path: Path) -> Callable[..., Search]:
    def open_search(*, prune: bool = True, file: Path | None = None, **settings: Any) -> Search:
        runs = tmp_path / "runs"
        return Search(SETTINGS | settings, SPACE, runs, file or study_file(runs), prune=prune)

    return open_search


def work(search: Search, trials: int | None) -> list[TrialResult]:
    told = []
    while (begun := search.begin(trials)) is not None:
        search.train(*begun)
        told.append(search.tell(*begun))
    return told


def test_a_trial_is_worth_its_kept_epoch(scripts: list[Script], opened: Callable[..., Search], tmp_path: Path):
    scripts += [[0.2, 0.6, 0.4], [0.3, 0.5]]
    search = opened()
    first, second = work(search, 2)
    assert (first.state, first.value, second.value) == ("completed", 0.6, 0.5)
    assert search.best() == first
    assert first.run is not None
    stored = json.loads((first.run / "config.json").read_text())
    assert stored["learning_rate"] == first.parameters["learning_rate"]
    assert search.config(first.parameters).model_dump(mode="json") == stored
    assert {path.name for path in tmp_path.iterdir()} == {"runs", "runs.study"}
    assert {path.parent for path in (first.run, second.run) if path} == {tmp_path / "runs"}


def test_the_best_loss_is_the_lowest(scripts: list[Script], opened: Callable[..., Search]):
    scripts += [[0.2], [0.3]]
    search = opened(monitor="val_loss")
    assert [trial.value for trial in work(search, 2)] == [0.5, 0.5]
    best = search.best()
    assert best is not None
    assert best.number == 0


def test_the_number_of_trials_is_the_studys(scripts: list[Script], opened: Callable[..., Search]):
    scripts += [[0.2]] * 5
    assert len(work(opened(), 2)) == 2
    assert work(opened(), 2) == []
    assert [trial.number for trial in work(opened(), 3)] == [2]


def test_other_settings_are_another_study_of_the_file(scripts: list[Script], opened: Callable[..., Search]):
    scripts += [[0.2]] * 3
    work(opened(), 1)
    assert len(work(opened(epochs=9), 1)) == 1
    assert work(opened(devices="cpu"), 1) == []


def test_a_hopeless_trial_is_pruned(scripts: list[Script], opened: Callable[..., Search]):
    scripts += [[0.6, 0.7]] * 5 + [[0.1, 0.1, "wait", 0.9]]
    *good, bad = work(opened(), 6)
    assert {trial.state for trial in good} == {"completed"}
    assert (bad.state, bad.value) == ("pruned", 0.1)
    assert bad.run is not None
    assert read_run(bad.run).state == "stopped"


def test_nothing_is_pruned_where_that_is_not_wanted(scripts: list[Script], opened: Callable[..., Search]):
    scripts += [[0.6, 0.7]] * 5 + [[0.1, 0.1]]
    search = opened(prune=False)
    assert [trial.state for trial in work(search, 6)] == ["completed"] * 6
    assert not any((trial.run / "stop").exists() for trial in search.results() if trial.run)


def test_a_diverged_trial_is_a_bad_place_and_no_failure(scripts: list[Script], opened: Callable[..., Search]):
    scripts += [["diverged"]] * 4
    assert [trial.state for trial in work(opened(), 4)] == ["pruned"] * 4


def test_a_failed_trial_is_told_and_does_not_count(scripts: list[Script], opened: Callable[..., Search]):
    scripts += [["failed"], [0.4]]
    failed, done = work(opened(), 1)
    assert (failed.state, failed.message, failed.value) == ("failed", "it failed", None)
    assert done.state == "completed"


def test_trials_that_keep_failing_end_the_search(scripts: list[Script], opened: Callable[..., Search]):
    scripts += [["failed"]] * 4
    with pytest.raises(RunError, match="3 trials in a row failed; the last: it failed"):
        work(opened(), 9)
    assert len(scripts) == 1


def test_a_stopped_trial_is_gone_on_with_by_a_later_call(scripts: list[Script], opened: Callable[..., Search]):
    scripts += [[0.3, "wait"], [0.6]]
    search = opened()
    worker = threading.Thread(target=work, args=(search, 1))
    worker.start()
    assert Scripted.waiting.wait(30)
    search.stop()
    worker.join(30)
    (stopped,) = search.results()
    assert (stopped.state, search.best()) == ("failed", None)
    (again,) = work(opened(), 1)
    assert again.run == stopped.run
    assert again.parameters == stopped.parameters
    assert again.value == 0.6
    assert again.run is not None
    assert [row["epoch"] for row in read_run(again.run).history] == [1, 2]


def test_a_run_that_somebody_stopped_stays_stopped(scripts: list[Script], opened: Callable[..., Search]):
    scripts += [["stopped"], [0.5]]
    stopped, other = work(opened(), 1)
    assert stopped.state == "failed"
    assert other.run != stopped.run


def begun_by_the_dead(search: Search, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write the run of a trial whose training and search were both killed."""
    # No process has this pid.
    dead = {**this_process(), "pid": 2**22 + 1}
    with monkeypatch.context() as patch:
        patch.setattr(searching, "this_process", lambda: dead)
        begun = search.begin(9)
    assert begun is not None
    files.write_json(begun[1] / "status.json", {"state": "running", **dead})
    return begun[1]


def test_a_trial_of_a_dead_process_is_gone_on_with(
    scripts: list[Script], opened: Callable[..., Search], monkeypatch: pytest.MonkeyPatch
):
    run = begun_by_the_dead(opened(), monkeypatch)
    scripts += [[0.5]]
    (again,) = work(opened(), 1)
    assert (again.run, again.value) == (run, 0.5)


def test_a_trial_that_ends_its_process_each_time_is_given_up(
    scripts: list[Script], opened: Callable[..., Search], monkeypatch: pytest.MonkeyPatch
):
    runs = [begun_by_the_dead(opened(), monkeypatch) for _ in range(4)]
    assert runs[0] == runs[1]
    assert runs[2] == runs[3] != runs[0]


def test_a_living_process_keeps_its_trial(scripts: list[Script], opened: Callable[..., Search]):
    assert opened().begin(2) is not None
    other = opened()
    begun = other.begin(2)
    assert begun is not None
    assert [trial.state for trial in other.results()] == ["running", "running"]
    assert opened().begin(2) is None


def test_several_work_on_one_study(scripts: list[Script], opened: Callable[..., Search]):
    scripts += [[0.5, 0.6]] * 20
    searches = [opened(prune=False) for _ in range(3)]
    told: list[TrialResult] = []
    workers = [threading.Thread(target=lambda s=s: told.extend(work(s, 7))) for s in searches]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert len(told) == 7
    assert len({trial.run for trial in told}) == 7
    done = [trial for trial in searches[0].results() if trial.run]
    assert [trial.state for trial in done] == ["completed"] * 7


def test_the_time_budget_ends_the_trial_under_way(scripts: list[Script], opened: Callable[..., Search]):
    scripts += [[0.3, "wait"], [0.5]]
    search = opened()
    search.deadline = 0.0
    assert search.begin(None) is None
    search = opened()
    begun = search.begin(None)
    assert begun is not None
    search.deadline = 0.0
    search.train(*begun)
    assert read_run(begun[1]).state == "stopped"


@pytest.mark.parametrize("content", ["# A text\n", '{"a": 1}\n', "[1]\n"])
def test_a_file_that_is_no_study_is_left_alone(opened: Callable[..., Search], tmp_path: Path, content: str):
    file = tmp_path / "notes.md"
    file.write_text(content)
    with pytest.raises(
        ConfigError, match=r"^study: .*notes.md: the file is not a study of a search; choose another file"
    ):
        opened(file=file)
    assert file.read_text() == content


def test_a_place_that_can_not_be_written_is_told(opened: Callable[..., Search], tmp_path: Path):
    with pytest.raises(RunError, match=r"^study: .*: Is a directory; choose a writable file"):
        opened(file=tmp_path)


def test_without_optuna_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, opened: Callable[..., Search]):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(RunError, match=r"pip install 'fer-tui\[search\]'"):
        opened()
