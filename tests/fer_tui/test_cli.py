from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from core.config.training_config import resolve
from core.errors import ConfigError, RunError
from fer_tui import launch
from fer_tui.cli import COMPLETION, _run_command, expand_former_flags, format_error, main, parse_screen_options
from fer_tui.commands.group import app

SCREENS = (
    [],
    ["--data", "faces"],
    ["--data=faces", "--runs", "a b"],
    ["--theme", "nord", "--no-mouse"],
    ["--runs", "one", "--runs=two"],
    ["--data", "--runs", "--no-mouse"],
    ["--data="],
)
# Arguments that are similar to the screens' options, or contain more than them.
OTHERS = (["--dat", "faces"], ["--no-m"], ["--data"], ["--mouse"], ["runs"], ["--runs", "a", "runs"], ["-h"])


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Record the arguments of each call that opens the screens."""
    calls: list[dict[str, Any]] = []
    signature = inspect.signature(launch.run_app)

    def run(*values: Any, **named: Any) -> int:
        call = signature.bind(*values, **named)
        call.apply_defaults()
        calls.append(call.arguments)
        return 0

    monkeypatch.setattr(launch, "run_app", run)
    monkeypatch.delenv(COMPLETION, raising=False)
    return calls


@pytest.mark.parametrize("arguments", SCREENS, ids=" ".join)
def test_the_short_way_to_the_screens_gives_what_typer_gives(arguments: list[str], opened: list[dict[str, Any]]):
    assert parse_screen_options(arguments) is not None
    assert main(arguments) == 0
    _run_command(arguments)
    short, typers = opened
    assert short == typers


@pytest.mark.parametrize("arguments", OTHERS, ids=" ".join)
def test_everything_else_is_left_to_typer(arguments: list[str]):
    assert parse_screen_options(arguments) is None


def test_a_shell_that_asks_for_completions_gets_them_from_typer(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(COMPLETION, "complete_bash")
    assert parse_screen_options([]) is None


# The names in errors


def words(command: Any) -> Iterator[str]:
    """Return the options and arguments of a command and its subcommands."""
    for parameter in command.params:
        yield from parameter.opts if parameter.param_type_name == "option" else [parameter.metavar]
    for below in getattr(command, "commands", {}).values():
        yield from words(below)


def fields() -> dict[str, str]:
    """Return the fields that errors name, and the file of each."""
    root = Path(launch.__file__).parent.parent
    found: dict[str, str] = {}
    for file in (*root.glob("core/**/*.py"), *root.glob("fer_tui/**/*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("ConfigError", "RunError", "DatasetError"):
                first, *others = node.args
                # An error in a file names the key as in the file.
                if others and not node.keywords and isinstance(first, ast.Constant):
                    found[str(first.value)] = file.name
    return found


def test_every_error_names_an_option_or_an_argument_that_there_is():
    named = {field: format_error(ConfigError(field, "")).removesuffix(": ") for field in fields()}
    assert {"epochs", "runs", "output", "target", "kind", "cpus_per_run"} <= set(named)
    known = set(words(typer.main.get_command(app)))
    assert {field: word for field, word in named.items() if word not in known} == {}


def test_a_setting_is_told_by_its_flag_and_a_files_key_as_it_stands_there():
    assert format_error(RunError("runs/a: is running")) == "runs/a: is running"
    with pytest.raises(ConfigError) as flag:
        resolve({"data": "faces", "model": "compact", "batch_size": 0})
    assert format_error(flag.value) == "--batch-size: input should be greater than or equal to 1 (got 0)"
    with pytest.raises(ConfigError) as key:
        resolve({"data": "faces", "model": "compact", "batch_size": 0}, source="my.toml")
    assert format_error(key.value) == "my.toml: batch_size: input should be greater than or equal to 1 (got 0)"


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("train --jit-compile", "train --jit-compile=on"),
        ("train --jit-compile --epochs 3", "train --jit-compile=on --epochs 3"),
        ("train --no-jit-compile --epochs 3", "train --jit-compile=off --epochs 3"),
        ("train --jit-compile off --json", "train --jit-compile off --json"),
        ("train --jit-compile maybe", "train --jit-compile maybe"),
        ("train --jit-compile=auto", "train --jit-compile=auto"),
        ("train --no-deterministic on", "train --no-deterministic on"),
    ],
)
def test_what_was_a_flag_once_may_stand_without_a_value(said: str, meant: str):
    assert expand_former_flags(said.split()) == meant.split()
