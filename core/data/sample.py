"""Some images of a data set, to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.data.images import ImageError

if TYPE_CHECKING:
    from PIL import Image

    from core.data.dataset import Dataset


def sample_images(dataset: Dataset, number: int, label: str | None, seed: int) -> list[tuple[str, Image.Image]]:
    """Up to so many images at random, the classes in turn, each with its class; what can't be read is left out.

    Args:
        dataset: where they come from.
        number: how many are wanted; no more than twice as many are looked at.
        label: the one class that is wanted, None for all.
        draw: the seed; another one gives other images.
    """
    frame = dataset.frame if label is None else dataset.frame[dataset.frame["label"] == label]
    # Each image's place in its class at random: sorted by it the classes take turns.
    mixed = frame.sample(frac=1, random_state=seed)
    mixed = mixed.assign(turn=mixed.groupby("label").cumcount()).sort_values(["turn", "label"], kind="stable")
    found: list[tuple[str, Image.Image]] = []
    for path, name in zip(mixed["path"].head(2 * number), mixed["label"].head(2 * number), strict=True):
        try:
            found.append((str(name), dataset.image(path)))
        except ImageError:
            continue
        if len(found) == number:
            break
    return found
