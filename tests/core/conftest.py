from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core.config import TrainingConfig, resolve
from core.demo import write_faces

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture(scope="module")
def few_faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn faces: eight of each class in train, two in validation."""
    folder = tmp_path_factory.mktemp("data") / "faces"
    write_faces(folder, per_class=10, seed=1)
    return folder


@pytest.fixture
def settings(few_faces: Path) -> Callable[..., TrainingConfig]:
    """Makes the settings of a training that takes seconds; what is given replaces a default."""
    from trainings import FAST

    return lambda **changed: resolve({**FAST, "data": few_faces, **changed})
