from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from core.config.training_config import TrainingConfig, resolve


@pytest.fixture(scope="module")
def tiny_model() -> Iterator[None]:
    """The model of `trainings.FAST`."""
    from trainings import with_tiny_model

    with with_tiny_model():
        yield


@pytest.fixture
def settings(faces: Path, tiny_model: None) -> Callable[..., TrainingConfig]:
    """Makes the settings of a training that takes seconds; what is given replaces a default."""
    from trainings import FAST

    return lambda **changed: resolve({**FAST, "data": faces, **changed})
