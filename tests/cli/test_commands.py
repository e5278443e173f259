"""The output and start-up cost of the commands: exact JSON, options before and after a command, progress lines."""

from __future__ import annotations

import json
import os
import pkgutil
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from installed import LIBRARY_OUTPUT, environment, fer
from scenarios import SMALL, Queue

import core
import fer_tui
from core.config.presets import PRESETS
from core.models.registry import MODELS
from core.system.version import __version__

HEAVY = ("tensorflow", "keras", "pandas", "sklearn", "scipy")
MODULES = [
    module.name
    for package in (core, fer_tui)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]


def imported(code: str, *arguments: str, heavy: Sequence[str] = HEAVY) -> list[str]:
    """Return the heavy packages that some code imports in a new interpreter."""
    ask = f"{code}\nimport sys; sys.stderr.write(chr(10) + ' '.join(n for n in {heavy} if n in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-P", "-c", ask, *arguments], capture_output=True, env=environment(), text=True, check=True
    )
    return done.stderr.rpartition("\n")[2].split()


# ---- start-up cost


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["models"], ["runs"], ["runs", "--json"]])
def test_the_quick_commands_import_nothing_heavy(write_run: Callable[..., Path], arguments: list[str]):
    code = "import sys; from fer_tui.cli import main; assert main(sys.argv[1:]) == 0"
    assert imported(code, "--runs", str(write_run().parent), *arguments) == []


def test_the_version_imports_no_more_than_the_command_line():
    code = "import sys; from fer_tui.cli import main; assert main(['--version']) == 0"
    assert imported(code, heavy=(*HEAVY, "pydantic", "textual", "rich", "numpy")) == []


def test_no_module_imports_tensorflow_by_itself():
    assert "core.training.trainer" in MODULES
    assert "fer_tui.commands.train" in MODULES
    code = "from importlib import import_module\n" + "\n".join(f"import_module('{name}')" for name in MODULES)
    assert not {"tensorflow", "keras"} & set(imported(code))


def test_the_check_for_heavy_modules_can_fail():
    assert imported("import pandas") == ["pandas"]


# ---- JSON


def test_models_json():
    answer = fer("models", "--json")
    assert [one["name"] for one in answer.json()] == list(MODELS)
    assert (answer.status, answer.err) == (0, "")


def test_runs_json(write_run: Callable[..., Path]):
    epoch = {"epoch": 1, "loss": 1.5, "val_loss": float("nan"), "val_accuracy": float("inf")}
    older, newer = write_run("20260101-compact-aaaa", history=[epoch]), write_run("20260102-model2-bbbb")
    answer = fer("runs", "--json", "--runs", newer.parent)
    told = answer.json()
    assert [one["run"] for one in told] == [newer.name, older.name]
    assert told[1]["val_loss"] is None
    assert (answer.status, answer.err) == (0, "")


def test_no_runs_are_an_empty_list(tmp_path: Path):
    answer = fer("runs", "--json", "--runs", tmp_path / "nowhere")
    assert (answer.json(), answer.status, answer.err) == ([], 0, "")


def test_data_check_json(faces: Path):
    answer = fer("data", "check", faces, "--json")
    told = answer.json()
    assert list(told) == ["classes", "counts", "problems", "format", "summary"]
    assert told["classes"] == sorted(told["classes"])
    assert told["counts"]["train"] == dict.fromkeys(told["classes"], 8)
    assert told["counts"]["validation"] == dict.fromkeys(told["classes"], 2)
    assert (answer.status, answer.err) == (0, "")


# ---- options


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        (["runs", "--runs", "A"], {}),
        (["--runs", "A", "runs"], {}),
        (["runs"], {"FER_TUI_RUNS": "A"}),
        (["--runs", "A", "runs"], {"FER_TUI_RUNS": "B"}),
        (["--runs", "B", "runs", "--runs", "A"], {}),
    ],
)
def test_where_the_runs_are(
    write_run: Callable[..., Path], tmp_path: Path, arguments: list[str], variables: dict[str, str]
):
    run = write_run()
    run.parent.rename(tmp_path / "A")
    told = fer(*arguments, "--json", env=variables, cwd=tmp_path).json()
    assert [one["run"] for one in told] == [run.name]


def test_runs_is_the_folder_of_runs_otherwise(write_run: Callable[..., Path], tmp_path: Path):
    run = write_run()
    assert [one["run"] for one in fer("runs", "--json", cwd=tmp_path).json()] == [run.name]


@pytest.mark.parametrize("arguments", [["train", "--model", "compact"], ["evaluate", "latest"]])
def test_data_before_the_command_counts(write_run: Callable[..., Path], tmp_path: Path, arguments: list[str]):
    answer = fer("--data", tmp_path / "nowhere", "--runs", write_run().parent, *arguments)
    assert answer.err == f"fer-tui: {tmp_path / 'nowhere'}: no such folder; give a folder of faces, or a fer2013.csv\n"
    assert answer.status == 1


def test_flags_win_over_the_config_file(queue: Queue):
    assert [config["model"] for config in queue.configs] == ["compact", "model2"]
    for config in queue.configs:
        # From the flag, from the file, and the default.
        assert (config["epochs"], config["width"], config["encoding"]) == (2, 0.1, "label")


# ---- shell completion


def completed(*words: str) -> list[str]:
    """Return bash's completions of the last word."""
    variables = {
        "_FER_TUI_COMPLETE": "complete_bash",
        "COMP_WORDS": "\n".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    answer = fer(env=variables)
    assert answer.err == ""
    return answer.out.split()


def test_file_and_flags_win_over_the_preset(faces: Path, tmp_path: Path):
    (tmp_path / "settings.toml").write_text("epochs = 1\npatience = 5")
    given = ["--data", faces, *SMALL, "--preset", "champion", "--runs", tmp_path / "runs"]
    answer = fer("train", *given, "--config", tmp_path / "settings.toml", "--patience", "7", "--json")
    assert answer.status == 0
    (run,) = answer.json()
    config = json.loads((tmp_path / "runs" / run["run"] / "config.json").read_text())
    told = [config[name] for name in ("schedule", "warmup_epochs", "epochs", "patience")]
    assert told == ["cosine", 1.0, 1, 7]


def test_presets_are_told_in_the_help():
    told = " ".join(fer("train", "--help").out.split())
    assert all(f"{preset.summary} ({preset.expectation})" in told for preset in PRESETS.values())


def test_the_completion_script_for_bash():
    answer = fer(env={"_FER_TUI_COMPLETE": "source_bash"})
    assert answer.status == 0
    assert answer.err == ""
    subprocess.run(["bash", "-n"], input=answer.out, text=True, check=True)
    assert "-F _fer_tui_completion fer-tui" in answer.out


def test_model_names_are_completed():
    assert completed("fer-tui", "train", "--model", "") == list(MODELS)
    assert completed("fer-tui", "train", "--model", "comp") == ["compact"]


def test_commands_and_settings_are_completed():
    assert {"train", "resume", "stop", "runs", "compare", "evaluate", "predict", "models", "data"} <= set(
        completed("fer-tui", "")
    )
    assert completed("fer-tui", "train", "--protocol", "") == ["sound", "published"]


def test_run_names_are_completed(write_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch):
    run = write_run()
    monkeypatch.setitem(os.environ, "FER_TUI_RUNS", str(run.parent))
    words = {"_FER_TUI_COMPLETE": "complete_bash", "COMP_WORDS": "fer-tui\nresume\n2", "COMP_CWORD": "2"}
    assert fer(env={**words, "FER_TUI_RUNS": str(run.parent)}).out.split() == [run.name]


# ---- queues


def test_both_models_of_a_queue_are_trained(queue: Queue):
    assert queue.answer.status == 0
    assert [seen.state for seen in queue.seen] == ["completed", "completed"]
    assert [len(seen.history) for seen in queue.seen] == [2, 2]


@pytest.mark.skipif(sys.platform != "linux", reason="the first run trains in the command's process elsewhere")
def test_each_run_has_a_process_of_its_own(queue: Queue):
    assert len({queue.pid, *(seen.pid for seen in queue.seen)}) == 3


# ---- progress


def test_a_bar_that_is_redrawn_on_a_terminal(queue: Queue):
    assert queue.answer.out.count("\r\x1b[2K") > 10
    lines = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", queue.answer.out))
    for model in ("compact", "model2"):
        assert any(re.match(rf"{model} +epoch [12]/2 +━+ ", line) for line in lines)
        assert any(re.match(rf"\S+-{model}-\S+  completed: val_accuracy [\d.]+ in epoch [12]$", line) for line in lines)


def test_the_terminal_shows_nothing_that_tensorflow_says(queue: Queue):
    screen = queue.answer.out.replace("loading TensorFlow", "")
    assert not LIBRARY_OUTPUT.search(screen), screen
    # TensorFlow's output is in the run's log.
    assert LIBRARY_OUTPUT.search((queue.runs[0] / "log.txt").read_text())
    assert LIBRARY_OUTPUT.search((queue.runs[1] / "log.txt").read_text())


# ---- other commands


def test_version():
    answer = fer("--version", in_new_process=True)
    assert (answer.out, answer.err, answer.status) == (f"fer-tui {__version__}\n", "", 0)
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)


def test_help():
    for arguments in ([], ["train"], ["data"], ["data", "check"]):
        answer = fer(*arguments, "--help")
        assert (answer.status, answer.err) == (0, "")
        assert answer.out.lstrip().startswith(" ".join(["Usage: fer-tui", *arguments]))


def test_download_without_kagglehub(tmp_path: Path):
    (tmp_path / "kagglehub.py").write_text("raise ImportError")
    answer = fer("data", "download", tmp_path / "faces", env={"PYTHONPATH": str(tmp_path)})
    assert answer.err == ("fer-tui: kagglehub is not installed; pip install 'fer-tui[kaggle]', or download by hand\n")
    assert (answer.status, answer.out) == (1, "")
    assert not (tmp_path / "faces").exists()


def test_a_fault_of_ours_is_a_line_and_its_traceback_in_the_log(tmp_path: Path):
    (tmp_path / "sitecustomize.py").write_text(
        "from core.runs import reader\n"
        "def broken(folder): raise ZeroDivisionError('as a test')\n"
        "reader.list_runs = broken\n"
    )
    answer = fer("runs", env={"PYTHONPATH": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state")})
    (line,) = answer.lines
    assert line.startswith("fer-tui: ZeroDivisionError: as a test; this is a bug in fer-tui; the traceback is in ")
    assert answer.status == 1
    assert "Traceback" in Path(line.rpartition(" ")[2]).read_text()
