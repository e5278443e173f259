from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from core.data.demo import write_faces
from core.runs.history import HISTORY_COLUMNS

# No deadline: a busy machine must not fail a test.
settings.register_profile("fer-tui", deadline=None, max_examples=50)
settings.load_profile("fer-tui")


@pytest.fixture(autouse=True)
def isolated_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Use a separate settings and state folder for each test, and return their parent folder."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.delenv("FER_TUI_CONFIG", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    return home


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn faces of seven classes: eight of each in train and two in validation."""
    root = tmp_path_factory.mktemp("drawn") / "faces"
    write_faces(root, per_class=10, seed=0)
    return root


@pytest.fixture
def write_tree() -> Callable[..., Path]:
    """Return a function that writes a number of small, distinct grey PNGs into each folder below a root."""
    drawn = np.random.default_rng(0)

    def write(root: Path, counts: Mapping[str, int]) -> Path:
        for folder, count in counts.items():
            assert not Path(folder).is_absolute()
            (root / folder).mkdir(parents=True, exist_ok=True)
            for number in range(count):
                content = BytesIO()
                Image.fromarray(drawn.integers(0, 256, (8, 8), dtype=np.uint8)).save(content, "PNG")
                (root / folder / f"{number:03d}.png").write_bytes(content.getvalue())
        return root

    return write


@pytest.fixture
def write_run(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a completed run's directory below tmp_path/runs; its arguments replace defaults."""

    def write(
        name: str = "20260102-030405-006-compact-abcd",
        *,
        config: Mapping[str, Any] = {},
        status: Mapping[str, Any] = {},
        environment: Mapping[str, Any] | None = None,
        evaluation: Mapping[str, Any] | None = None,
        history: Sequence[Mapping[str, float]] = (),
    ) -> Path:
        run = tmp_path / "runs" / name
        run.mkdir(parents=True)
        defaults = {"model": "compact", "protocol": "sound", "encoding": "label", "augmentation": "basic", "epochs": 3}
        (run / "config.json").write_text(json.dumps({**defaults, "monitor": "val_loss", "keep": "best", **config}))
        (run / "status.json").write_text(json.dumps({"state": "completed", **status}))
        for file, value in (("environment.json", environment), ("evaluation.json", evaluation)):
            if value is not None:
                (run / file).write_text(json.dumps(value))
        if history:
            with (run / "history.csv").open("w", newline="") as file:
                writer = csv.DictWriter(file, HISTORY_COLUMNS, lineterminator="\n")
                writer.writeheader()
                writer.writerows(history)
        return run

    return write
