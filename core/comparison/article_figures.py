"""Reproduce the article's results from its file listing and its shuffle buffer, without a model or images.

`benchmarks/published_figures.py` prints the results.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.config.protocol import BATCH_SIZE, PUBLISHED, SHUFFLE_BUFFER
from core.data.encoding import FrequencyEncoding
from core.runs.run_audit import measure_batches

# Images of the Kaggle data set samaneheslamifar/facial-emotion-expressions, as counted in the article.
COUNTS: Mapping[str, Mapping[str, int]] = {
    "train": {
        "angry": 3993,
        "disgust": 436,
        "fear": 4103,
        "happy": 7172,
        "neutral": 4982,
        "sad": 4938,
        "surprise": 3205,
    },
    "validation": {
        "angry": 960,
        "disgust": 111,
        "fear": 1018,
        "happy": 1825,
        "neutral": 1216,
        "sad": 1139,
        "surprise": 797,
    },
}


@dataclass(frozen=True)
class Spread:
    """The distribution of a figure over several seeds.

    Attributes:
        mean: the mean over the seeds.
        deviation: the sample standard deviation over the seeds.
    """

    mean: float
    deviation: float


def article_labels(split: str, counts: Mapping[str, Mapping[str, int]] = COUNTS) -> NDArray[np.str_]:
    """Return the label of every image of a split, in the article's file order."""
    classes = PUBLISHED.class_order(sorted(counts[split]), split) or []
    return np.repeat(classes, [counts[split][name] for name in classes])


def shuffled_with_buffer(images: int, buffer: int, seed: int) -> NDArray[np.int64]:
    """Return the row indices in an order that `tf.data.Dataset.shuffle(buffer)` could produce.

    The buffer is filled with the first rows. Each step returns a random row of the buffer and puts the next row in its
    place.

    Args:
        images: the number of rows.
        buffer: the size of the buffer.
        seed: the seed of the random choices.
    """
    held = list(range(min(buffer, images)))
    draws = np.random.default_rng(seed).random(images)
    order = np.empty(images, np.int64)
    for position, draw in enumerate(draws):
        chosen = int(draw * len(held))
        order[position] = held[chosen]
        following = position + buffer
        if following < images:
            held[chosen] = following
        else:
            held[chosen] = held[-1]
            held.pop()
    return order


def constant_answer(name: str, divisor: int, seeds: int = 200) -> Spread:
    """Compute the val_accuracy of a model that always predicts one class.

    Args:
        name: the class.
        divisor: the batch size that the article divides by to count steps: 64 for Models 1 and 2, 128 for 3 and 4.
        seeds: the number of shuffle seeds.
    """
    labels = article_labels("validation")
    taken = PUBLISHED.validation_image_count(len(labels), BATCH_SIZE, divisor)
    shares = [
        (labels[shuffled_with_buffer(len(labels), SHUFFLE_BUFFER, seed)[:taken]] == name).mean()
        for seed in range(seeds)
    ]
    return Spread(float(np.mean(shares)), float(np.std(shares, ddof=1)))


def previous_class_accuracy(seeds: int = 20) -> Spread:
    """Compute the training accuracy of always predicting the previous batch's most common class."""
    scores = [measures["previous_class_accuracy"] for measures in _batches(seeds)]
    return Spread(float(np.mean(scores)), float(np.std(scores, ddof=1)))


def label_entropy(seeds: int = 20) -> tuple[Spread, Spread]:
    """Compute the mean label entropy (bits) of the article's training batches, as drawn and after a full shuffle."""
    measures = list(_batches(seeds))
    drawn, shuffled = ([measure[name] for measure in measures] for name in ("label_entropy", "shuffled_label_entropy"))
    return (
        Spread(float(np.mean(drawn)), float(np.std(drawn, ddof=1))),
        Spread(float(np.mean(shuffled)), float(np.std(shuffled, ddof=1))),
    )


def _batches(seeds: int) -> Iterator[dict[str, float]]:
    """Yield the measures of the first epoch of Models 1 and 2 for each seed; see `measure_batches`."""
    names = article_labels("train")
    labels = np.unique(names, return_inverse=True)[1]
    steps = PUBLISHED.steps_per_epoch(len(labels), BATCH_SIZE, BATCH_SIZE)
    for seed in range(seeds):
        order = shuffled_with_buffer(len(labels), SHUFFLE_BUFFER, seed)
        yield measure_batches(labels, np.split(order[: steps * BATCH_SIZE], steps))


def whole_split_accuracy(name: str) -> float:
    """Return the accuracy of always predicting a class over the whole validation split."""
    counts = COUNTS["validation"]
    return counts[name] / sum(counts.values())


def frequency_order(split: str) -> list[str]:
    """Return the order of the outputs when the article's frequency encoding is fitted on a split."""
    return FrequencyEncoding().fit(article_labels(split).tolist()).classes_.tolist()
