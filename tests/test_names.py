"""What is named by text is there: modules and their names, scripts, style sheets, commands, files and folders."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import typer

import core
import fer_tui
from core.models.registry import MODELS
from core.training.environment import git_commit
from fer_tui.commands.group import COMMANDS

ROOT = Path(__file__).parent.parent
FOLDERS = ("core", "fer_tui", "tests", "benchmarks", "docs")
SOURCES = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
PAGES = [*sorted(ROOT.glob("*.md")), *(path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.md")))]
OTHERS = [ROOT / "Makefile", ROOT / "pyproject.toml", ROOT / ".ci" / "run", ROOT / ".ci" / "wheel-check"]
# But for this file, whose examples are not there.
EVERY = [path for path in (*SOURCES, *PAGES, *OTHERS) if path != Path(__file__)]

DOTTED = re.compile(r"(?<![\w./-])(?:core|fer_tui)(?:\.[A-Za-z_]\w*)+")
FROM = re.compile(r"\bfrom ((?:core|fer_tui)[\w.]*) import ([\w, ]+)")
FILE = re.compile(r"(?<![\w/.-])(?:\.ci|core|fer_tui|tests|benchmarks|docs)/[\w./-]*")
SCRIPT = re.compile(r"(?<![\w/.*<-])\w+\.py\b")
# Not names of ours, though they look like them.
DATA = {f"fer_tui.{tag}" for tag in ("run", "state", "fingerprint", "warnings", "host")}  # MLflow's tags of a run
DATA |= {"core.demo", "core.demo.draw_face"}  # of version 0.1.0, which wrote the fixtures
# Files that are not in the checkout: of other packages, or written by a test.
ELSEWHERE = {"kagglehub.py", "sitecustomize.py", "optimizer.py", "x.py"}


def ids(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def resolve(name: str) -> Any:
    """What a dotted name stands for: the longest beginning that is a module, then its attributes.

    Raises:
        AttributeError: there is no such module or attribute.
    """
    parts = name.split(".")
    found: Any = importlib.import_module(parts[0])
    for number, part in enumerate(parts[1:], 2):
        if inspect.ismodule(found) and hasattr(found, "__path__") and find_spec(".".join(parts[:number])):
            found = importlib.import_module(".".join(parts[:number]))
        elif part in getattr(found, "__annotations__", {}) and not hasattr(found, part):
            return None  # a field of a dataclass, without a default
        else:
            found = getattr(found, part)
    return found


def unresolved(text: str) -> Iterator[str]:
    """The names of ours in a text that stand for nothing."""
    named = set(DOTTED.findall(text))
    for module, imported in FROM.findall(text):
        named |= {f"{module}.{name.split()[0]}" for name in imported.split(",") if name.strip()}
    for name in sorted(named - DATA):
        try:
            resolve(name)
        except (AttributeError, ImportError):
            yield name


@pytest.mark.parametrize("path", EVERY, ids=ids)
def test_every_dotted_name_of_ours_is_there(path: Path):
    assert not list(unresolved(path.read_text(encoding="utf-8"))), f"{ids(path)} names what is not there"


def test_a_name_that_is_not_there_is_found():
    text = (
        "`core.runs.reader.list_runs` and `core.list_run`, fer_tui.nothing.at_all; from core.data import audit, demos"
    )
    assert list(unresolved(text)) == ["core.data.demos", "core.list_run", "fer_tui.nothing.at_all"]


def absent(text: str) -> Iterator[str]:
    """The paths in a text that lead nowhere."""
    for path in sorted(set(FILE.findall(text))):
        if not (ROOT / path.rstrip(".")).exists():
            yield path
    known = {source.name for source in SOURCES} | ELSEWHERE
    yield from sorted(set(SCRIPT.findall(text)) - known)


@pytest.mark.parametrize("path", EVERY, ids=ids)
def test_every_path_of_ours_is_there(path: Path):
    assert not list(absent(path.read_text(encoding="utf-8"))), f"{ids(path)} names files that are not there"


def test_a_path_that_is_not_there_is_found():
    assert list(absent("`core/errors.py`, core/error.py; tests/cli. benchmark.py, tests/*")) == [
        "core/error.py",
        "benchmark.py",
    ]


def trees() -> Iterator[tuple[Path, ast.AST]]:
    for path in SOURCES:
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def calls(*names: str) -> Iterator[tuple[Path, ast.Call]]:
    """Every call of a function or method by one of these names."""
    for path, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in names:
                yield path, node


def test_what_a_test_replaces_by_its_name_is_there():
    replaced = set()
    for path, call in calls("setattr"):
        target = call.args[0]
        if isinstance(target, ast.Constant) and isinstance(target.value, str):
            replaced.add((ids(path), target.value))
    assert len(replaced) >= 10
    # monkeypatch itself refuses an unknown name; to look at Keras's here would import TensorFlow.
    for path, name in sorted(replaced):
        if not name.startswith("keras."):
            assert resolve(name) is not None, f"{path}: {name}"


def test_the_code_reaches_the_folders_that_it_looks_for_beside_itself():
    found = 0
    for path, tree in trees():
        chains = [node for node in ast.walk(tree) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)]
        inner = {id(node.left) for node in chains}
        for node in chains:
            text = ast.unparse(node)
            if id(node) not in inner and re.fullmatch(r"Path\(__file__\)[\w.()\[\]]*( / '[^']*')+", text):
                found += 1
                assert eval(text, {"Path": Path, "__file__": str(path)}).exists(), f"{ids(path)}: {text}"
    assert found >= 5


@pytest.mark.parametrize("spec", MODELS.values(), ids=lambda spec: spec.name)
def test_a_model_names_its_builder(spec: Any):
    module, _, function = spec.builder.partition(":")
    assert callable(getattr(importlib.import_module(module), function))


def test_every_module_that_is_started_has_a_main():
    started = {ast.literal_eval(call.args[0]) for _, call in calls("start_detached")}
    assert started == {"core.jobs.worker", "core.jobs.cluster.driver"}
    for name in started:
        source = inspect.getsource(importlib.import_module(name))
        assert callable(resolve(f"{name}.main"))
        last = ast.parse(source).body[-1]
        assert isinstance(last, ast.If) and ast.unparse(last.test) == "__name__ == '__main__'", name
        assert "main(" in ast.unparse(last), name


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_where_its_table_says(name: str):
    module, _, attribute = COMMANDS[name].partition(":")
    found = getattr(importlib.import_module(f"fer_tui.commands.{module}"), attribute)
    assert isinstance(found, typer.Typer) or callable(found)


def modules(package: ModuleType) -> Iterator[ModuleType]:
    for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not found.name.endswith(".__main__"):
            yield importlib.import_module(found.name)


def test_every_style_sheet_is_there_and_in_the_wheel():
    named = set()
    for module in modules(fer_tui):
        for kind in vars(module).values():
            if inspect.isclass(kind) and kind.__module__ == module.__name__ and "CSS_PATH" in vars(kind):
                sheet = (Path(inspect.getfile(kind)).parent / str(vars(kind)["CSS_PATH"])).resolve()
                assert sheet.is_file() and sheet.suffix == ".tcss", f"{kind.__qualname__}: {sheet}"
                named.add(sheet)
    home = Path(fer_tui.__file__).resolve().parent
    assert named == set(home.rglob("*.tcss")), "a style sheet is outside fer_tui, or nobody's"
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]["targets"]
    # All that stands in these folders, whatever its kind, but for what git ignores.
    assert wheel == {"wheel": {"packages": ["core", "fer_tui"]}}
    done = git("check-ignore", "--no-index", *(str(sheet) for sheet in named))
    assert done is None or done.returncode == 1, f"git ignores, and so the wheel lacks: {done.stdout}"


def test_every_test_is_run_or_left_out_knowingly():
    paths = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["pytest"]["ini_options"]
    listed = [ROOT / path for path in paths["testpaths"]]
    left_out = {path for path in (ROOT / "tests").rglob("test_*.py") if not any(map(path.is_relative_to, listed))}
    # Takes minutes, and a network of its own: see docs/cluster.md.
    assert {ids(path) for path in left_out} == {"tests/cluster/test_cluster.py"}


def git(*words: str) -> subprocess.CompletedProcess[str] | None:
    """What git answers in the checkout; None where there is no checkout, or no git."""
    if not (ROOT / ".git").exists():
        return None
    try:
        return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None


def test_a_run_knows_the_commit_of_this_checkout():
    if Path(core.__file__).resolve().parent.parent != ROOT.resolve():
        pytest.skip(f"core is imported from another place: {core.__file__}")
    done = git("rev-parse", "HEAD")
    if done is None or done.returncode:
        pytest.skip("this is no git checkout, or git is missing")
    assert git_commit() == done.stdout.strip()
