"""The training and validation splits: held-out validation, k-fold splits and stratified subsamples."""

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


# The split does not depend on the run's seed, so that runs with different seeds validate on the same images.
_HOLD_OUT_SEED = 0


def with_validation_split(dataset: Dataset, validation_share: float) -> Dataset:
    """Return the data set with a train and a validation split. Hold validation out of train if it is missing.

    The held-out images are stratified by class, and the same at every call. A problem of kind `held_out` informs the
    user.

    Raises:
        DatasetError: train has no images, fewer than two classes, or too few images to hold any out.
    """
    frame = dataset.frame.assign(split=dataset.frame["split"].replace(UNSPLIT, "train"))
    train = frame[frame["split"] == "train"]
    if train.empty:
        raise DatasetError(f"{dataset.root}: no training images; expected {dataset.root}/train/<class>/*.jpg")
    if train["label"].nunique() < 2:
        raise DatasetError(
            f"{dataset.root}: only one class ('{train['label'].iloc[0]}') in train; training needs two or more, "
            "each in a folder of its name"
        )
    if (frame["split"] == "validation").any():
        return replace(dataset, frame=frame)
    held_out: list[int] = []
    for rows in _shuffle_by_class(train):
        # The only image of a class stays in train, because the model could not learn the class without it.
        held_out += rows[: min(max(round(len(rows) * validation_share), 1), len(rows) - 1)]
    if not held_out:
        raise DatasetError(
            f"{dataset.root}: too few images to hold a validation split out of train; add a second image of a class"
        )
    frame.loc[held_out, "split"] = "validation"
    note = Problem(
        "held_out",
        f"no validation split: {len(held_out):,} of {len(train):,} training images are held out for validation, "
        "stratified by class",
    )
    split_dataset = replace(dataset, frame=frame)
    return replace(split_dataset, problems=(*dataset.problems, note, *find_one_split_classes(split_dataset)))


def _shuffle_by_class(train: pd.DataFrame) -> Iterator[list[int]]:
    """Yield each class's row indices, shuffled in the same order at every call."""
    rng = np.random.default_rng(_HOLD_OUT_SEED)
    for _, rows in train.groupby("label", sort=True):
        yield rng.permutation(rows.index.to_numpy()).tolist()


def k_fold_split(dataset: Dataset, fold: int, folds: int) -> Dataset:
    """Return the data set with one fold of train as validation and the other folds as train, without other splits.

    Each training image is in exactly one fold. The folds are stratified by class.

    Args:
        dataset: the data set.
        fold: the number of the validation fold, from 1.
        folds: the number of folds.

    Raises:
        DatasetError: train has no images, fewer than two classes, or too few images.
    """
    frame = dataset.frame.assign(split=dataset.frame["split"].replace(UNSPLIT, "train"))
    train = frame[frame["split"] == "train"].reset_index(drop=True)
    held_out = [row for rows in _shuffle_by_class(train) for row in rows[fold - 1 :: folds]]
    train.loc[held_out, "split"] = "validation"
    note = Problem(
        "held_out", f"fold {fold} of {folds}: validates on {len(held_out):,} of {len(train):,} training images"
    )
    return with_validation_split(replace(dataset, frame=train, problems=(*dataset.problems, note)), 0.5)


def stratified_subsample(frame: pd.DataFrame, limit: int | None, seed: int) -> pd.DataFrame:
    """Draw at most `limit` rows, stratified by class, with at least one row per class."""
    if limit is None or limit >= len(frame):
        return frame
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(frame))
    rank = frame.iloc[order].groupby("label").cumcount()
    share = rank / frame.groupby("label")["path"].transform("size").iloc[order]
    chosen = share.sort_values(kind="stable").index[: max(limit, frame["label"].nunique())]
    return frame.loc[sorted(chosen)].reset_index(drop=True)


def read_training_dataset(config: TrainingConfig, decoding: int = DECODING) -> Dataset:
    """Read a config's data set, with its corrections, and with a train and a validation split.

    Raises:
        ConfigError: a decisions file is invalid.
        DatasetError: the data set can't be read, or has no usable training images.
    """
    settings = config.model_dump()
    dataset = read_dataset(
        config.data, format=config.format, votes=config.votes, classes=config.classes, decoding=decoding
    )
    return apply_splits(apply_corrections(dataset, settings), settings)


def apply_corrections(dataset: Dataset, settings: Mapping[str, Any]) -> Dataset:
    """Apply the decisions files of a run's settings, `exclude` and `relabel`, to a data set."""
    exclude, relabel = (Path(file) if (file := settings.get(name)) else None for name in ("exclude", "relabel"))
    return apply_decisions(dataset, exclude, relabel)


def apply_splits(dataset: Dataset, settings: Mapping[str, Any]) -> Dataset:
    """Return a corrected data set with the splits of a run's settings, `fold` and `validation_share`."""
    if settings.get("fold"):
        return k_fold_split(dataset, *parse_fold(settings["fold"]))
    return with_validation_split(dataset, settings["validation_share"])
