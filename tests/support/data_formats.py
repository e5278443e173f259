"""A small sample of each data set format, as its readers find it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

SIZE = 48


class Drawings:
    """Draws different grey images, always the same ones.

    Args:
        changed: whether the first pixel of the first image has another value.
    """

    def __init__(self, *, changed: bool = False) -> None:
        self._changed = changed
        self._count = 0

    def pixels(self) -> np.ndarray:
        drawn = np.random.default_rng(self._count).integers(0, 256, (SIZE, SIZE), dtype=np.uint8)
        if self._changed and not self._count:
            drawn[0, 0] ^= 255
        self._count += 1
        return drawn

    def image(self) -> Image.Image:
        return Image.fromarray(self.pixels())

    def save(self, *parts: Path | str) -> Path:
        path = Path(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.image().save(path)
        return path

    def png(self) -> bytes:
        content = BytesIO()
        self.image().save(content, "PNG")
        return content.getvalue()


def write_csv(path: Path, *rows: tuple[Any, ...]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return path


def folders(root: Path, draw: Drawings) -> Path:
    for split in ("train", "validation"):
        for name in ("happy", "sad"):
            for number in range(2):
                draw.save(root, split, name, f"{number}.png")
    return root


def fer2013(root: Path, draw: Drawings) -> Path:
    usages = ("Training", "PublicTest", "PrivateTest")
    rows = [(label, " ".join(map(str, draw.pixels().ravel())), usage) for usage in usages for label in (3, 4)]
    return write_csv(root / "fer2013.csv", ("emotion", "pixels", "Usage"), *rows).parent


def ferplus(root: Path, draw: Drawings) -> Path:
    for name in ("FER2013Train", "FER2013Test"):
        rows = []
        for number, votes in enumerate(((0, 6, 4), (0, 2, 0, 8))):
            draw.save(root, name, f"fer{number:07d}.png")
            rows.append((f"fer{number:07d}.png", "(0, 0, 48, 48)", *votes, *[0] * (10 - len(votes))))
        write_csv(root / name / "label.csv", *rows)
    return root


def manifest(root: Path, draw: Drawings) -> Path:
    for number in range(3):
        draw.save(root, "all", f"{number}.png")
    votes = json.dumps({"happy": 3, "sad": 1})
    return write_csv(
        root / "manifest.csv",
        ("path", "label", "split", "box", "group", "votes"),
        ("all/0.png", "happy", "train", "0,0,20,24", "anna", votes),
        ("all/0.png", "sad", "train", "20,0,48,24", "ben", ""),
        ("all/1.png", "sad", "validation", "", "anna", ""),
        ("all/2.png", "happy", "validation", "", "", votes),
    ).parent


def rafdb(root: Path, draw: Drawings) -> Path:
    lines = []
    for name, label in (("train_00001", 4), ("train_00002", 5), ("test_0001", 4), ("test_0002", 5)):
        draw.save(root, "basic", "Image", "aligned", f"{name}_aligned.jpg")
        lines.append(f"{name}.jpg {label}\n")
    (root / "basic" / "EmoLabel").mkdir()
    (root / "basic" / "EmoLabel" / "list_patition_label.txt").write_text("".join(lines))
    return root


def ckplus(root: Path, draw: Drawings) -> Path:
    for subject, sequence, label in (("S005", "001", 3), ("S010", "004", 5), ("S010", "006", None)):
        for frame in range(1, 7):
            name = f"{subject}_{sequence}_{frame:08d}"
            draw.save(root, "cohn-kanade-images", subject, sequence, f"{name}.png")
        if label is not None:
            folder = root / "Emotion" / subject / sequence
            folder.mkdir(parents=True)
            (folder / f"{subject}_{sequence}_00000006_emotion.txt").write_text(f"   {label:.7e}\n")
    return root


def kdef(root: Path, draw: Drawings) -> Path:
    for person in ("AF01", "AM02"):
        for code in ("AF", "AN", "HA"):
            for view in ("S", "HL"):
                draw.save(root, person, f"{person}{code}{view}.JPG")
    return root


def jaffe(root: Path, draw: Drawings) -> Path:
    for person in ("KA", "YM"):
        for number, code in enumerate(("AN", "FE", "HA"), start=1):
            draw.save(root, f"{person}.{code}1.{number}.tiff")
    return root


def parquet(root: Path, draw: Drawings, group_rows: int = 2) -> Path:
    import pyarrow as pa
    import pyarrow.parquet as pq

    features = {"image": {"_type": "Image"}, "label": {"names": ["sad", "happy"], "_type": "ClassLabel"}}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    (root / "data").mkdir(parents=True)
    for name in ("train-00000-of-00002", "train-00001-of-00002", "test-00000-of-00001"):
        rows = pa.array([{"bytes": draw.png(), "path": f"{number}.png"} for number in range(4)], kind)
        table = pa.table({"image": rows, "label": pa.array([0, 1, 1, 0], pa.int64())}).replace_schema_metadata(metadata)
        pq.write_table(table, root / "data" / f"{name}.parquet", row_group_size=group_rows)
    return root


# Each writes a sample into a new folder, and returns the path for the reader.
SAMPLES: Mapping[str, Callable[[Path, Drawings], Path]] = {
    "folders": folders,
    "fer2013": fer2013,
    "ferplus": ferplus,
    "manifest": manifest,
    "rafdb": rafdb,
    "ckplus": ckplus,
    "kdef": kdef,
    "jaffe": jaffe,
    "parquet": parquet,
}
# The formats that have votes.
WITH_VOTES = ("ferplus", "manifest")
COUNTS: Mapping[str, Mapping[str, Mapping[str, int]]] = {
    "folders": {"train": {"happy": 2, "sad": 2}, "validation": {"happy": 2, "sad": 2}},
    "fer2013": {"train": {"happy": 1, "sad": 1}, "validation": {"happy": 1, "sad": 1}, "test": {"happy": 1, "sad": 1}},
    "ferplus": {"train": {"happiness": 1, "sadness": 1}, "test": {"happiness": 1, "sadness": 1}},
    "manifest": {"train": {"happy": 1, "sad": 1}, "validation": {"happy": 1, "sad": 1}},
    "rafdb": {"train": {"happy": 1, "sad": 1}, "test": {"happy": 1, "sad": 1}},
    "ckplus": {"all": {"disgust": 3, "happy": 3, "neutral": 2}},
    "kdef": {"all": {"angry": 4, "fear": 4, "happy": 4}},
    "jaffe": {"all": {"angry": 2, "fear": 2, "happy": 2}},
    "parquet": {"train": {"happy": 4, "sad": 4}, "test": {"happy": 2, "sad": 2}},
}
