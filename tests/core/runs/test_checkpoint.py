from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.runs import checkpoint
from core.runs.checkpoint import TrainingState, find_checkpoint, restore_kept, save_checkpoint
from core.runs.names import CHECKPOINT
from core.system import files


class Weights:
    """A minimal model for checkpoints, whose weights are a text."""

    def __init__(self, text: str) -> None:
        self.text = text

    def save_weights(self, file: Any) -> None:
        file.write(self.text.encode())


def save(run: Path, epoch: int, *, keeps: bool) -> None:
    def save_kept(path: Path) -> None:
        path.write_text(f"kept {epoch}")

    save_checkpoint(run, Weights(f"weights {epoch}"), TrainingState(epoch), save_kept if keeps else None)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with three epochs, of which the second is kept."""
    for epoch, keeps in ((1, True), (2, True), (3, False)):
        save(tmp_path, epoch, keeps=keeps)
    return tmp_path


def found(run: Path) -> tuple[int, str, bool]:
    there = find_checkpoint(run)
    assert there
    assert there.weights.read_text() == f"weights {there.state.epoch}"
    assert there.kept
    return there.state.epoch, there.kept.read_text(), there.is_older


def test_a_checkpoint_has_the_kept_model_of_its_moment(run: Path):
    assert found(run) == (3, "kept 2", False)
    assert (run / "best.keras").read_text() == "kept 2"
    assert (run / "checkpoint.previous" / "best.keras").read_text() == "kept 2"


def test_the_checkpoints_share_a_kept_model_and_the_run_has_a_copy(run: Path):
    assert (run / "checkpoint" / "best.keras").samefile(run / "checkpoint.previous" / "best.keras")
    assert not (run / "checkpoint" / "best.keras").samefile(run / "best.keras")


def test_a_file_system_without_links_has_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*told: Any, **more: Any) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    save(tmp_path, 1, keeps=True)
    save(tmp_path, 2, keeps=False)
    assert found(tmp_path) == (2, "kept 1", False)
    assert (tmp_path / "best.keras").read_text() == "kept 1"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def change(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[0] ^= 1
    path.write_bytes(content)


DAMAGES = pytest.mark.parametrize("damage", [cut, change, Path.unlink], ids=["cut", "changed", "gone"])


@DAMAGES
@pytest.mark.parametrize("name", ["model.weights.h5", "state.json"])
def test_a_damaged_checkpoint_is_passed_over(run: Path, name: str, damage: Callable[[Path], None]):
    damage(run / "checkpoint" / name)
    assert found(run) == (2, "kept 2", True)
    damage(run / "checkpoint.previous" / name)
    assert find_checkpoint(run) is None


@DAMAGES
def test_either_copy_of_the_kept_model_stands_in_for_the_other(run: Path, damage: Callable[[Path], None]):
    damage(run / "checkpoint" / "best.keras")
    assert found(run) == (3, "kept 2", False)
    damage(run / "best.keras")
    there = find_checkpoint(run)
    # Both checkpoints link to the same file, so damage affects both. Deleting the link affects only the last one.
    assert there is None if damage is not Path.unlink else there and there.is_older


@DAMAGES
def test_the_runs_own_kept_model_is_mended_from_the_checkpoint(run: Path, damage: Callable[[Path], None]):
    damage(run / "best.keras")
    there = find_checkpoint(run)
    assert there and there.kept and not there.is_older
    restore_kept(run, there.kept)
    assert (run / "best.keras").read_text() == "kept 2"


@pytest.mark.parametrize(
    "content",
    ["", "[]", "null", "{}", '{"sha256": 5}', '{"sha256": {"../../x": "0"}}', '{"sha256": {}}', "[" * 100_000],
)
def test_a_state_of_anything_is_a_damaged_one(run: Path, content: str):
    (run / "checkpoint" / "state.json").write_text(content)
    assert found(run)[2]


@pytest.mark.parametrize("changed", [{"epoch": 2}, {"best": 0.5}, {"seconds": -1.0}, {"more": 1}])
def test_a_state_that_was_edited_is_a_damaged_one(run: Path, changed: dict[str, float]):
    path = run / "checkpoint" / "state.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    assert found(run) == (2, "kept 2", True)


def test_a_later_version_may_have_written_more(run: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checkpoint, "asdict", lambda state: {"epoch": state.epoch, "mood": "good"})
    save(run, 4, keeps=False)
    assert found(run) == (4, "kept 2", False)


def test_an_earlier_version_had_the_weights_alone(run: Path):
    folder = run / "checkpoint"
    stored = json.loads((folder / "state.json").read_text())
    (folder / "state.json").write_text(json.dumps({**stored, "sha256": stored["sha256"]["model.weights.h5"]}))
    (folder / "best.keras").unlink()
    there = find_checkpoint(run)
    assert there
    assert not there.is_older
    assert there.kept is None
    save(run, 4, keeps=False)
    assert found(run) == (4, "kept 2", False)


def test_a_kept_model_that_was_changed_by_hand_does_not_get_into_a_checkpoint(run: Path):
    (run / "best.keras").unlink()
    (run / "best.keras").write_text("another")
    save(run, 4, keeps=False)
    assert found(run) == (4, "kept 2", False)


class Killed(BaseException):
    """Simulates that the process is killed at this point."""


STEPS = ("replace", "rename", "unlink", "mkdir", "rmdir", "link", "fsync", "open")


def test_wherever_the_process_ends_the_run_goes_on_from_a_whole_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    ends = 0
    for at in range(200):
        run = tmp_path / str(at)
        run.mkdir()
        save(run, 1, keeps=True)
        save(run, 2, keeps=False)
        left = [at]

        def step(call: Callable[..., Any], left: list[int] = left) -> Callable[..., Any]:
            def counted(*told: Any, **more: Any) -> Any:
                left[0] -= 1
                if left[0] < 0:
                    raise Killed
                return call(*told, **more)

            return counted

        with monkeypatch.context() as patch:
            for name in STEPS:
                patch.setattr(os, name, step(getattr(os, name)))
            # A killed process does not clean up, so the cleanup that the exception triggers must do nothing.
            patch.setattr(files, "remove", lambda path, real=files.remove, left=left: left[0] < 0 or real(path))
            try:
                save(run, 3, keeps=True)
            except Killed:
                ends += 1
        there = find_checkpoint(run)
        assert there and there.kept
        restore_kept(run, there.kept)
        assert (run / "best.keras").read_text() == ("kept 3" if there.state.epoch == 3 else "kept 1")
        assert there.state.epoch in (2, 3)
        save(run, there.state.epoch + 1, keeps=False)
        assert found(run)[0] == there.state.epoch + 1
        if left[0] >= 0:
            break
    assert ends > 15


def test_no_run_has_no_checkpoint(tmp_path: Path):
    assert find_checkpoint(tmp_path) is None
    assert CHECKPOINT == "checkpoint"
