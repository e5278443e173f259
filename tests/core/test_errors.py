"""What errors of core say, and what they leave to whoever shows them."""

from __future__ import annotations

import ast
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import core.errors
from core.errors import ConfigError, DatasetError, FerError, RunError, WeightsError, suggest_name

CORE = Path(core.errors.__file__).parent
# A whole command line, which may name its options.
COMMAND = re.compile(r"'(?:fer-tui|ray|tensorboard|pip) [^']*'")
OPTION = re.compile(r"(?<![\w-])--[a-z]")


@pytest.mark.parametrize("kind", [FerError, ConfigError, DatasetError, RunError, WeightsError])
def test_an_error_names_its_field(kind: type[FerError]):
    error = kind("epochs", "give 3 or more")
    assert (error.source, error.field, error.message) == ("", "epochs", "give 3 or more")
    assert str(error) == "epochs: give 3 or more"


def test_an_error_that_names_no_field_is_its_message():
    for error in (RunError("runs/a: is completed"), RunError("", "runs/a: is completed")):
        assert (error.field, error.message) == ("", "runs/a: is completed")
        assert str(error) == "runs/a: is completed"


def test_a_key_of_a_file_is_told_with_the_file():
    error = ConfigError("epochs", "give 3 or more", source="my.toml")
    assert (error.field, str(error)) == ("epochs", "my.toml: epochs: give 3 or more")
    assert str(ConfigError("not TOML", source="my.toml")) == "my.toml: not TOML"


def test_an_error_comes_whole_from_another_process():
    error = pickle.loads(pickle.dumps(ConfigError("epochs", "give 3 or more", source="my.toml")))
    assert type(error) is ConfigError
    assert (error.source, error.field, error.message) == ("my.toml", "epochs", "give 3 or more")


# The core knows no command line


def texts(tree: ast.AST) -> Iterator[str]:
    """The strings of a piece of code, those of an f-string as one, without what stands in its braces."""
    inside: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inside |= set(node.values)
            yield "".join(str(each.value) if isinstance(each, ast.Constant) else "X" for each in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in inside:
            yield node.value


def raised(module: ast.Module) -> Iterator[str]:
    """What a module's errors say: the strings of its raise statements, and of the module's own names in them."""
    named = {
        target.id: statement.value
        for statement in module.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(module):
        if isinstance(node, ast.Raise):
            yield from texts(node)
            for name in ast.walk(node):
                if isinstance(name, ast.Name) and name.id in named:
                    yield from texts(named[name.id])


@pytest.mark.parametrize("file", sorted(CORE.rglob("*.py")), ids=lambda file: str(file.relative_to(CORE)))
def test_no_error_of_the_core_names_a_flag(file: Path):
    wrong = [text for text in raised(ast.parse(file.read_text())) if OPTION.search(COMMAND.sub("", text))]
    assert not wrong, "name the field; the command line says --field"


@pytest.mark.parametrize(
    "code",
    [
        'raise ConfigError("--epochs: give more")',
        'raise ConfigError(f"{run}: give --epochs {done}")',
        'raise RunError("RUN: is stopped; " "go on with --resume")',
        'REMEDY = "give --weights"\nraise WeightsError(f"no file; {REMEDY}")',
    ],
)
def test_a_flag_would_be_found(code: str):
    assert any(OPTION.search(COMMAND.sub("", text)) for text in raised(ast.parse(code)))


# Hints


def test_the_known_name_that_is_nearest_is_named():
    assert suggest_name("thme", ["theme", "them_all", "keys"], "see the list") == "did you mean 'theme'?"


def test_capitals_do_not_count_for_the_nearest_name():
    assert suggest_name("EPOCHS", ["seed", "epochs"], "see the list") == "did you mean 'epochs'?"


def test_a_name_that_is_near_none_gets_the_other_hint():
    assert suggest_name("zzz", ["theme", "keys"], "see the list") == "see the list"
    assert suggest_name("", {}, "see the list") == "see the list"


def test_a_lower_cutoff_calls_names_near_that_are_less_alike():
    known = ["runs.stop"]
    assert suggest_name("stop", known, "see the list", cutoff=0.7) == "see the list"
    assert suggest_name("stop", known, "see the list", cutoff=0.4) == "did you mean 'runs.stop'?"
