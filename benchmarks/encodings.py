"""Compare the label and the frequency encoding over a few seeds: `python benchmarks/encodings.py --data DATA`.

With `--epochs 8 --limit 8000` it takes about eleven minutes on two cores.

Each figure comes from an ordinary run of `fer-tui train`. A class has the same initial weights in both encodings. The
two runs of a seed are therefore the same computation with another order of the outputs. At first they differ only by
rounding. Within a few hundred steps the difference grows, as any small change does. Their accuracies then differ as
much as those of two seeds, and not more.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ENCODINGS = ("label", "frequency")


def train(encoding: str, seed: int, given: argparse.Namespace, runs: Path) -> dict[str, Any]:
    """Train one run and return its entry of `train --json`."""
    flags = {"data": given.data, "model": given.model, "epochs": given.epochs, "width": given.width}
    flags |= {"encoding": encoding, "seed": seed, "runs": runs, "patience": "none", "monitor": "val_accuracy"}
    flags |= {"image-size": given.image_size, "limit": given.limit}
    words = [word for name, value in flags.items() if value is not None for word in (f"--{name}", str(value))]
    code = "import sys; from fer_tui.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "train", *words, "--json"], stdout=subprocess.PIPE, check=True, text=True
    )
    (told,) = json.loads(done.stdout)
    return told


def main(given: argparse.Namespace, runs: Path) -> None:
    """Print one row per seed, then the mean and standard deviation of each encoding, and both differences."""
    print(f"{given.model} at width {given.width:g}, {given.epochs} epochs, best epoch by val_accuracy")
    print("seed         label   frequency   difference   seconds", flush=True)
    found: dict[str, list[float]] = {name: [] for name in ENCODINGS}
    for seed in given.seeds:
        told = {name: train(name, seed, given, runs) for name in ENCODINGS}
        for name in ENCODINGS:
            found[name].append(told[name]["val_accuracy"])
        one, other = (found[name][-1] for name in ENCODINGS)
        took = sum(run["seconds"] for run in told.values())
        print(f"{seed:4d} {one:13.4f} {other:11.4f} {other - one:+12.4f} {took:9.0f}", flush=True)
    for name in ENCODINGS:
        mean, deviation = statistics.mean(found[name]), statistics.stdev(found[name])
        print(f"{name:9s} mean {mean:.4f}, standard deviation over seeds {deviation:.4f}")
    pairs = [other - one for one, other in zip(found["label"], found["frequency"], strict=True)]
    print(f"frequency - label of the same seed: mean {statistics.mean(pairs):+.4f}, largest {max(map(abs, pairs)):.4f}")
    spread = max(max(values) - min(values) for values in found.values())
    print(f"difference between seeds of one encoding: largest {spread:.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3], help="two or more")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--model", default="compact")
    parser.add_argument("--image-size", type=int)
    parser.add_argument("--width", type=float, default=0.5)
    parser.add_argument("--runs", type=Path, help="folder to keep the runs in")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        main(chosen, chosen.runs or Path(folder))
