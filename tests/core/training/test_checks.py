"""Checks before a run is created."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.config.training_config import resolve
from core.errors import ConfigError, DatasetError
from core.training.checks import check_files


def test_nothing_is_wrong_with_whole_files(faces: Path):
    assert check_files([resolve({"data": faces, "model": name}) for name in ("compact", "model2")]) == ()


def test_what_keeps_nothing_from_training_is_given_back(write_tree: Callable[..., Path], tmp_path: Path):
    root = write_tree(tmp_path / "set", {"train/happy": 20, "train/sad": 20})
    (problem,) = check_files([resolve({"data": root, "model": "compact"})])
    assert problem.kind == "held_out"


def test_the_weights_of_every_config_are_looked_for(faces: Path, tmp_path: Path):
    first = resolve({"data": faces, "model": "compact"})
    other = resolve({"data": faces, "model": "model1", "weights": str(tmp_path / "no.h5")})
    with pytest.raises(ConfigError, match=r"weights: .*/no\.h5: no such file; "):
        check_files([first, other])


def test_a_data_set_that_can_not_be_read_is_refused(tmp_path: Path):
    with pytest.raises(DatasetError):
        check_files([resolve({"data": tmp_path / "nowhere", "model": "compact"})])


@pytest.mark.parametrize(
    ("folders", "told"),
    [
        (["train/a", "train/b", "val/0_a", "val/1_b"], "(train: a, b; validation: 0_a, 1_b); give the classes"),
        (["train/anger", "train/joy", "val/angry", "val/happy"], "in both splits, or rename them"),
        ([*(f"train/{name}" for name in "abcdef"), "val/x"], "(train: a, b, c, d, e …; validation: x)"),
    ],
)
def test_splits_without_a_common_class_are_refused_before_a_run_exists(
    write_tree: Callable[..., Path], tmp_path: Path, folders: list[str], told: str
):
    root = write_tree(tmp_path / "set", dict.fromkeys(folders, 2))
    with pytest.raises(DatasetError) as refused:
        check_files([resolve({"data": root, "model": "compact"})])
    # The command line says --classes.
    assert refused.value.field == "classes"
    assert refused.value.message.startswith(f"{root}: no validation image has a class that train has ")
    assert told in refused.value.message
