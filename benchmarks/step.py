"""A training step of compact: how its arithmetic is done, and what the input costs: `python benchmarks/step.py DATA`.

Each setting has its own process, since TensorFlow reads its switches at import. A step is timed twice, by turns: on
one batch that lies ready, which is the model's own computation, and on the training stream with the policy strong. The
share outside is what the second takes more. About four minutes on two idle cores.
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

ROUNDS, STEPS, WARM_UP = 3, 25, 3
SETTINGS = {"plain": ("0", False), "XLA": ("0", True), "oneDNN": ("1", False), "oneDNN, XLA": ("1", True)}


def measure(data: Path, jit: bool) -> dict[str, float]:
    """Seconds a step, alone and on the stream: of this process."""
    import tensorflow as tf

    from core.config import resolve
    from core.models.build import build_model, compile_model
    from core.pipeline import training_stream
    from core.training_data import load_data

    config = resolve(
        {
            "data": data,
            "model": "compact",
            "limit": 8000,
            "augmentation": "strong",
            "jit_compile": jit,
            "patience": "none",
        }
    )
    loaded = load_data(config, threading.Event())
    assert loaded is not None
    model = build_model(config, len(loaded.classes))
    compile_model(model, config, steps=STEPS)
    stream = training_stream(loaded.train.values, loaded.targets(loaded.train), config)
    alone = tf.data.Dataset.from_tensors(next(iter(stream))).cache().repeat()
    seconds: dict[str, list[float]] = {"alone": [], "stream": []}
    for number in range(ROUNDS + 1):
        for name, batches in (("alone", alone), ("stream", stream)):
            model.fit(batches, steps_per_epoch=WARM_UP, verbose=0)
            began = time.perf_counter()
            model.fit(batches, steps_per_epoch=STEPS, verbose=0)
            if number:
                seconds[name].append((time.perf_counter() - began) / STEPS)
    return {name: median(found) for name, found in seconds.items()} | {"batch": config.batch_size}


def main(data: Path) -> None:
    """Print the table."""
    print(f"{'compact, 48x48x1':18s} ms a step   images/s   share outside the model")
    for name, (onednn, jit) in SETTINGS.items():
        command = [sys.executable, __file__, str(data), "jit" if jit else "graph"]
        environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": onednn, "TF_CPP_MIN_LOG_LEVEL": "3"}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        told = json.loads(done.stdout.splitlines()[-1])
        share = 1 - told["alone"] / told["stream"]
        print(
            f"{name:18s} {1000 * told['stream']:9.1f} {told['batch'] / told['stream']:10.0f} {share:12.1%}", flush=True
        )


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(Path(sys.argv[1]), sys.argv[2] == "jit")))
    elif len(sys.argv) == 2:
        main(Path(sys.argv[1]))
    else:
        sys.exit("usage: python benchmarks/step.py DATA    (such as ../shared/data, unpacked)")
