"""A training step of compact: how its arithmetic is done, and what the input costs: `python benchmarks/step.py DATA`.

Each setting has its own process, since TensorFlow reads its switches at import. A step is timed twice, by turns: on
one batch that lies ready, which is the model's own computation, and on the training stream with its recipe's
augmentation. The share outside is what the second takes more, in CPU seconds: on a machine that is shared, the clock
swings by more than it; the median of rounds. About eight minutes on two idle cores.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from statistics import median

ROUNDS, STEPS = 6, 80
SETTINGS = {
    "plain": ("0", False, "float32"),
    "XLA": ("0", True, "float32"),
    "oneDNN": ("1", False, "float32"),
    "oneDNN, XLA": ("1", True, "float32"),
    "oneDNN, bfloat16": ("1", False, "mixed_bfloat16"),
}


def measure(data: Path, jit: bool, precision: str) -> dict[str, float]:
    """Seconds a step by the clock and of the CPU, alone and on the stream: of this process."""
    import keras
    import tensorflow as tf

    from core.config.training_config import resolve
    from core.data.pipeline import training_stream
    from core.data.training_data import load_data
    from core.training.build import build_model, compile_model

    config = resolve(
        {
            "data": data,
            "model": "compact",
            "limit": 8000,
            "jit_compile": jit,
            "precision": precision,
        }
    )
    keras.config.set_dtype_policy(precision)
    loaded = load_data(config, threading.Event())
    assert loaded is not None
    model = build_model(config, len(loaded.classes))
    compile_model(model, config, steps=STEPS)
    stream = training_stream(loaded.train.values, loaded.targets(loaded.train), config)
    alone = tf.data.Dataset.from_tensors(next(iter(stream))).cache().repeat()
    model.make_train_function()
    # Iterators that last, as an epoch's does: to begin one costs what an epoch pays once.
    batches = {"alone": iter(alone), "stream": iter(stream)}
    seconds: dict[str, list[float]] = {name: [] for name in ("alone", "stream", "alone cpu", "stream cpu")}
    for number in range(ROUNDS + 1):
        for name, iterator in batches.items():
            began, busy = time.perf_counter(), time.process_time()
            for _ in range(STEPS):
                model.train_function(iterator)
            if number:
                seconds[name].append((time.perf_counter() - began) / STEPS)
                seconds[f"{name} cpu"].append((time.process_time() - busy) / STEPS)
    shares = [
        1 - without / with_it for without, with_it in zip(seconds["alone cpu"], seconds["stream cpu"], strict=True)
    ]
    told = {name: median(found) for name, found in seconds.items()}
    return {**told, "share": median(shares), "batch": config.batch_size}


def main(data: Path) -> None:
    """Print the table."""
    print(f"{'compact, 48x48x1':18s} ms a step   images/s   CPU ms a step   share outside the model")
    for name, (onednn, jit, precision) in SETTINGS.items():
        command = [sys.executable, __file__, str(data), "jit" if jit else "graph", precision]
        environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": onednn, "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        told = json.loads(done.stdout.splitlines()[-1])
        print(
            f"{name:18s} {1000 * told['stream']:9.1f} {told['batch'] / told['stream']:10.0f} "
            f"{1000 * told['stream cpu']:15.1f} {told['share']:25.1%}",
            flush=True,
        )


if __name__ == "__main__":
    if len(sys.argv) == 4:
        print(json.dumps(measure(Path(sys.argv[1]), sys.argv[2] == "jit", sys.argv[3])))
    elif len(sys.argv) == 2:
        main(Path(sys.argv[1]))
    else:
        sys.exit("usage: python benchmarks/step.py DATA    (such as ../shared/data, unpacked)")
