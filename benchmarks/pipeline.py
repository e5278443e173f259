"""Compare the images per second of fer-tui's pipeline and the article's: `python benchmarks/pipeline.py DATA`.

The article decodes every file in every epoch, shuffles with a buffer of 1,000, and resizes and augments with Keras's
layers. Here its pipeline also has parallel maps and prefetching, so that only the design makes the difference. Both
use the same images, sizes and augmentation policy (basic). They are measured in turns from the second epoch on. It
takes about four minutes on 28,709 faces.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from core.config.protocol import SHUFFLE_BUFFER
from core.config.training_config import TrainingConfig, resolve
from core.data.dataset import Dataset
from core.data.encoding import LabelEncoding
from core.data.pipeline import training_stream
from core.data.pixels import load_pixels
from core.data.readers.reader_factory import read_dataset

ROUNDS = 3


def article(dataset: Dataset, targets: np.ndarray, config: TrainingConfig) -> tf.data.Dataset:
    """Return the article's pipeline, repeated without end."""
    layers = tf.keras.layers
    resize = layers.Resizing(config.image_size, config.image_size)
    augment = tf.keras.Sequential(
        [layers.RandomFlip("horizontal"), layers.RandomRotation(0.1), layers.RandomZoom((-0.1, -0.05))]
    )
    paths = [str(dataset.root / path) for path in dataset.split("train")["path"]]

    def load(path: Any, target: Any) -> tuple[Any, Any]:
        return tf.io.decode_jpeg(tf.io.read_file(path), channels=config.channels), target

    data = tf.data.Dataset.from_tensor_slices((paths, targets)).shuffle(SHUFFLE_BUFFER)
    data = data.map(load, num_parallel_calls=tf.data.AUTOTUNE).batch(config.batch_size)
    data = data.map(lambda x, y: (resize(x), y), num_parallel_calls=tf.data.AUTOTUNE)
    data = data.map(lambda x, y: (augment(x, training=True), y), num_parallel_calls=tf.data.AUTOTUNE)
    return data.prefetch(tf.data.AUTOTUNE).repeat()


def rate(iterator: Any, images: int, batch: int) -> float:
    """Return the images per second over one epoch."""
    steps = images // batch
    started = time.perf_counter()
    for _ in range(steps):
        next(iterator)
    return steps * batch / (time.perf_counter() - started)


def main(root: Path) -> None:
    """Print one row per image size: both rates (median over the rounds) and their ratio."""
    dataset = read_dataset(root)
    train = dataset.split("train")
    targets = LabelEncoding().fit(train["label"].tolist()).transform(train["label"].tolist())
    print(f"{len(train):,} images, batch 64, policy basic, {os.cpu_count()} cores; median of {ROUNDS} epochs each")
    print("size    fer-tui, images/s         article   ratio")
    for size, channels in ((96, 3), (48, 1)):
        config = resolve({"data": root, "model": "model2", "image_size": size, "channels": channels})
        pixels = load_pixels(dataset, train, size, channels)
        sides = {
            "ours": iter(training_stream(pixels.values, targets, config)),
            "article": iter(article(dataset, targets, config)),
        }
        rates: dict[str, list[float]] = {name: [] for name in sides}
        for round_number in range(ROUNDS + 1):
            for name, iterator in sides.items():
                found = rate(iterator, len(train), config.batch_size)
                if round_number > 0:
                    rates[name].append(found)
        ours, theirs = (float(np.median(rates[name])) for name in sides)
        print(f"{size}x{size}x{channels}  {ours:15,.0f} {theirs:15,.0f}   {ours / theirs:5.2f}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python benchmarks/pipeline.py DATA    (such as ../shared/data, unpacked)")
    main(Path(sys.argv[1]))
