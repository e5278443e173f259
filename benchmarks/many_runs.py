"""Measure a folder of many runs: `python benchmarks/many_runs.py [RUNS] [EPOCHS]` (default: 1,000 runs of 300 epochs).

The script writes finished runs without models to a temporary folder. It times the installed commands `runs` and
`compare` on them. Then it opens the app in a pseudo-terminal and times the first paint, the Runs screen from its key
to the first row, and keys that scroll the list.
"""

from __future__ import annotations

import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))
sys.path.insert(0, str(Path(__file__).parent))

from installed import COMMAND
from responsiveness import TimedTerminalApp

from core.config.training_config import resolve
from core.evaluation.metrics import evaluate
from core.runs.history import HISTORY_COLUMNS, METRICS

CLASSES = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
REPEATS = 5
PAUSE = 0.3


def write_runs(folder: Path, runs: int, epochs: int) -> None:
    """Write finished runs of two models with many seeds."""
    import numpy as np

    draw, shares = random.Random(0), np.random.default_rng(0).dirichlet(np.ones(len(CLASSES)), 3589)
    labels = [CLASSES[row % len(CLASSES)] for row in range(len(shares))]
    evaluation = json.dumps(evaluate(labels, shares, CLASSES) | {"val_images": 3589, "epoch": epochs, "warnings": []})
    counts = {split: dict.fromkeys(CLASSES, 500) for split in ("train", "validation")}
    environment = {"counts": counts, "fingerprint": "a" * 16, "classes": CLASSES, "parameters": 363_815, "problems": []}
    for number in range(runs):
        model = ("compact", "model2")[number % 2]
        run = folder / f"20260101-{number // 3600:02d}{number // 60 % 60:02d}{number % 60:02d}-000-{model}-{number:04x}"
        run.mkdir(parents=True)
        config = resolve({"data": "/faces", "model": model, "epochs": epochs, "seed": number})
        (run / "config.json").write_text(config.model_dump_json(indent=2))
        (run / "environment.json").write_text(json.dumps(environment, indent=2))
        (run / "evaluation.json").write_text(evaluation)
        status = {"state": "completed", "pid": 1, "host": "elsewhere", "heartbeat": 1.0, "message": ""}
        (run / "status.json").write_text(json.dumps(status | {"epoch": epochs, "epochs": epochs}))
        lines = [",".join(HISTORY_COLUMNS)]
        for epoch in range(1, epochs + 1):
            figures = [draw.random() for _ in range(2 * len(METRICS))]
            lines.append(",".join(map(repr, [epoch, *figures, 0.001, 12.345, 2345.6])))
        (run / "history.csv").write_text("\n".join(lines) + "\n")


def by_command(name: str, folder: Path) -> float:
    """Return the median seconds of a command over REPEATS calls."""
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        subprocess.run([COMMAND, name, "--runs", folder], check=True, capture_output=True)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken)


def in_app(folder: Path) -> tuple[float, float, list[float]]:
    """Return the seconds to the first paint, from the key 3 to the newest run's row, and of each scrolling key."""
    newest = sorted(path.name[-4:] for path in folder.iterdir())
    began = time.perf_counter()
    app = TimedTerminalApp("--runs", folder, cwd=folder.parent)
    try:
        app.wait_for("Runs")
        first = time.perf_counter() - began
        painted = app.response_seconds("3", newest[-1])
        time.sleep(3)
        app.is_painted = False
        keys = []
        for key, name in [*(("down", name) for name in newest[-2:-42:-1]), ("ctrl+end", newest[0])]:
            keys.append(app.response_seconds(key, name))
            # The previous key may still cause output, which must not count as the effect of the next key.
            time.sleep(PAUSE)
        return first, painted, keys
    finally:
        app.close()


def main(runs: int, epochs: int) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "runs"
        write_runs(folder, runs, epochs)
        print(f"{runs:,} runs of {epochs} epochs")
        for name in ("runs", "compare"):
            print(f"fer-tui {name:24s} {by_command(name, folder):7.2f} s")
        first, painted, keys = in_app(folder)
        print(f"first paint                      {first:7.2f} s")
        print(f"Runs, from its key to its rows   {painted:7.2f} s")
        print(f"a key in the list, median        {1000 * statistics.median(keys):7.0f} ms")
        print(f"a key in the list, worst         {1000 * max(keys):7.0f} ms of {len(keys)}")


if __name__ == "__main__":
    main(*map(int, [*sys.argv[1:], *("1000", "300")[len(sys.argv) - 1 :]]))
