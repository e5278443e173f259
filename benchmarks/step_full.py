"""Measure one training step of the article's large models at full width: does it fit, and how long does it take?

`python benchmarks/step_full.py [model ...] [--batch-size 64] [--variant text|code] [--limit-gib 12]`

Each model runs in a separate process, so that the peak memory is its own. The script first computes the least memory
of the step: weights, gradients, Adam's two moments, and the outputs of the layers that the backward pass reads. A
step above the limit is not run. The script then prints by how much it exceeds the limit, and the largest batch that
fits.
"""

from __future__ import annotations

import argparse
import math
import resource
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import numpy as np

from core.config.training_config import TrainingConfig, resolve
from core.training.build import build_model, build_symbolic_model, compile_model, count_macs

if TYPE_CHECKING:
    import keras

GIB = 2**30
FLOAT = 4
# Values per weight: the weight, its gradient and Adam's two moments.
COPIES = 4
# Memory of TensorFlow and its libraries.
BASE_GIB = 0.7


def main() -> None:
    """Measure each model in a separate process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=["model1", "model3", "model4"])
    parser.add_argument("--batch-size", type=int, default=64, help="images per step; the article has 64")
    parser.add_argument("--variant", default="text", choices=["text", "code"])
    parser.add_argument("--limit-gib", type=float, default=12.0, help="memory limit of a step")
    asked = parser.parse_args()
    if len(asked.models) == 1:
        print(measure(asked.models[0], asked.batch_size, asked.variant, asked.limit_gib), flush=True)
        return
    for name in asked.models:
        rest = ["--batch-size", asked.batch_size, "--variant", asked.variant, "--limit-gib", asked.limit_gib]
        subprocess.run([sys.executable, __file__, name, *map(str, rest)], check=True)


def measure(name: str, batch: int, variant: str, limit: float) -> str:
    """Build a model, and run two steps if they fit. Return the results as text."""
    config = resolve({"data": "unused", "model": name, "variant": variant, "weights": "none"})
    shape = build_symbolic_model(config, 7)
    fixed = COPIES * FLOAT * shape.count_params() / GIB + BASE_GIB
    each = FLOAT * kept_values(shape) / GIB
    told = (
        f"{name} ({variant}): {shape.count_params():,} weights, {count_macs(shape) / 1e9:.2f} G multiply-accumulates "
        f"per image; needs at least {fixed:.2f} GiB, and {each * 1024:.0f} MiB per image"
    )
    needed = fixed + batch * each
    if needed > limit:
        fitting = max(int((limit - fixed) / each), 0)
        return (
            f"{told}\n    batch of {batch}: not run, {needed:.1f} GiB exceeds {limit:g} GiB by {needed - limit:.1f}; "
            f"the largest batch that fits has {fitting} images"
        )
    return f"{told}\n    batch of {batch}: {_step(config, batch)}"


def kept_values(model: keras.Model) -> int:
    """Count the values per image that a step keeps for its backward pass: the output of every layer."""
    return sum(
        kept_values(layer) if hasattr(layer, "layers") else math.prod(layer.output.shape[1:]) for layer in model.layers
    )


def _step(config: TrainingConfig, batch: int) -> str:
    started = time.monotonic()
    model = build_model(config, 7)
    compile_model(model, config, steps_per_epoch=1)
    built = time.monotonic() - started
    size, channels = config.image_size, config.channels
    pixels = np.random.default_rng(0).integers(0, 256, (batch, size, size, channels)).astype("float32")
    targets = np.eye(7, dtype="float32")[np.arange(batch) % 7]
    seconds, losses = [], []
    for _ in range(2):
        started = time.monotonic()
        answer: Any = model.train_on_batch(pixels, targets)
        seconds.append(time.monotonic() - started)
        losses.append(float(answer[0]))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB
    return (
        f"built in {built:.1f} s, first step with tracing {seconds[0]:.1f} s, second {seconds[1]:.1f} s, "
        f"peak {peak:.2f} GiB resident, loss {losses[0]:.3f} then {losses[1]:.3f}"
    )


if __name__ == "__main__":
    main()
