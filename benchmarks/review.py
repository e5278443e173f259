"""Test the label review on drawn faces with swapped labels: `python benchmarks/review.py [PER_CLASS] [SHARE]`.

SHARE of the training images (default: 0.05) get another class. PER_CLASS (default: 400) is the number of images of
each class. A 5-fold cross-validation judges all images. The script prints how many of the swapped images are in the
first tenth of the list. It also prints the validation accuracy with and without the first images of the list, as many
as were swapped, for two seeds each. It takes about five minutes on two cores.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import mean

SETTINGS = ("--model", "compact", "--epochs", "12", "--batch-size", "32", "--patience", "none")
FOLDS, SEEDS = 5, (1, 2)


def fer(*words: str | Path) -> str:
    """Run a command and return its output."""
    done = subprocess.run([sys.executable, "-m", "fer_tui", *map(str, words)], stdout=subprocess.PIPE, check=True)
    return done.stdout.decode()


def swap(train: Path, share: float) -> set[str]:
    """Move a share of the training images to other classes. Return their new paths, relative to the data set."""
    draw = random.Random(0)
    images, classes = sorted(train.rglob("*.png")), sorted(path.name for path in train.iterdir())
    swapped = set()
    for image in draw.sample(images, round(len(images) * share)):
        label = draw.choice([name for name in classes if name != image.parent.name])
        target = train / label / f"from-{image.parent.name}-{image.name}"
        shutil.move(image, target)
        swapped.add(str(target.relative_to(train.parent)))
    return swapped


def main(per_class: int, share: float) -> None:
    """Print the results."""
    with tempfile.TemporaryDirectory() as folder:
        faces, runs, decisions = Path(folder) / "faces", Path(folder) / "runs", Path(folder) / "decisions.csv"
        fer("data", "demo", faces, "--per-class", str(per_class))
        images = sum(1 for _ in (faces / "train").rglob("*.png"))
        swapped = swap(faces / "train", share)
        train = ("train", "--data", faces, *SETTINGS, "--runs", runs, "--json")
        plain = [json.loads(fer(*train, "--seed", str(seed)))[0] for seed in SEEDS]
        review = ("review", plain[0]["run"], "--folds", str(FOLDS), "--runs", runs)
        listed = [each["path"] for each in json.loads(fer(*review, "--json"))]
        found = swapped & set(listed[: len(listed) // 10])
        print(f"{images:,} training images, {len(swapped)} of them with a swapped label")
        print(f"in the first tenth of the list: {len(found)} of these, {len(found) / len(swapped):.1%}")
        fer(*review, "--first", str(len(swapped)), "--output", decisions)
        cleaned = [json.loads(fer(*train, "--seed", str(seed), "--exclude", decisions))[0] for seed in SEEDS]
        for name, group in (("all images", plain), ("without the first of the list", cleaned)):
            each = ", ".join(f"{run['val_accuracy']:.4f}" for run in group)
            print(f"{name:30s} accuracy {mean(run['val_accuracy'] for run in group):.4f}   ({each})")


if __name__ == "__main__":
    asked = sys.argv[1:]
    main(int(asked[0]) if asked else 400, float(asked[1]) if len(asked) > 1 else 0.05)
