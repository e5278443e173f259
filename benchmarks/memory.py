"""Measure the MiB that each of 20 short runs leaves in one process: `python benchmarks/memory.py [RUNS]`.

docs/memory.md has the results. It takes about five minutes on two cores.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from pathlib import Path

import numpy as np
import psutil

from core.config.training_config import resolve
from core.data.demo import write_faces
from core.runs.writer import create_run
from core.training.trainer import train


def main(runs: int) -> None:
    """Train `runs` times on a few drawn faces and fit a line to the resident memory from the sixth run on."""
    with tempfile.TemporaryDirectory() as folder:
        faces = Path(folder) / "faces"
        write_faces(faces, per_class=10, seed=0)
        resident = []
        for number in range(1, runs + 1):
            config = resolve({"data": faces, "model": "compact", "epochs": 2, "batch_size": 32, "width": 0.5})
            state = train(config, create_run(config, Path(folder) / "runs"), threading.Event())
            resident.append(psutil.Process().memory_info().rss / 2**20)
            print(f"run {number:2d}  {state}  {resident[-1]:7.1f} MiB")
        slope = np.polyfit(np.arange(len(resident[5:])), resident[5:], 1)[0]
        print(f"{slope:.2f} MiB per run over runs 6 to {runs}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
