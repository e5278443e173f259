"""An error is one line that names the problem and the remedy; no data is lost and no files are left behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from installed import (
    COMMAND,
    CommandResult,
    assert_refused,
    environment,
    fer,
    has_control_characters,
    mounted,
    strict_json,
)
from scenarios import (
    STEERING,
)

Train = Callable[..., CommandResult]


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Path]:
    """A folder of runs that must be empty after the test."""
    yield tmp_path / "runs"
    assert not list((tmp_path / "runs").glob("*"))


@pytest.fixture
def train(faces: Path, runs: Path) -> Train:
    """Run `fer-tui train` into `runs`, by default with `compact` on drawn faces."""

    def run(*arguments: str | Path, data: Path | None = faces, model: str | None = "compact") -> CommandResult:
        given = [*(("--data", data) if data else ()), *(("--model", model) if model else ())]
        return fer("train", *given, "--runs", runs, *arguments)

    return run


# ---- data sets


def test_no_such_folder(train: Train, tmp_path: Path):
    assert_refused(train(data=tmp_path / "nowhere"), 1, str(tmp_path / "nowhere"), "no such folder; give a folder")


def test_an_empty_folder(train: Train, tmp_path: Path):
    (tmp_path / "empty").mkdir()
    assert_refused(train(data=tmp_path / "empty"), 1, f"{tmp_path / 'empty'}: no images found; expected ")


def test_a_home_that_nobody_has(train: Train):
    assert_refused(
        train(data=Path("~nobody-of-that-name/faces")), 2, "--data: names the home folder of an unknown user"
    )


def test_one_class_is_nothing_to_learn(train: Train, faces: Path, tmp_path: Path):
    shutil.copytree(faces / "train" / "happy", tmp_path / "one" / "train" / "happy")
    assert_refused(train(data=tmp_path / "one"), 1, "only one class ('happy') in train; training needs two or more")


def test_a_broken_csv_row_is_named_and_left_out(train: Train, tmp_path: Path):
    pixels = " ".join(["7"] * 48 * 48)
    good = [f"{emotion},{pixels},{usage}" for emotion in (3, 4) for usage in ("Training", "PublicTest")]
    broken = ["9," + pixels + ",Training", "3,1 2 3,Training", "3", f"3,{pixels},Training,more"]
    (tmp_path / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *good, *broken, ""]))
    # The warning about the rows is also printed if the training can't start for another reason.
    (tmp_path / "file").touch()
    answer = fer(
        "train", "--data", tmp_path / "fer2013.csv", "--model", "compact", "--runs", tmp_path / "file" / "runs"
    )
    warning, error = answer.lines
    assert warning == (
        "warning: skipped broken rows: fer2013.csv#00006: emotion is '9', not 0 to 7 and 3 more; correct or remove them"
    )
    assert error.startswith("fer-tui: --runs: ")
    told = fer("data", "check", tmp_path, "--json").json()
    assert told["counts"] == {"train": {"happy": 1, "sad": 1}, "validation": {"happy": 1, "sad": 1}}
    (rows,) = [problem["paths"] for problem in told["problems"] if problem["kind"] == "broken_row"]
    assert rows == [f"fer2013.csv#0000{line}" for line in (6, 7, 8, 9)]


def test_a_csv_of_something_else(train: Train, tmp_path: Path):
    (tmp_path / "people.csv").write_text("name,age\nAda,36\n")
    assert_refused(train(data=tmp_path / "people.csv"), 1, "people.csv: no column emotion, pixels; expected")


# ---- the command line and the config file


def test_an_unknown_model(train: Train):
    assert_refused(train(model="compakt"), 2, "--model: no model is called 'compakt'; did you mean 'compact'?")


def test_an_unknown_preset(train: Train):
    assert_refused(train("--preset", "quik"), 2, "--preset: no preset is called 'quik'; did you mean 'quick'?")


def test_flags_are_checked_before_data(train: Train, tmp_path: Path):
    assert_refused(train("--epochs", "0", data=tmp_path / "nowhere"), 2, "--epochs: input should be greater than")


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--epochs", "many"], "--epochs: input should be a valid integer"),
        (["--width", "nan"], "--width: "),
        (["--encoding", "alphabetical"], "--encoding: input should be 'label' or 'frequency' (got 'alphabetical')"),
        (["--time-budget", "soon"], "--time-budget: must be a duration such as 90s, 60m or 1h30m (got 'soon')"),
        (["--devices", "abacus"], "--devices: must be auto, cpu, all or cpu:N (got 'abacus')"),
        (["--colour"], "No such option: --colour"),
        (["--config", "nowhere.toml"], "--config: nowhere.toml: No such file or directory; name a TOML file"),
    ],
)
def test_a_wrong_flag(train: Train, flags: list[str], named: str):
    assert_refused(train(*flags), 2, named)


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("epoch = 3", "settings.toml: unknown key 'epoch'; did you mean 'epochs'?"),
        ("epochs = 'many'", "settings.toml: epochs: input should be a valid integer"),
        ("protocol = ['sound']", "settings.toml: protocol: input should be 'sound' or 'published'"),
        ("epochs = ", "settings.toml: not TOML: Invalid value (at "),
        ("model: compact", "settings.toml: not TOML"),
    ],
)
def test_a_wrong_config_file(train: Train, tmp_path: Path, content: str, named: str):
    (tmp_path / "settings.toml").write_text(content)
    assert_refused(train("--config", tmp_path / "settings.toml"), 2, named)


@pytest.mark.parametrize("model", ["'compakt'", "['compact', 'compakt']", "3", "[['compact']]", "[]"])
def test_a_wrong_model_in_a_config_file(train: Train, tmp_path: Path, model: str):
    (tmp_path / "settings.toml").write_text(f"model = {model}")
    named = "--model: no model given" if model == "[]" else "settings.toml: model: no model is called"
    assert_refused(train("--config", tmp_path / "settings.toml", model=None), 2, named)


def test_a_wrong_model_flag_beside_a_config_file_is_told_as_the_flag(train: Train, tmp_path: Path):
    (tmp_path / "settings.toml").write_text("model = 'compact'")
    assert_refused(train("--config", tmp_path / "settings.toml", model="compakt"), 2, "fer-tui: --model: ")


def test_nothing_to_train_on_or_with(train: Train):
    assert_refused(train(data=None), 2, "--data: no data set given; name a folder")
    assert_refused(train(model=None), 2, "--model: no model given; choose from compact, ")


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["data"], ["evaluate"], ["predict", "latest"], ["compare", "--format", "nonsense"]]
)
def test_a_wrong_command_line(arguments: list[str]):
    assert_refused(fer(*arguments, in_new_process=arguments == ["data"]), 2)


# ---- a cluster's queue


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seeds", "1", "--seed", "2"], "--seeds: can't be combined with --seed"),
        (["--seeds", "1,b"], "--seeds: must be whole numbers separated by commas, such as 1,2,3 (got '1,b')"),
        (["--seeds", "1,2,1"], "--seeds: has a duplicate"),
        (["--seeds", "99999999999"], "--seed: input should be less than"),
        (["--cpus-per-run", "-1"], "--cpus-per-run: must be 0 or more (got -1)"),
        (["--cpus-per-run", "100000"], "--cpus-per-run: this machine has "),
        (["--gpus-per-run", "1.5"], "--gpus-per-run: above 1 it must be an integer"),
        (["--address", "nowhere"], "--address: must be HOST:PORT"),
        (["--address", "127.0.0.1:1"], "--address: no cluster answers at 127.0.0.1:1"),
        (["--epochs", "0"], "--epochs: input should be greater"),
    ],
)
def test_what_a_queue_cannot_take(faces: Path, runs: Path, arguments: list[str], said: str):
    pytest.importorskip("ray", reason="Ray is missing: pip install 'fer-tui[cluster]'")
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "secret"}
    given = ["--data", faces, "--model", "compact", "--runs", runs]
    assert_refused(fer("cluster", "run", *given, *arguments, env=token), 2, said)
    assert not runs.with_name("runs.cluster").exists()


def test_a_queue_without_a_token(faces: Path, runs: Path, tmp_path: Path):
    pytest.importorskip("ray", reason="Ray is missing: pip install 'fer-tui[cluster]'")
    given = ["cluster", "run", "--data", faces, "--model", "compact", "--runs", runs]
    assert_refused(
        fer(*given, env={"RAY_AUTH_MODE": ""}), 2, "RAY_AUTH_MODE must be 'token'", "export RAY_AUTH_MODE=token"
    )
    nobody = {"RAY_AUTH_MODE": "token", "HOME": str(tmp_path), "RAY_AUTH_TOKEN": "", "RAY_AUTH_TOKEN_PATH": ""}
    assert_refused(
        fer(*given, env=nobody), 2, f"no token in {tmp_path}", "create one with 'ray get-auth-token --generate'"
    )


def test_a_queue_that_there_is_not(runs: Path):
    answer = fer("cluster", "stop", "--runs", runs, in_new_process=True)
    assert_refused(answer, 1, f"nothing is running for {runs}")


# ---- the runs folder


def test_a_runs_folder_below_a_file(train: Train, tmp_path: Path):
    (tmp_path / "file").touch()
    named = f"--runs: {tmp_path / 'file' / 'runs'}: Not a directory; choose a writable folder"
    assert_refused(train("--runs", tmp_path / "file" / "runs"), 1, named)


def test_a_runs_folder_that_is_read_only(train: Train, tmp_path: Path):
    place = tmp_path / "read-only"
    with mounted(place, "ro"):
        answer = train("--runs", place)
    assert_refused(answer, 1, f"--runs: {place}: Read-only file system; choose a writable folder")


def test_a_queue_that_cannot_be_made_whole_leaves_nothing(train: Train, tmp_path: Path):
    place = tmp_path / "small"
    # Inodes for the first run's directory and two files, and for the second run's directory.
    with mounted(place, "nr_inodes=6"):
        answer = train("--model", "model2", "--runs", place)
        assert list(place.iterdir()) == []
    assert_refused(answer, 1, f"--runs: {place}: No space left on device; free some space")


# ---- missing and incomplete runs


@pytest.mark.parametrize("command", ["resume", "stop", "compare", "evaluate", "predict"])
def test_a_wrong_run_name(command: str, write_run: Callable[..., Path], faces: Path):
    run = write_run()
    rest = {"evaluate": ["--data", faces], "predict": [faces / "train" / "happy" / "0001.png"]}.get(command, [])
    answer = fer(command, "nowhere", *rest, "--runs", run.parent)
    assert_refused(answer, 1, f"nowhere: no such run in {run.parent}; 'fer-tui runs' lists them")


@pytest.mark.parametrize("name", ["", "x" * 300, "../escape", "esc\x1b[2J"])
def test_what_is_no_run_name(name: str, write_run: Callable[..., Path]):
    assert_refused(fer("stop", name, "--runs", write_run().parent), 1, ": no such run in ")


def test_a_prefix_that_several_runs_have(write_run: Callable[..., Path]):
    one, other = write_run("20260101-compact-aaaa"), write_run("20260101-compact-bbbb")
    assert_refused(fer("resume", "2026", "--runs", one.parent), 1, "2026: 2 runs start with it; ", other.name)


def test_no_runs_at_all(tmp_path: Path):
    assert_refused(
        fer("resume", "latest", "--runs", tmp_path), 1, f"latest: there are no runs in {tmp_path}; start one"
    )


def test_stopping_what_does_not_run(write_run: Callable[..., Path]):
    run = write_run()
    assert_refused(fer("stop", "latest", "--runs", run.parent), 1, f"{run.name}: the run is not running (completed)")
    assert not (run / "stop").exists()


@pytest.mark.parametrize("rate", ["0", "-1", "nan"])
def test_resume_at_a_rate_that_cannot_be(write_run: Callable[..., Path], rate: str):
    for name, state in (("20260101-compact-aaaa", "completed"), ("20260102-compact-bbbb", "diverged")):
        run = write_run(name, status={"state": state}, evaluation={"accuracy": 0.5})
        before = (run / "config.json").read_bytes()
        assert_refused(fer("resume", run, "--learning-rate", rate), 2, "--learning-rate: ", "(got ")
        assert (run / "config.json").read_bytes() == before


def test_resume_of_a_run_whose_config_is_damaged(write_run: Callable[..., Path]):
    run = write_run(status={"state": "stopped"}, config={"epochs": "many"})
    assert_refused(fer("resume", "latest", "--runs", run.parent), 1, f"{run / 'config.json'}: ", "another version?")


# ---- evaluate and predict


def test_evaluate_a_run_without_a_model(write_run: Callable[..., Path], faces: Path):
    run = write_run("20260101-compact-aaaa", environment={"classes": ["happy", "sad"]})
    answer = fer("evaluate", run, "--data", faces)
    assert_refused(
        answer, 1, f"{run.name}: there is no model yet, because no epoch has ended; run 'fer-tui resume {run.name}'"
    )
    queued = write_run("20260101-compact-bbbb")
    assert_refused(
        fer("evaluate", queued, "--data", faces), 1, f"{queued / 'environment.json'}: the file has no classes"
    )


def test_a_test_of_two_runs_writes_no_table(write_run: Callable[..., Path], tmp_path: Path):
    one, other = write_run("20260101-compact-aaaa"), write_run("20260101-compact-bbbb")
    test = ("compare", "--test", one, other)
    assert_refused(fer(*test, "--output", tmp_path / "table.csv"), 2, "--output: can't be combined with --test")
    assert_refused(fer(*test, "--columns", "model"), 2, "--columns: can't be combined with --test")
    assert_refused(fer(*test, "--format", "csv"), 2, "--format: --test prints a table or json (got 'csv')")
    assert_refused(fer(*test), 1, f"{one / 'predictions.csv'}: the file is missing; ")
    assert not (tmp_path / "table.csv").exists()


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--exclude", "missing.csv"], "--exclude: {}/missing.csv: No such file or directory; give a CSV"),
        (["--relabel", "missing.csv"], "--relabel: {}/missing.csv: No such file or directory; give a CSV"),
        (["--fold", "6/5"], "--fold: must be K/N with K from 1 to N and N from 2 to 100, such as 1/5 (got '6/5')"),
        (["--track", "wandb"], "--track: input should be 'none', 'tensorboard', 'mlflow' or 'both'"),
    ],
)
def test_decisions_parts_and_trackers_that_cannot_be(faces: Path, tmp_path: Path, flags: list[str], named: str):
    answer = fer("train", "--data", faces, "--model", "compact", *flags, "--runs", tmp_path / "runs", cwd=tmp_path)
    assert_refused(answer, 2, named.format(tmp_path))
    assert not (tmp_path / "runs").exists()


def test_a_run_that_cannot_be_logged(write_run: Callable[..., Path]):
    run = write_run()
    assert_refused(
        fer("log", run, "--to", "wandb"), 2, "--to: there is no tracker 'wandb'; choose from tensorboard, mlflow"
    )


# ---- tables


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--output", "t.xlsx"], "--output: t.xlsx: the ending must be one of .csv, .md, .tex, .json"),
        (["--output", "t.json", "--format", "csv"], "--output: t.json: the ending stands for json, but the format is"),
        (["--output", "t.csv", "--format", "table"], "--format: table is only for the terminal; remove it"),
        (["--columns", "model,val_acuracy"], "--columns: unknown column 'val_acuracy'; did you mean 'val_accuracy'?"),
    ],
)
def test_a_table_that_cannot_be_written_as_asked(tmp_path: Path, arguments: list[str], told: str):
    assert_refused(fer("compare", "--runs", tmp_path, *arguments), 2, told)
    assert not Path(arguments[1]).exists()


@pytest.mark.parametrize(("name", "begin"), [("t.json", "[\n"), ("t.tex", r"\begin"), ("t.MD", "| val_loss | model |")])
def test_the_ending_of_the_output_decides_the_format(
    write_run: Callable[..., Path], tmp_path: Path, name: str, begin: str
):
    answer = fer(*("compare", "--runs", write_run().parent, "--columns", "val_loss,model", "--output", tmp_path / name))
    assert (answer.status, answer.err) == (0, f"wrote {tmp_path / name}\n")
    assert (tmp_path / name).read_text().startswith(begin)


# ---- results that can't be written


@pytest.mark.parametrize("place", ["nowhere/table.csv", "file/table.csv", "folder.csv"])
def test_compare_into_what_cannot_be_written(write_run: Callable[..., Path], tmp_path: Path, place: str):
    (tmp_path / "file").touch()
    (tmp_path / "folder.csv").mkdir()
    answer = fer("compare", "--runs", write_run().parent, "--output", tmp_path / place)
    assert_refused(answer, 1, f"--output: {tmp_path / place}: ", "; name a file that can be written")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("arguments", [["compare"], ["compare", "--format", "csv"], ["runs", "--json"], ["models"]])
def test_a_reader_that_leaves_hears_no_complaint(write_run: Callable[..., Path], arguments: list[str]):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [COMMAND, "--runs", write_run().parent, *arguments],
        stdout=writing,
        stderr=subprocess.PIPE,
        env=environment(),
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_compare_into_head(write_run: Callable[..., Path]):
    done = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$0" compare --format csv --runs "$1" | head -1', COMMAND, write_run().parent],
        capture_output=True,
        env=environment(),
        text=True,
        check=False,
    )
    assert done.stdout.startswith("model,protocol,")
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("arguments", [["compare"], ["compare", "--format", "csv"], ["runs", "--json"], ["--help"]])
def test_a_full_disk_under_stdout(write_run: Callable[..., Path], arguments: list[str]):
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [COMMAND, "--runs", write_run().parent, *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            env=environment(),
            text=True,
            check=False,
        )
    assert done.stderr == "fer-tui: stdout: No space left on device; the command did not finish\n"
    assert done.returncode == 1


def test_damaged_runs_are_listed(write_run: Callable[..., Path]):
    run = write_run()
    for name in ("status.json", "environment.json", "evaluation.json", "history.csv"):
        (run / name).write_bytes(b"\xff{[half")
    (run / "config.json").write_text(json.dumps({"model": STEERING}))
    answer = fer("runs", "--runs", run.parent)
    assert answer.status == 0
    assert "interrupted" in answer.out
    assert strict_json(fer("runs", "--json", "--runs", run.parent).out)[0]["model"] == STEERING
    compared = fer("compare", "--runs", run.parent)
    assert compared.status == 0
    assert not has_control_characters(compared.out + answer.out)
