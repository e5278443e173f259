"""The installed `fer-tui search`: two processes share a study, a stopped search continues, bad input is an error."""

from __future__ import annotations

import csv
import shlex
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from installed import CommandResult, RunningCommand, assert_refused, fer, only_run, read_run_files, wait_until
from scenarios import ENDLESS, SMALL

from core.data.demo import write_faces

SPACE = ("--space", "learning_rate=1e-4..1e-2:log", "--space", "dropout=none,0.2")


@dataclass(frozen=True)
class Searches:
    """A study of three trials by two processes, the command of its best trial, and an interrupted search."""

    folder: Path
    shared: tuple[CommandResult, CommandResult]
    table: CommandResult
    again: Path
    interrupted: CommandResult
    resumed: CommandResult


@pytest.fixture(scope="module")
def searches(tmp_path_factory: pytest.TempPathFactory) -> Searches:
    folder = tmp_path_factory.mktemp("search")
    write_faces(folder / "faces", per_class=5, seed=0)
    common = ("search", "--data", folder / "faces", *SMALL, *SPACE)
    short = (*common, "--epochs", "2", "--trials", "3", "--runs", folder / "runs")
    pair = RunningCommand(*short, "--json"), RunningCommand(*short, "--json")
    shared = pair[0].wait(), pair[1].wait()
    table = fer(*short)
    command = shlex.split(shared[0].json()["best"]["command"])
    fer(*command[1:], "--runs", folder / "again")

    endless = (*common, *ENDLESS, "--trials", "1", "--runs", folder / "endless", "--json")
    process = RunningCommand(*endless)
    wait_until(lambda: (folder / "endless").is_dir() and any((folder / "endless").iterdir()), "no run was created")
    run = only_run(folder / "endless")
    wait_until(lambda: len(read_run_files(run).history) > 1, f"{run}: no epoch finished")
    process.signal(signal.SIGINT)
    interrupted = process.wait()
    resumed = fer(*endless, "--time-budget", "1s")
    return Searches(folder, shared, table, only_run(folder / "again"), interrupted, resumed)


def test_two_processes_share_the_trials(searches: Searches):
    for answer in searches.shared:
        assert answer.status == 0
        assert "trial " in answer.err
    whole = max((answer.json() for answer in searches.shared), key=lambda told: str(told["trials"]).count("completed"))
    trials = [trial for trial in whole["trials"] if trial["run"]]
    assert [trial["state"] for trial in trials] == ["completed"] * 3
    assert {trial["run"] for trial in trials} == {run.name for run in (searches.folder / "runs").iterdir()}
    assert all(1e-4 <= trial["settings"]["learning_rate"] <= 1e-2 for trial in trials)
    assert whole["best"]["value"] == min(trial["value"] for trial in trials)
    assert whole["best"]["value"] == whole["best"]["val_loss"]


def figures(run: Path) -> list[Any]:
    with (run / "history.csv").open() as file:
        return [(row["epoch"], float(row["val_loss"])) for row in csv.DictReader(file)]


def test_the_best_ones_command_trains_it_again(searches: Searches):
    best = searches.shared[0].json()["best"]["run"]
    found = figures(searches.folder / "runs" / best)
    assert len(found) == 2
    assert [row[1] for row in figures(searches.again)] == pytest.approx([row[1] for row in found], rel=1e-4)


def test_a_study_that_has_its_trials_is_told_and_no_more(searches: Searches):
    assert searches.table.status == 0
    assert searches.table.err == ""
    assert len(list((searches.folder / "runs").iterdir())) == 3
    assert "\nfer-tui train --data " in searches.table.out
    assert searches.table.out.count("completed") == 3


def test_an_interrupted_search_stops_after_the_batch(searches: Searches):
    assert searches.interrupted.status == 130
    told = searches.interrupted.json()
    assert told["best"] is None
    (trial,) = told["trials"]
    assert trial["message"].startswith("stopped after epoch ")


def test_a_later_call_goes_on_with_the_same_run_until_its_time_is_up(searches: Searches):
    first, *_, last = searches.resumed.json()["trials"]
    assert last["run"] == first["run"] == only_run(searches.folder / "endless").name
    assert last["settings"] == first["settings"]
    assert last["message"].startswith("stopped")


def test_runs_holds_runs_only(searches: Searches):
    assert {path.name for path in searches.folder.iterdir() if path.is_file()} == {"runs.study", "endless.study"}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ((), "--space: nothing to search over"),
        (("--space", "width"), "--space: must be FIELD=VALUES, such as width=0.5,1,2 (got 'width')"),
        (("--space", "widht=1,2"), "--space: unknown key 'widht'; did you mean 'width'?"),
        (("--space", "width=-1..2"), "--space: width: input should be greater than 0 (got -1.0)"),
        (("--space", "width=1,2", "--space", "width=1,3"), "--space: width is given twice"),
        (("--space", "width=1,2", "--width", "3"), "--space: width is also set by its own flag"),
        (("--space", "width=1,2", "--epochs", "0"), "--epochs: input should be greater than or equal to 1"),
        (("--space", "width=1,2", "--time-budget", "soon"), "--time-budget: must be a duration such as"),
        (
            ("--space", "width=1,2", "--protocol", "published"),
            "--protocol: a search needs the whole validation split",
        ),
        (("--space", "width=1,2", "--trials", "0"), "--trials"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, arguments: tuple[str, ...], named: str):
    answer = fer("search", "--data", tmp_path, "--model", "model2", *arguments, "--runs", tmp_path / "runs")
    assert_refused(answer, 2, named)
    assert list(tmp_path.iterdir()) == []


def test_a_space_in_a_file(tmp_path: Path):
    file = tmp_path / "s.toml"
    file.write_text('model = "model2"\nwidth = 0.5\n[search]\nlearning_rate = "1e-4..1e-2:lag"\n')
    assert_refused(
        fer("search", "--data", tmp_path, "--config", file), 2, "s.toml: [search]: learning_rate: must be LOW.."
    )
    file.write_text('model = "model2"\nepochs = 0\n[search]\nlearning_rate = "1e-4..1e-2:log"\n')
    assert_refused(fer("search", "--data", tmp_path, "--config", file), 2, "s.toml: epochs: ")
    file.write_text('model = "model2"\nsearch = 3\n')
    assert_refused(fer("search", "--data", tmp_path, "--config", file), 2, "s.toml: search: must be a table")


def test_no_data_is_told_before_there_is_a_study(tmp_path: Path):
    answer = fer("search", "--data", tmp_path / "none", "--model", "model2", *SPACE, "--runs", tmp_path / "runs")
    assert_refused(answer, 1, "none")
    assert list(tmp_path.iterdir()) == []
