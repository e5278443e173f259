"""Measure the initial loss with `output_bias` zero and prior: `python benchmarks/output_bias.py --data DATA`.

It prints the mean and range of the untrained model's cross-entropy on the training images over a few seeds. For
comparison it prints the entropy of the class frequencies, which is the loss of a model that knows only these, and the
log of the number of classes, which is the loss of guessing. It takes about a minute on two cores with the defaults.
"""

from __future__ import annotations

import argparse
import os
import threading
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from core.config.training_config import resolve
from core.data.pipeline import evaluation_batches
from core.data.training_data import load_training_data
from core.models.registry import MODELS
from core.training.build import build_model, pixel_statistics


def main(data: Path, models: list[str], limit: int, seeds: int) -> None:
    """Print one row per model: both losses and their difference."""
    for position, name in enumerate(models):
        config = resolve({"data": data, "model": name, "limit": limit})
        loaded = load_training_data(config, threading.Event())
        assert loaded is not None
        targets = loaded.targets(loaded.train)
        prior = targets.mean(axis=0)
        if position == 0:
            print(f"{len(targets):,} training images, {seeds} seeds; mean (lowest - highest)")
            print(
                f"entropy of the class frequencies {-(prior * np.log(prior)).sum():.4f}, log of {len(prior)} classes ",
                end="",
            )
            print(f"{np.log(len(prior)):.4f}")
            print("model      zero                        prior                       difference")
        losses: dict[str, list[float]] = {"zero": [], "prior": []}
        batches = evaluation_batches(loaded.train.values, None, config.image_size, config.channels)
        statistics = pixel_statistics(loaded.train.values, config.channels)
        for bias, found in losses.items():
            for seed in range(seeds):
                keras.utils.set_random_seed(seed)
                settings = config.model_copy(update={"output_bias": bias})
                model = build_model(settings, len(prior), statistics=statistics, prior=prior, names=loaded.classes)
                shares = model.predict(batches, verbose=0)
                each = -np.log(np.maximum((shares * targets).sum(axis=1), 1e-7))
                found.append(float(each.mean()))
        zero, primed = (np.array(found) for found in losses.values())
        cells = [f"{x.mean():.4f} ({x.min():.4f} - {x.max():.4f})" for x in (zero, primed)]
        print(f"{name:9s}  {cells[0]:26s}  {cells[1]:26s}  {(primed - zero).mean():+.4f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", action="append", choices=list(MODELS), help="can be repeated (default: all)")
    parser.add_argument("--limit", type=int, default=2_000)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    main(given.data, given.model or list(MODELS), given.limit, given.seeds)
