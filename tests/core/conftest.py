from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from core.config import TrainingConfig, resolve

sys.path.insert(0, str(Path(__file__).parent))


@pytest.fixture
def settings(faces: Path) -> Callable[..., TrainingConfig]:
    """Makes the settings of a training that takes seconds; what is given replaces a default."""
    from trainings import FAST

    return lambda **changed: resolve({**FAST, "data": faces, **changed})
