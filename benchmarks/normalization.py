"""Measure the cost of normalization: `python benchmarks/normalization.py --data DATA`.

The article did not normalise the images because of the cost. This script measures two things. The first is the one
pass over the training pixels that `dataset` needs, next to the time to decode them and to prepare an epoch's batches.
The second is a training step with each normalization, as a ratio to `scale`. All steps are compiled in one process
and measured in turns. It takes about three minutes on two cores.
"""

from __future__ import annotations

import argparse
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from core.config.training_config import resolve
from core.data.pipeline import training_stream
from core.data.training_data import load_training_data
from core.training.build import build_model, compile_model, pixel_statistics

NORMALIZATIONS = ("scale", "per_image", "dataset", "none")


def seconds(work: Callable[[], Any]) -> float:
    """Return the seconds that a function takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main(data: Path, model: str, width: float, steps: int, rounds: int) -> None:
    """Print both tables."""
    config = resolve({"data": data, "model": model, "width": width, "schedule": "constant"})
    started = time.perf_counter()
    loaded = load_training_data(config, threading.Event())
    decoding = time.perf_counter() - started
    assert loaded is not None
    pixels, targets = loaded.train.values, loaded.targets(loaded.train)
    passes = sorted(seconds(lambda: pixel_statistics(pixels, config.channels)) for _ in range(rounds))
    statistics = pixel_statistics(pixels, config.channels)
    stream = iter(training_stream(pixels, targets, config))
    epoch = -(-len(pixels) // config.batch_size)
    next(stream)
    input_seconds = seconds(lambda: [next(stream) for _ in range(epoch)])
    one = passes[len(passes) // 2]
    print(f"{len(pixels):,} training images of {'x'.join(map(str, pixels.shape[1:]))}, {os.cpu_count()} cores")
    print(f"statistics, one pass (median of {rounds})  {one:7.2f} s, once per run")
    print(f"reading and decoding the data set          {decoding:7.2f} s   {one / decoding:6.1%} of it")
    print(f"an epoch's input ({config.augmentation})                   {input_seconds:7.2f} s   ", end="")
    print(f"{one / input_seconds:6.1%} of it", flush=True)

    models = {}
    for name in NORMALIZATIONS:
        settings = config.model_copy(update={"normalization": name})
        built = build_model(settings, len(loaded.classes), statistics=statistics, names=loaded.classes)
        compile_model(built, settings, epoch)
        models[name] = built
    batches = [next(stream) for _ in range(steps)]
    times: dict[str, list[float]] = {name: [] for name in NORMALIZATIONS}
    for round_number in range(rounds + 1):
        for name, built in models.items():

            def train(built: Any = built) -> None:
                for batch in batches:
                    built.train_on_batch(*batch)

            took = seconds(train) / steps
            # The first round includes tracing.
            if round_number > 0:
                times[name].append(took)
    print(f"\n{model} at width {width:g}, batch {config.batch_size}: one step, median of {rounds} rounds of {steps}")
    print("normalization  ms per step    ratio to scale (in the same round)")
    for name in NORMALIZATIONS:
        ratios = np.array(times[name]) / np.array(times["scale"])
        print(f"{name:13s} {np.median(times[name]) * 1000:12.2f} {np.median(ratios):11.3f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--width", type=float, default=0.5)
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    main(given.data, given.model, given.width, given.steps, given.rounds)
