"""Checks before a run is created, so that a wrong file is reported at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.config.training_config import TrainingConfig
from core.models.pretrained import check_weights_file

if TYPE_CHECKING:
    from core.data.dataset import Problem


def check_files(configs: Sequence[TrainingConfig]) -> tuple[Problem, ...]:
    """Check the weights file of every config and list the data set's images; no image is decoded.

    Args:
        configs: at least one, all with the same data set.

    Returns:
        What is wrong with the data set, but keeps nothing from training.

    Raises:
        ConfigError: a file of weights or decisions can't be used.
        DatasetError: the data set can't be read, or there is nothing to train on.
    """
    from core.data.splits import read_training_dataset

    for config in configs:
        check_weights_file(config.weights)
    return read_training_dataset(configs[0]).problems
