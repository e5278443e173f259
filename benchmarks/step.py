"""A training step of compact: how its arithmetic is done, and what the input costs: `python benchmarks/step.py DATA`.

The step is the training loop's own. Each setting has its own process, since TensorFlow reads its switches at import. A
step is timed twice, by turns: on one batch that lies ready, which is the model's own computation, and on the training
stream with its recipe's augmentation. The share outside is what the second takes more, in CPU seconds: on a machine
that is shared, the clock swings by more than it; the median of rounds. About eight minutes on two idle cores; one
with `--rounds 1 --steps 5`, to see that it works.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from statistics import median

SETTINGS = {
    "plain": ("0", False, "float32"),
    "XLA": ("0", True, "float32"),
    "oneDNN": ("1", False, "float32"),
    "oneDNN, XLA": ("1", True, "float32"),
    "oneDNN, bfloat16": ("1", False, "mixed_bfloat16"),
}


def measure(data: Path, jit: bool, precision: str, rounds: int, steps: int) -> dict[str, float]:
    """Seconds a step by the clock and of the CPU, alone and on the stream: of this process."""
    import keras
    import tensorflow as tf

    from core.config.training_config import resolve
    from core.data.pipeline import training_stream
    from core.data.training_data import load_training_data
    from core.training.build import build_model, compile_model
    from core.training.compiled_steps import CompiledSteps
    from core.training.feed import HostFeed

    config = resolve({"data": data, "model": "compact", "limit": 8000})
    keras.config.set_dtype_policy(precision)
    loaded = load_training_data(config, threading.Event())
    assert loaded is not None
    model = build_model(config, len(loaded.classes))
    compile_model(model, config, steps)
    model.optimizer.build(model.trainable_variables)
    # Whole batches alone: XLA would compile another program for a smaller one.
    rows = len(loaded.train.values) // config.batch_size * config.batch_size
    stream = training_stream(loaded.train.values[:rows], loaded.targets(loaded.train)[:rows], config)
    alone = tf.data.Dataset.from_tensors(next(iter(stream))).cache().repeat()

    def compiled(batches: tf.data.Dataset) -> CompiledSteps:
        made = CompiledSteps(
            model.train_step,
            model.metrics[0].result,
            HostFeed(batches),
            many=False,
            jit_compile=jit,
            loop_in_xla=False,
        )
        # Iterators that last, as an epoch's does: to begin one costs what an epoch pays once.
        made.feed.begin()
        return made

    sides = {"alone": compiled(alone), "stream": compiled(stream)}
    seconds: dict[str, list[float]] = {name: [] for name in ("alone", "stream", "alone cpu", "stream cpu")}
    for number in range(rounds + 1):
        for name, side in sides.items():
            began, busy = time.perf_counter(), time.process_time()
            for _ in range(steps):
                side.run(1)
            if number:
                seconds[name].append((time.perf_counter() - began) / steps)
                seconds[f"{name} cpu"].append((time.process_time() - busy) / steps)
    shares = [
        1 - without / with_it for without, with_it in zip(seconds["alone cpu"], seconds["stream cpu"], strict=True)
    ]
    told = {name: median(found) for name, found in seconds.items()}
    return {**told, "share": median(shares), "batch": config.batch_size}


def main() -> None:
    """Print the table, or measure one of its settings for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="such as ../shared/data, unpacked")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--steps", type=int, default=80, help="of each side in a round")
    parser.add_argument("--setting", choices=SETTINGS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.setting:
        _, jit, precision = SETTINGS[asked.setting]
        print(json.dumps(measure(asked.data, jit, precision, asked.rounds, asked.steps)))
        return
    print(f"{'compact, 48x48x1':18s} ms a step   images/s   CPU ms a step   share outside the model")
    for name, (onednn, _, _) in SETTINGS.items():
        command = [sys.executable, __file__, *sys.argv[1:], "--setting", name]
        environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": onednn, "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        told = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{name:18s} {1000 * told['stream']:9.1f} {told['batch'] / told['stream']:10.0f} "
            f"{1000 * told['stream cpu']:15.1f} {told['share']:25.1%}",
            flush=True,
        )


if __name__ == "__main__":
    main()
