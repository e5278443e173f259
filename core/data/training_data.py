"""What a run trains and validates on: decoded, in the protocol's order, encoded."""

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
from core.errors import DatasetError


@dataclass(frozen=True)
class TrainingData:
    """Everything decoded and encoded that a run trains and validates on.

    Attributes:
        dataset: with train and validation splits.
        fingerprint: of the whole data set.
        train: what is trained on, in the order of listing.
        validation: the whole validation split, in the order of listing.
        encoding: fitted on train.
        validation_classes: the order of the classes in the targets that val_* figures are taken over; another than
            `classes` where the published protocol fits its frequency encoding on validation again.
        decoding: version of the image decoder.
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
        """What reading and decoding met."""
        return (*self.dataset.problems, *self.train.problems, *self.validation.problems)

    @property
    def classes(self) -> list[str]:
        """Class names in the order of the model's outputs."""
        return self.encoding.classes_.tolist()

    def targets(self, pixels: Pixels) -> np.ndarray:
        """One-hot targets, shape (images, classes)."""
        return self.encoding.transform(pixels.frame["label"].tolist())

    def validation_targets(self) -> np.ndarray:
        """One-hot targets for val_* figures, shape (images, classes)."""
        rows = [self.validation_classes.index(label) for label in self.validation.frame["label"]]
        return np.eye(len(self.validation_classes), dtype=np.float32)[rows]


def load_training_data(config: TrainingConfig, stop: threading.Event, decoding: int = DECODING) -> TrainingData | None:
    """Read, decode and encode what a config trains on; None where a stop cut it short.

    Raises:
        DatasetError: it can't be read, or there is nothing to train or validate on.
    """
    dataset = read_training_dataset(config, decoding)
    # An image is read once: decoding it leaves its hash for the fingerprint.
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
        # What is decoded so far is a part, and must not be judged as the whole.
        return None
    encoding = ENCODINGS[config.encoding]().fit(train.frame["label"].tolist())
    if len(encoding.classes_) < 2:
        raise DatasetError(
            f"{config.data}: only '{encoding.classes_[0]}' has training images that can be read; 'fer-tui data check' "
            "names the others"
        )
    # An image of a class without a training image has no output to be compared with.
    known = frames["validation"]["label"].isin(encoding.classes_.tolist())
    frames["validation"] = frames["validation"][known].reset_index(drop=True)
    if not known.any():
        raise DatasetError(f"{config.data}: no validation image has a class that train has")
    validation = load("validation")
    if stop.is_set():
        return None
    if config.control == "noise":
        train, validation = _replace_with_noise(train, config), _replace_with_noise(validation, config)
    validation_classes = _validation_order(config, encoding, validation)
    return TrainingData(dataset, fingerprint(dataset), train, validation, encoding, validation_classes, decoding)


def _validation_order(config: TrainingConfig, encoding: Encoding, validation: Pixels) -> list[str]:
    """The classes in the order of the validation targets.

    The article fits its frequency encoding anew on validation: there a class may have another rank, and with it
    another output. A class that validation lacks has the lowest rank.
    """
    trained = encoding.classes_.tolist()
    if not PROTOCOLS[config.protocol].refits_encoding or config.encoding != "frequency":
        return trained
    refitted = ENCODINGS["frequency"]().fit(validation.frame["label"].tolist()).classes_.tolist()
    return [name for name in sorted(trained) if name not in refitted] + refitted


def _replace_with_noise(pixels: Pixels, config: TrainingConfig) -> Pixels:
    """The same rows with uniform noise for their images: each a function of the seed and of the image's path."""
    store = PixelStore(len(pixels.frame), pixels.shape, config.image_memory)
    for path in pixels.frame["path"]:
        drawn = np.random.default_rng([config.seed, zlib.crc32(path.encode(errors="surrogateescape"))])
        store.append(drawn.integers(0, 256, store.shape, dtype=np.uint8))
    return Pixels(store.values(), pixels.frame, pixels.problems)


def class_weights(kind: str, targets: np.ndarray) -> np.ndarray | None:
    """Weight of each class in the loss, shape (classes,), or None for equal ones.

    Args:
        kind: none; balanced, n / (classes x count), scikit-learn's; sqrt_balanced, the square root of that;
            max_over_count, largest count / count.
        targets: one-hot, shape (images, classes).
    """
    counts = np.maximum(targets.sum(axis=0), 1)
    if kind == "none":
        return None
    balanced = counts.sum() / (len(counts) * counts)
    weights = {"balanced": balanced, "sqrt_balanced": np.sqrt(balanced), "max_over_count": counts.max() / counts}
    return weights[kind].astype(np.float32)
