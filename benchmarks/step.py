"""Measure a training step of compact and the cost of its input: `python benchmarks/step.py DATA`.

The step is that of fer-tui's training loop. Each setting of the kernels runs in a separate process, because
TensorFlow reads its switches at import. A step is timed on two inputs in turns. The first is one prepared batch,
which measures only the model. The second is the training stream with the augmentation of the recipe. The share
outside the model is the additional CPU time of the second, as the median of the rounds. Wall-clock time varies by
more than that on a shared machine. It takes about eight minutes on two idle cores. With `--rounds 1 --steps 5`, as a
test, it takes one minute.
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
    """Return the wall-clock and CPU seconds per step in this process, on one batch (alone) and on the stream."""
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
    # Only whole batches: XLA would compile a second program for a smaller one.
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
        # The iterators last, as in an epoch, so that the cost of starting them is not measured.
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
    """Print the table, or measure one of its settings."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="data set, such as ../shared/data, unpacked")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--steps", type=int, default=80, help="steps of each input in a round")
    parser.add_argument("--setting", choices=SETTINGS, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.setting:
        _, jit, precision = SETTINGS[asked.setting]
        print(json.dumps(measure(asked.data, jit, precision, asked.rounds, asked.steps)))
        return
    print(f"{'compact, 48x48x1':18s} ms per step images/s CPU ms per step   share outside the model")
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
