"""Where the article's figures come from: its listing and its shuffle buffer alone, without a model or an image.

`benchmarks/published_figures.py` prints what this computes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.config.protocol import BATCH_SIZE, PUBLISHED, SHUFFLE_BUFFER
from core.data.encoding import FrequencyEncoding
from core.runs.run_audit import measure_batches

# The Kaggle set samaneheslamifar/facial-emotion-expressions, as the article counts it.
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
    """A figure over several seeds.

    Attributes:
        mean: its mean.
        deviation: its standard deviation from seed to seed.
    """

    mean: float
    deviation: float


def article_labels(split: str, counts: Mapping[str, Mapping[str, int]] = COUNTS) -> NDArray[np.str_]:
    """The label of every image of a split, in the order in which the article lists them."""
    classes = PUBLISHED.class_order(sorted(counts[split]), split) or []
    return np.repeat(classes, [counts[split][name] for name in classes])


def shuffled_with_buffer(images: int, buffer: int, seed: int) -> NDArray[np.int64]:
    """The rows in the order in which `tf.data.Dataset.shuffle(buffer)` lets them out.

    The buffer is filled with the first rows; then a random one of it leaves, and the next row takes its place.
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
    """The val_accuracy of a model that always answers `name`.

    Args:
        name: a class.
        divisor: what the steps are counted with: 64 for the article's Models 1 and 2, 128 for 3 and 4.
        seeds: how many orders of the buffer to go over.
    """
    labels = article_labels("validation")
    taken = PUBLISHED.validation_image_count(len(labels), BATCH_SIZE, divisor)
    shares = [
        (labels[shuffled_with_buffer(len(labels), SHUFFLE_BUFFER, seed)[:taken]] == name).mean()
        for seed in range(seeds)
    ]
    return Spread(float(np.mean(shares)), float(np.std(shares, ddof=1)))


def previous_class_accuracy(seeds: int = 20) -> Spread:
    """The "training accuracy" of who answers with the commonest class of the batch before, and sees no image."""
    scores = [measures["previous_class_accuracy"] for measures in _batches(seeds)]
    return Spread(float(np.mean(scores)), float(np.std(scores, ddof=1)))


def label_entropy(seeds: int = 20) -> tuple[Spread, Spread]:
    """The mean label entropy of a training batch, in bits: as the article draws them, and after a full shuffle."""
    measures = list(_batches(seeds))
    drawn, shuffled = ([measure[name] for measure in measures] for name in ("label_entropy", "shuffled_label_entropy"))
    return (
        Spread(float(np.mean(drawn)), float(np.std(drawn, ddof=1))),
        Spread(float(np.mean(shuffled)), float(np.std(shuffled, ddof=1))),
    )


def _batches(seeds: int) -> Iterator[dict[str, float]]:
    """The first epoch of Models 1 and 2, measured, seed after seed."""
    names = article_labels("train")
    labels = np.unique(names, return_inverse=True)[1]
    steps = PUBLISHED.steps_per_epoch(len(labels), BATCH_SIZE, BATCH_SIZE)
    for seed in range(seeds):
        order = shuffled_with_buffer(len(labels), SHUFFLE_BUFFER, seed)
        yield measure_batches(labels, np.split(order[: steps * BATCH_SIZE], steps))


def whole_split_accuracy(name: str) -> float:
    """What always answering `name` scores over the whole validation split."""
    counts = COUNTS["validation"]
    return counts[name] / sum(counts.values())


def frequency_order(split: str) -> list[str]:
    """The order of the outputs that the article's frequency encoding has when it is fitted on a split."""
    return FrequencyEncoding().fit(article_labels(split).tolist()).classes_.tolist()
