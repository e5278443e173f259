"""Checks before a run is created, so that file errors appear at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from core.config.training_config import TrainingConfig
from core.errors import DatasetError
from core.models.pretrained import check_weights_file
from core.system.limits import check_limits

if TYPE_CHECKING:
    from core.data.dataset import Problem

# So many classes of a split are named.
_NAMED = 5


def check_files(configs: Sequence[TrainingConfig]) -> tuple[Problem, ...]:
    """Check this process's limits, the weights file of every config, and list the data set's images undecoded.

    Args:
        configs: at least one config; all must have the same data set.

    Returns:
        The problems of the data set that do not prevent training.

    Raises:
        ConfigError: a weights file or a decisions file can't be used.
        DatasetError: the data set can't be read, or it has no training images, or no class in both splits.
        FerError: a limit of this process is too low for TensorFlow.
    """
    from core.data.splits import read_training_dataset

    check_limits()
    for config in configs:
        check_weights_file(config.weights)
    dataset = read_training_dataset(configs[0])
    trained, evaluated = (set(dataset.split(name)["label"]) for name in ("train", "validation"))
    if not trained & evaluated:
        raise DatasetError(
            "classes",
            f"{dataset.root}: no validation image has a class that train has (train: {_name_some(trained)}; "
            f"validation: {_name_some(evaluated)}); give the classes the same names in both splits, or rename them",
        )
    return dataset.problems


def _name_some(classes: Collection[str]) -> str:
    names = sorted(classes)
    return ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")
