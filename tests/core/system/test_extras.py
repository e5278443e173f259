"""The extras: their packages and the install command."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

from core.export.formats import FORMATS
from core.export.tracker_registry import TRACKERS
from core.system import extras
from core.system.extras import EXTRAS, install_command, is_installed, missing_packages

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"


def test_they_are_those_of_the_package():
    told = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
    # TensorFlow imports the packages of `gpu`, and `dev` is for development.
    assert set(EXTRAS) == set(told) - {"gpu", "dev"}
    assert {name: len(packages) for name, packages in EXTRAS.items()} == {name: len(told[name]) for name in EXTRAS}


def test_what_needs_an_extra_finds_its_packages_there():
    assert {package for each in FORMATS.values() for package in each.packages} == set(EXTRAS["export"])
    assert set(TRACKERS) <= set(EXTRAS)


def test_an_extra_is_installed_when_all_its_packages_are(monkeypatch: pytest.MonkeyPatch):
    there = {"ray", "optuna"}
    monkeypatch.setattr(extras, "find_spec", lambda name: name if name in there else None)
    assert missing_packages(["ray", "grpc", "numpy"]) == ["grpc", "numpy"]
    assert is_installed("search")
    assert not is_installed("cluster")
    there.add("grpc")
    assert is_installed("cluster")


@pytest.mark.parametrize(
    ("file", "command"),
    [
        (None, "pip install 'fer-tui[search]'"),
        ("pipx_metadata.json", "pipx runpip fer-tui install 'fer-tui[search]'"),
        ("uv-receipt.toml", "uv pip install --python {} 'fer-tui[search]'"),
    ],
    ids=["pip", "pipx", "uv"],
)
def test_the_command_is_that_of_the_tool_that_installed_the_app(
    file: str | None, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    place = tmp_path / "fer-tui"
    place.mkdir()
    if file:
        (place / file).touch()
    monkeypatch.setattr(sys, "prefix", str(place))
    assert install_command("search") == command.format(place)


def test_no_other_module_words_the_command():
    sources = [path for package in ("core", "fer_tui") for path in (PYPROJECT.parent / package).rglob("*.py")]
    wording = re.compile(r"pip install")
    assert [path.name for path in sources if wording.search(path.read_text())] == ["extras.py"]
