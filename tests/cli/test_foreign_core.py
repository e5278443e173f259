"""Start fer-tui in a folder with another package named `core`, as many Django projects have."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from installed import environment, fer

TINY = ("--epochs", "1", "--image-size", "32", "--width", "0.1", "--batch-size", "16")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a `core` that differs from fer-tui's."""
    (tmp_path / "core").mkdir()
    (tmp_path / "core" / "__init__.py").write_text("raise SystemExit('the project of somebody else')\n")
    return tmp_path


def test_two_queued_models_train_beside_a_foreign_core(project: Path, faces: Path):
    words = ("train", "--data", faces, "--model", "model2", "--model", "compact", *TINY, "--json")
    answer = fer(*words, cwd=project, in_new_process=True)
    assert answer.status == 0, answer.err
    assert [run["state"] for run in answer.json()] == ["completed", "completed"]


@pytest.mark.parametrize("where", ["working directory", "PYTHONPATH"])
def test_a_foreign_core_is_named_in_one_line(project: Path, tmp_path_factory: pytest.TempPathFactory, where: str):
    cwd, more = (
        (project, {})
        if where == "working directory"
        else (tmp_path_factory.mktemp("elsewhere"), {"PYTHONPATH": str(project)})
    )
    done = subprocess.run(
        [sys.executable, "-m", "fer_tui", "runs"],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment(more),
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"fer-tui: {project / 'core'}: another package named 'core' hides fer-tui's own; ")
