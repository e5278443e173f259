"""Everything that is named by text exists: modules, their symbols, builders, style sheets, files."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.dom import DOMNode

from core.models.registry import MODELS
from core.training.environment import git_commit
from fer_tui.commands.group import COMMANDS
from fer_tui.keymap import _classes, _modules

ROOT = Path(__file__).parent.parent
CODE = sorted(path for top in ("core", "fer_tui", "tests", "benchmarks", "docs") for path in (ROOT / top).rglob("*.py"))
PROSE = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
DOTTED = re.compile(r"(?<![\w./*-])(?:core|fer_tui)(?:\.[A-Za-z_]\w*)+")
PLACE = re.compile(r"(?<![\w./-])(?:core|fer_tui|tests|benchmarks|docs)/[\w./-]*\.(?:py|md|toml|tcss|txt)\b")
# Tags of MLflow's runs, which other programs read.
DATA = {f"fer_tui.{name}" for name in ("run", "state", "fingerprint", "warnings", "host")}


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or a symbol of one, at any depth."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            annotations = getattr(found, "__annotations__", {})
            if not hasattr(found, part):
                return part in annotations
            found = getattr(found, part)
        return True
    return False


def texts(path: Path) -> Iterator[str]:
    """The strings of a Python file, docstrings among them; comments too."""
    content = path.read_text()
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
    yield from re.findall(r"#.*", content)


@pytest.mark.parametrize("path", CODE, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_names_in_a_files_strings_exist(path: Path):
    if path == Path(__file__):
        return
    named = {name for text in texts(path) for name in DOTTED.findall(text)} - DATA
    assert not [name for name in sorted(named) if not exists(name)]


@pytest.mark.parametrize("path", PROSE, ids=lambda path: path.name)
def test_the_names_and_places_in_prose_exist(path: Path):
    text = path.read_text()
    assert not [name for name in sorted(set(DOTTED.findall(text)) - DATA) if not exists(name)]
    assert not [place for place in sorted(set(PLACE.findall(text))) if not (ROOT / place).exists()]


@pytest.mark.parametrize("name", ["Makefile", "pyproject.toml", ".ci/run", ".ci/wheel-check"])
def test_the_places_in_the_tools_files_exist(name: str):
    assert not [place for place in sorted(set(PLACE.findall((ROOT / name).read_text()))) if not (ROOT / place).exists()]


@pytest.mark.parametrize("name", MODELS)
def test_a_models_builder_exists(name: str):
    module, _, function = MODELS[name].builder.partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_the_modules_that_are_started_by_name_can_be():
    started = {
        node.args[0].value
        for path in CODE
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "start_detached"
        and isinstance(node.args[0], ast.Constant)
    }
    assert started == {"core.jobs.worker", "core.jobs.cluster.driver"}
    for name in started:
        module = importlib.import_module(str(name))
        assert callable(module.main)
        assert 'if __name__ == "__main__":' in Path(str(module.__file__)).read_text()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_where_the_table_says(command: str):
    module, _, name = COMMANDS[command].partition(":")
    assert hasattr(importlib.import_module(f"fer_tui.commands.{module}"), name)


def test_every_style_sheet_is_where_its_class_says():
    found = 0
    for module in _modules():
        for kind in _classes(module):
            sheet = vars(kind).get("CSS_PATH")
            if issubclass(kind, DOMNode) and isinstance(sheet, str):
                place = (Path(str(module.__file__)).parent / sheet).resolve()
                assert place.is_file() and place.is_relative_to(ROOT / "fer_tui"), (kind, place)
                found += 1
    assert found >= 5


def test_a_run_is_told_the_commit_of_this_checkout():
    if not (ROOT / ".git").exists():
        pytest.skip("this is no checkout")
    asked = subprocess.run(["git", "-C", str(ROOT), "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    assert git_commit() == asked.stdout.strip()
