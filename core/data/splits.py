"""Which images train and which validate: splits that are held out, k-fold parts, and at most so many images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from core.config.setting_syntax import parse_fold
from core.config.training_config import TrainingConfig
from core.data.corrections import apply_decisions
from core.data.dataset import UNSPLIT, Dataset, Problem, find_one_split_classes
from core.data.images import DECODING
from core.data.readers.reader_factory import read_dataset
from core.errors import DatasetError

if TYPE_CHECKING:
    import pandas as pd


# One split for every seed, so that runs with different seeds are measured on the same images.
_HOLD_OUT_SEED = 0


def with_validation_split(dataset: Dataset, validation_share: float) -> Dataset:
    """The data set with a train and a validation split, one held out of the other where it has to be.

    The held-out images are drawn evenly from every class, the same ones at every call, and the user is told
    by a problem of kind `held_out`.

    Raises:
        DatasetError: there is nothing to train on, fewer than two classes, or too few images to hold any out.
    """
    frame = dataset.frame.assign(split=dataset.frame["split"].replace(UNSPLIT, "train"))
    train = frame[frame["split"] == "train"]
    if train.empty:
        raise DatasetError(f"{dataset.root}: no training images; expected {dataset.root}/train/<class>/*.jpg")
    if train["label"].nunique() < 2:
        raise DatasetError(
            f"{dataset.root}: one class only ('{train['label'].iloc[0]}') in train; training needs two or more"
        )
    if (frame["split"] == "validation").any():
        return replace(dataset, frame=frame)
    held_out: list[int] = []
    for rows in _shuffle_by_class(train):
        # A class of one image stays in train: without it the class could not be learnt at all.
        held_out += rows[: min(max(round(len(rows) * validation_share), 1), len(rows) - 1)]
    if not held_out:
        raise DatasetError(f"{dataset.root}: too few images to hold a validation split out of train")
    frame.loc[held_out, "split"] = "validation"
    note = Problem(
        "held_out",
        f"no validation split: {len(held_out):,} of {len(train):,} training images are held out for it, "
        "evenly by class",
    )
    split_dataset = replace(dataset, frame=frame)
    return replace(split_dataset, problems=(*dataset.problems, note, *find_one_split_classes(split_dataset)))


def _shuffle_by_class(train: pd.DataFrame) -> Iterator[list[int]]:
    """The rows of every class by their index, in an order that is the same at every call."""
    rng = np.random.default_rng(_HOLD_OUT_SEED)
    for _, rows in train.groupby("label", sort=True):
        yield rng.permutation(rows.index.to_numpy()).tolist()


def k_fold_split(dataset: Dataset, fold: int, folds: int) -> Dataset:
    """One of several parts of train as validation, the others as train; what else the data set has is left out.

    Every training image is in one part, a class's images evenly in all of them.

    Args:
        dataset: as it was read.
        fold: which part, counted from 1.
        folds: how many there are.

    Raises:
        DatasetError: there is nothing to train on, fewer than two classes, or too few images.
    """
    frame = dataset.frame.assign(split=dataset.frame["split"].replace(UNSPLIT, "train"))
    train = frame[frame["split"] == "train"].reset_index(drop=True)
    held_out = [row for rows in _shuffle_by_class(train) for row in rows[fold - 1 :: folds]]
    train.loc[held_out, "split"] = "validation"
    note = Problem("held_out", f"part {fold} of {folds}: {len(held_out):,} of {len(train):,} training images")
    return with_validation_split(replace(dataset, frame=train, problems=(*dataset.problems, note)), 0.5)


def stratified_subsample(frame: pd.DataFrame, limit: int | None, seed: int) -> pd.DataFrame:
    """At most `limit` rows, drawn evenly: every class keeps its share, and at least one image."""
    if limit is None or limit >= len(frame):
        return frame
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(frame))
    rank = frame.iloc[order].groupby("label").cumcount()
    share = rank / frame.groupby("label")["path"].transform("size").iloc[order]
    chosen = share.sort_values(kind="stable").index[: max(limit, frame["label"].nunique())]
    return frame.loc[sorted(chosen)].reset_index(drop=True)


def read_training_dataset(config: TrainingConfig, decoding: int = DECODING) -> Dataset:
    """The data set of a config, with a train and a validation split.

    Raises:
        ConfigError: a file of decisions can't be used.
        DatasetError: the data set can't be read, or there is nothing to train on.
    """
    settings = config.model_dump()
    dataset = read_dataset(
        config.data, format=config.format, votes=config.votes, classes=config.classes, decoding=decoding
    )
    return apply_splits(apply_corrections(dataset, settings), settings)


def apply_corrections(dataset: Dataset, settings: Mapping[str, Any]) -> Dataset:
    """A data set as the decisions leave it that a run's settings name."""
    exclude, relabel = (Path(file) if (file := settings.get(name)) else None for name in ("exclude", "relabel"))
    return apply_decisions(dataset, exclude, relabel)


def apply_splits(dataset: Dataset, settings: Mapping[str, Any]) -> Dataset:
    """A corrected data set with the splits that a run's settings ask for."""
    if settings.get("fold"):
        return k_fold_split(dataset, *parse_fold(settings["fold"]))
    return with_validation_split(dataset, settings["validation_share"])
