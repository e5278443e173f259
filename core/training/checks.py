"""Checks before a run is created, so that file errors appear at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.config.training_config import TrainingConfig
from core.models.pretrained import check_weights_file
from core.system.limits import check_limits

if TYPE_CHECKING:
    from core.data.dataset import Problem


def check_files(configs: Sequence[TrainingConfig]) -> tuple[Problem, ...]:
    """Check this process's limits, the weights file of every config, and list the data set's images undecoded.

    Args:
        configs: at least one config; all must have the same data set.

    Returns:
        The problems of the data set that do not prevent training.

    Raises:
        ConfigError: a weights file or a decisions file can't be used.
        DatasetError: the data set can't be read, or it has no training images.
        FerError: a limit of this process is too low for TensorFlow.
    """
    from core.data.splits import read_training_dataset

    check_limits()
    for config in configs:
        check_weights_file(config.weights)
    return read_training_dataset(configs[0]).problems
