"""A run's training and validation data: decoded, in the protocol's order, with encoded labels."""

from __future__ import annotations

import threading
import zlib
from dataclasses import dataclass, replace

import numpy as np

from core.config.protocol import PROTOCOLS
from core.config.training_config import TrainingConfig
from core.data.dataset import Dataset, HashedSource, Problem, fingerprint
from core.data.encoding import ENCODINGS, Encoding
from core.data.images import DECODING
from core.data.pixels import Pixels, PixelStore, load_pixels
from core.data.splits import read_training_dataset, stratified_subsample
from core.data.votes import soft_targets
from core.errors import DatasetError


@dataclass(frozen=True)
class TrainingData:
    """A run's decoded and encoded training and validation data.

    Attributes:
        dataset: the data set, with train and validation splits.
        fingerprint: the fingerprint of the whole data set.
        train: the training images, in the protocol's order.
        validation: the images of the whole validation split, in the protocol's order.
        encoding: the encoding, fitted on train.
        validation_classes: the order of the classes in the targets for val_* metrics. It differs from `classes` only
            if the published protocol fits its frequency encoding on validation again.
        decoding: the version of the image decoder.
    """

    dataset: Dataset
    fingerprint: str
    train: Pixels
    validation: Pixels
    encoding: Encoding
    validation_classes: list[str]
    decoding: int = DECODING

    @property
    def problems(self) -> tuple[Problem, ...]:
        """The problems of reading and decoding."""
        return (*self.dataset.problems, *self.train.problems, *self.validation.problems)

    @property
    def classes(self) -> list[str]:
        """The class names in the order of the model's outputs."""
        return self.encoding.classes_.tolist()

    def targets(self, pixels: Pixels) -> np.ndarray:
        """Return the targets of the loss, shape (images, classes): one-hot, or the shares of the votes (soft)."""
        frame, labels = pixels.frame, pixels.frame["label"].tolist()
        if "votes" not in frame:
            return self.encoding.transform(labels)
        return soft_targets(frame["votes"].tolist(), self.dataset.classes, labels, self.classes)

    def validation_targets(self) -> np.ndarray:
        """Return one-hot targets for val_* metrics, shape (images, classes)."""
        rows = [self.validation_classes.index(label) for label in self.validation.frame["label"]]
        return np.eye(len(self.validation_classes), dtype=np.float32)[rows]


def load_training_data(config: TrainingConfig, stop: threading.Event, decoding: int = DECODING) -> TrainingData | None:
    """Read, decode and encode a config's data. Return None if `stop` was set before the end.

    Raises:
        DatasetError: the data set can't be read, or has no usable training or validation images.
    """
    dataset = read_training_dataset(config, decoding)
    # HashedSource stores the hashes for the fingerprint while decoding, so that each image is read only once.
    dataset = replace(dataset, source=HashedSource(dataset.source))
    frames = {
        "train": stratified_subsample(dataset.split("train"), config.limit, config.seed),
        "validation": dataset.split("validation"),
    }
    for split, frame in frames.items():
        listed = PROTOCOLS[config.protocol].class_order(dataset.classes, split)
        if listed is not None:
            order = {name: i for i, name in enumerate(listed)}
            frames[split] = frame.iloc[np.argsort([order[name] for name in frame["label"]], kind="stable")]

    def load(split: str) -> Pixels:
        return load_pixels(dataset, frames[split], config.image_size, config.channels, stop.is_set, config.image_memory)

    train = load("train")
    if stop.is_set():
        # `train` is incomplete here, and the checks below need all images.
        return None
    encoding = ENCODINGS[config.encoding]().fit(train.frame["label"].tolist())
    if len(encoding.classes_) < 2:
        raise DatasetError(
            f"{config.data}: only '{encoding.classes_[0]}' has training images that can be read; 'fer-tui data check' "
            "lists the others"
        )
    # The model has no output for a class without training images.
    known = frames["validation"]["label"].isin(encoding.classes_.tolist())
    frames["validation"] = frames["validation"][known].reset_index(drop=True)
    if not known.any():
        raise DatasetError(
            f"{config.data}: no validation image has a class that train has; give the classes the "
            "same names in both splits"
        )
    validation = load("validation")
    if stop.is_set():
        return None
    if config.control == "noise":
        train, validation = _replace_with_noise(train, config), _replace_with_noise(validation, config)
    validation_classes = _validation_order(config, encoding, validation)
    return TrainingData(dataset, fingerprint(dataset), train, validation, encoding, validation_classes, decoding)


def _validation_order(config: TrainingConfig, encoding: Encoding, validation: Pixels) -> list[str]:
    """Return the classes in the order of the validation targets.

    The article fits its frequency encoding again on validation. A class may have another rank there, and so another
    output. A class that validation lacks has the lowest rank.
    """
    trained = encoding.classes_.tolist()
    if not PROTOCOLS[config.protocol].refits_encoding or config.encoding != "frequency":
        return trained
    refitted = ENCODINGS["frequency"]().fit(validation.frame["label"].tolist()).classes_.tolist()
    return [name for name in sorted(trained) if name not in refitted] + refitted


def _replace_with_noise(pixels: Pixels, config: TrainingConfig) -> Pixels:
    """Replace each image with uniform noise, which depends only on the seed and the image's path."""
    store = PixelStore(len(pixels.frame), pixels.shape, config.image_memory)
    for path in pixels.frame["path"]:
        drawn = np.random.default_rng([config.seed, zlib.crc32(path.encode(errors="surrogateescape"))])
        store.append(drawn.integers(0, 256, store.shape, dtype=np.uint8))
    return Pixels(store.values(), pixels.frame, pixels.problems)


def class_weights(kind: str, targets: np.ndarray) -> np.ndarray | None:
    """Return the weight of each class in the loss, shape (classes,), or None for equal weights.

    Args:
        kind: none; balanced: n / (classes x count), as in scikit-learn; sqrt_balanced: the square root of balanced;
            max_over_count: largest count / count.
        targets: one-hot or shares, shape (images, classes).
    """
    counts = np.maximum(targets.sum(axis=0), 1)
    if kind == "none":
        return None
    balanced = counts.sum() / (len(counts) * counts)
    weights = {"balanced": balanced, "sqrt_balanced": np.sqrt(balanced), "max_over_count": counts.max() / counts}
    return weights[kind].astype(np.float32)
