from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from core.config.training_config import TrainingConfig, resolve


@pytest.fixture
def settings(faces: Path) -> Callable[..., TrainingConfig]:
    """Makes the settings of a training that takes seconds; what is given replaces a default."""
    from trainings import FAST

    return lambda **changed: resolve({**FAST, "data": faces, **changed})
