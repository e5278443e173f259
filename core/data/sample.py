"""Random images of a data set, for display."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.data.images import ImageError

if TYPE_CHECKING:
    from PIL import Image

    from core.data.dataset import Dataset


def sample_images(dataset: Dataset, number: int, label: str | None, seed: int) -> list[tuple[str, Image.Image]]:
    """Return random images with their classes, in an order that alternates between the classes.

    Args:
        dataset: the data set.
        number: the maximum number of images. At most twice as many are read; images that can't be read are skipped.
        label: the class of the images; None for all classes.
        seed: the seed of the random choice.
    """
    frame = dataset.frame if label is None else dataset.frame[dataset.frame["label"] == label]
    # Number the shuffled images of each class, and sort by that number, so that the classes alternate.
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
