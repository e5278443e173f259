"""FER2013 and FER+ as files, with drawn pixels and votes whose labels are worked out by hand."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

USAGES = {"train": "Training", "validation": "PublicTest", "test": "PrivateTest"}
VOTE_COLUMNS = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "NF"]


@dataclass(frozen=True)
class Case:
    """Ten votes and what the rules make of them.

    Attributes:
        votes: in the order of VOTE_COLUMNS.
        majority: the class, or the reason why there is none: disagree, unknown or NF.
        soft: the shares of the votes by class, or the reason.
    """

    votes: Sequence[int]
    majority: str
    soft: dict[str, float] | str


CASES = (
    Case((10, 0, 0, 0, 0, 0, 0, 0, 0, 0), "neutral", {"neutral": 1.0}),
    Case((0, 6, 4, 0, 0, 0, 0, 0, 0, 0), "happiness", {"happiness": 0.6, "surprise": 0.4}),
    # Half of the votes is no majority. Of equal shares, the label is the first in FER+'s order.
    Case((0, 0, 0, 5, 5, 0, 0, 0, 0, 0), "disagree", {"sadness": 0.5, "anger": 0.5}),
    Case((4, 0, 0, 3, 3, 0, 0, 0, 0, 0), "disagree", {"neutral": 0.4, "sadness": 0.3, "anger": 0.3}),
    # Single votes don't count: 9 of 9, and 5 of 9, which is more than half.
    Case((1, 9, 0, 0, 0, 0, 0, 0, 0, 0), "happiness", {"happiness": 1.0}),
    Case((1, 5, 4, 0, 0, 0, 0, 0, 0, 0), "happiness", {"happiness": 5 / 9, "surprise": 4 / 9}),
    Case((0, 0, 0, 0, 0, 0, 0, 0, 8, 2), "unknown", "unknown"),
    Case((0, 0, 0, 0, 0, 0, 0, 0, 0, 10), "NF", "NF"),
    # Unknown is dropped where it is not the first; what is left must be more than half.
    Case((0, 5, 0, 0, 0, 0, 0, 0, 5, 0), "disagree", "disagree"),
    Case((0, 6, 0, 0, 0, 0, 0, 0, 4, 0), "happiness", {"happiness": 1.0}),
    # Three quarters of the votes are enough: the 2 of disgust are not taken.
    Case((0, 0, 0, 0, 8, 2, 0, 0, 0, 0), "anger", {"anger": 1.0}),
    # More than three classes, and only outliers.
    Case((2, 2, 2, 2, 2, 0, 0, 0, 0, 0), "disagree", "disagree"),
    Case((1, 1, 1, 1, 1, 1, 1, 1, 1, 1), "disagree", "disagree"),
    Case((0, 0, 0, 0, 0, 0, 0, 10, 0, 0), "contempt", {"contempt": 1.0}),
)
# By hand, of the cases above.
MAJORITY_COUNTS = {"anger": 1, "contempt": 1, "happiness": 4, "neutral": 1}
SOFT_COUNTS = {"anger": 1, "contempt": 1, "happiness": 4, "neutral": 2, "sadness": 1}


def draw(number: int, size: int = 48) -> np.ndarray:
    """Return the pixels of an image, uint8, different for each number."""
    return np.random.default_rng(number).integers(0, 256, (size, size), dtype=np.uint8)


def pixel_text(number: int, size: int = 48) -> str:
    """Return the pixels of an image as fer2013.csv has them."""
    return " ".join(map(str, draw(number, size).ravel()))


def write_csv(path: Path, header: Sequence[str] | None, rows: Iterable[Sequence[Any]], **form: Any) -> Path:
    """Write a CSV file with Python's csv module; `form` are its parameters."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, **form)
        writer.writerows([header, *rows] if header else rows)
    return path


def write_ferplus(folder: Path, splits: Sequence[str] = ("train",), images: str = "fer2013.csv") -> Path:
    """Write the images of every case in every split, all labelled fear, and fer2013new.csv beside them."""
    cases = [(split, case) for split in splits for case in CASES]
    write_csv(
        folder / images,
        ["emotion", "pixels", "Usage"],
        [(2, pixel_text(number), USAGES[split]) for number, (split, _) in enumerate(cases)],
    )
    write_csv(
        folder / "fer2013new.csv",
        ["Usage", "Image name", *VOTE_COLUMNS],
        [
            (USAGES[split], "" if case.majority == "NF" else f"fer{number:07d}.png", *case.votes)
            for number, (split, case) in enumerate(cases)
        ],
    )
    return folder


def write_ferplus_folders(folder: Path, splits: Sequence[str] = ("train",), box: Sequence[str] = ()) -> Path:
    """Write the same images as Microsoft's generator lays them out; older versions of it write a box."""
    names = {"train": "FER2013Train", "validation": "FER2013Valid", "test": "FER2013Test"}
    number = 0
    for split in splits:
        rows = []
        for case in CASES:
            name = f"fer{number:07d}.png"
            (folder / names[split]).mkdir(parents=True, exist_ok=True)
            if case.majority != "NF":
                Image.fromarray(draw(number)).save(folder / names[split] / name)
                rows.append((name, *box, *case.votes))
            number += 1
        write_csv(folder / names[split] / "label.csv", None, rows)
    return folder
