"""Which images a config trains and validates on: the data set as it is read, corrected, and divided."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core.config import TrainingConfig, part_of
from core.corrections import corrected
from core.dataset import Dataset, folded, for_training, read_dataset


def training_set(config: TrainingConfig) -> Dataset:
    """The data set of a config, with a train and a validation split.

    Raises:
        ConfigError: a file of decisions can't be used.
        DatasetError: the data set can't be read, or there is nothing to train on.
    """
    settings = config.model_dump()
    return divided(correct(read_dataset(config.data), settings), settings)


def correct(dataset: Dataset, settings: Mapping[str, Any]) -> Dataset:
    """A data set as the decisions leave it that a run's settings name."""
    exclude, relabel = (Path(file) if (file := settings.get(name)) else None for name in ("exclude", "relabel"))
    return corrected(dataset, exclude, relabel)


def divided(dataset: Dataset, settings: Mapping[str, Any]) -> Dataset:
    """A corrected data set with the splits that a run's settings ask for."""
    if settings.get("fold"):
        return folded(dataset, *part_of(settings["fold"]))
    return for_training(dataset, settings["validation_share"])
