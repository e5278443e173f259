"""What errors of core say, and what they leave to whoever shows them."""

from __future__ import annotations

import ast
import pickle
from pathlib import Path

import pytest

import core
from core.errors import ConfigError, RunError, nearest

CORE = Path(str(core.__file__)).parent


def test_an_error_says_its_field_and_its_file():
    error = ConfigError("epochs", "give 3 or more", source="runs.toml")
    assert (error.field, error.message, str(error)) == ("epochs", "give 3 or more", "runs.toml: epochs: give 3 or more")
    assert (RunError("is gone").field, str(RunError("is gone"))) == ("", "is gone")


def test_an_error_travels_between_processes():
    error = pickle.loads(pickle.dumps(ConfigError("epochs", "give 3 or more", source="runs.toml")))
    assert (type(error), error.field, error.source) == (ConfigError, "epochs", "runs.toml")


def test_the_known_name_that_is_nearest_is_named():
    assert nearest("thme", ["theme", "them_all", "keys"], "see the list") == "did you mean 'theme'?"


def test_a_name_that_is_near_none_gets_the_other_hint():
    assert nearest("zzz", ["theme", "keys"], "see the list") == "see the list"
    assert nearest("", {}, "see the list") == "see the list"


def test_a_lower_cutoff_calls_names_near_that_are_less_alike():
    known = ["runs.stop"]
    assert nearest("stop", known, "see the list", cutoff=0.7) == "see the list"
    assert nearest("stop", known, "see the list", cutoff=0.4) == "did you mean 'runs.stop'?"


@pytest.mark.parametrize("file", sorted(CORE.rglob("*.py")), ids=lambda file: file.relative_to(CORE).as_posix())
def test_an_error_of_core_names_no_flag_as_its_subject(file: Path):
    """The command line knows how a field is written there, and a form and a file know it otherwise."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Raise):
            texts = [each.value for each in ast.walk(node) if isinstance(each, ast.Constant)]
            assert not [text for text in texts if isinstance(text, str) and text.startswith("--")], file
