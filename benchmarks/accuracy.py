"""Accuracy for a given training time: `python benchmarks/accuracy.py DATA RUNS [MODEL ...] [--minutes 60]`.

compact trains with the preset champion. The other models train with their own recipes for as many epochs as the time
allows. Each seed is one run with `--time-budget`, and the runs are trained one after another. RUNS is the folder of
the runs. Runs that it already has are not trained again, so the runs can be trained on different days. The machine
must be idle.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean

from core.config.command_line import train_command
from core.config.presets import find_preset
from core.config.training_config import TrainingConfig, resolve
from core.runs.reader import RunSnapshot, list_runs, read_run

# The time budget ends these runs.
UNTIL_THE_END = {"epochs": 1000, "patience": None}
MODELS = ("compact", "mini_xception", "model2")


def main() -> None:
    """Train the missing runs and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("models", nargs="*", default=MODELS)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seeds", default="1,2")
    asked = parser.parse_args()
    print(f"{'':14s} {'weights':>10s} {'seeds':>6s} {'epochs':>7s} {'minutes':>8s} {'accuracy':>9s} lowest recall")
    for model in asked.models:
        seeds = [int(seed) for seed in asked.seeds.split(",")]
        print(
            row(model, [completed_run(asked.data, asked.runs, model, seed, asked.minutes) for seed in seeds]),
            flush=True,
        )


def completed_run(data: Path, runs: Path, model: str, seed: int, minutes: float) -> RunSnapshot:
    """Return the completed run of a model and seed, and train it if it is missing."""
    settings = find_preset("champion").settings if model == "compact" else UNTIL_THE_END
    config = resolve({**settings, "data": data, "model": model, "seed": seed, "time_budget": f"{minutes:g}m"})
    run = find_completed_run(runs, config)
    if run is None:
        words = [*shlex.split(train_command(config))[1:], "--runs", str(runs)]
        subprocess.run([sys.executable, "-m", "fer_tui", *words], check=True)
        run = find_completed_run(runs, config)
    return run or sys.exit(f"{runs}: the run of {model} with seed {seed} was not completed")


def find_completed_run(runs: Path, config: TrainingConfig) -> RunSnapshot | None:
    """Return the completed run of a config, or None."""
    wanted = config.model_dump(mode="json")
    found = (run for run in map(read_run, list_runs(runs)) if run.state == "completed" and run.config == wanted)
    return next(found, None)


def row(model: str, runs: Sequence[RunSnapshot]) -> str:
    """Return a model's row of the table."""
    reports = [run.metrics for run in runs]
    accuracies = [report["accuracy"] or 0.0 for report in reports]
    recall, name = min((figures["recall"], name) for r in reports for name, figures in r["per_class"].items())
    minutes = mean(sum(line["seconds"] for line in run.history) / 60 for run in runs)
    epochs = mean(len(run.history) for run in runs)
    each = " ".join(f"{value:.4f}" for value in accuracies)
    return (
        f"{model:14s} {runs[0].environment['parameters']:>10,} {len(runs):>6d} {epochs:>7.0f} {minutes:>8.1f} "
        f"{mean(accuracies):>9.4f} {recall:.2f} ({name})   each: {each}"
    )


if __name__ == "__main__":
    main()
