"""Train the article's four models: `python benchmarks/article.py DATA RUNS [--model NAME ...] [--minutes N]`.

Each model is trained at full width with the published protocol, then each with the sound protocol for the same number
of epochs. Every training is one command, and they run one after another. RUNS is the folder of the runs. A second
call skips completed runs and resumes stopped ones. `--minutes` limits the total time, and `--minutes-each` the time
of each run. The last complete epoch is kept. The script prints the commands, the table of docs/reproduction.md and
the number of runs that are left.

It needs a GPU with at least 16 GiB. On two cores a step of Models 3 and 4 takes a minute. Model 1 has random initial
weights, unless `--weights` is imagenet or a file. `--small` is for a test: 300 images of 48x48, width 0.1.
"""

from __future__ import annotations

import argparse
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from core.config.command_line import train_command
from core.config.protocol import PUBLISHED
from core.config.training_config import TrainingConfig, resolve
from core.models.registry import find_model
from core.runs.reader import RunSnapshot, list_runs, read_run

MODELS = ("model1", "model2", "model3", "model4")
SMALL = {"limit": 300, "image_size": 48, "width": 0.1}
# States of runs that can be resumed without other settings.
UNFINISHED = ("stopped", "failed", "interrupted")
# Seconds that a stopped run may take to write its checkpoint and exit.
GRACE = 120


def main() -> None:
    """Train the missing runs until the time is up, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of faces, or fer2013.csv")
    parser.add_argument("runs", type=Path, help="folder of the runs")
    parser.add_argument("--model", action="append", choices=MODELS, help="can be repeated (default: all)")
    parser.add_argument("--weights", default="none", help="weights of Model 1: none, imagenet or a file")
    parser.add_argument("--minutes", type=float, default=1e6, help="time limit of all runs together")
    parser.add_argument("--minutes-each", type=float, default=1e6, help="time limit of each run")
    parser.add_argument("--small", action="store_true", help="train small models, as a test")
    asked = parser.parse_args()
    end, configs = time.monotonic() + 60 * asked.minutes, list(planned(asked))
    for config in configs:
        left = min(end - time.monotonic(), 60 * asked.minutes_each)
        run = newest(asked.runs, config)
        if left > 0 and (run is None or run.state in UNFINISHED):
            train(config, asked.runs, run, left)
    print("\n| run | epochs | train acc | val acc (the protocol's) | whole split | seconds | warnings |")
    print("|---|---|---|---|---|---|---|")
    for config in configs:
        print(row(config, newest(asked.runs, config)))
    found = [newest(asked.runs, config) for config in configs]
    if missing := sum(run is None or run.state in UNFINISHED for run in found):
        print(f"\nnot completed: {missing}; run the same command again to resume them")
        sys.exit(1)


def planned(asked: argparse.Namespace) -> Iterator[TrainingConfig]:
    """Yield the configs of all runs in order."""
    for protocol in ("published", "sound"):
        for name in asked.model or MODELS:
            settings = {"data": asked.data, "model": name, "protocol": protocol, **(SMALL if asked.small else {})}
            if find_model(name).takes_weights:
                settings["weights"] = asked.weights
            # Both protocols train for the article's number of epochs.
            yield resolve({**settings, "epochs": PUBLISHED.settings(find_model(name))["epochs"]})


def newest(runs: Path, config: TrainingConfig) -> RunSnapshot | None:
    """Return the newest run of a config, or None."""
    wanted = config.model_dump(mode="json")
    return next((run for run in map(read_run, list_runs(runs)) if run.config == wanted), None)


def train(config: TrainingConfig, runs: Path, begun: RunSnapshot | None, seconds: float) -> None:
    """Train a config or resume its run, for at most `seconds`."""
    words = ["resume", begun.name] if begun else shlex.split(train_command(config))[1:]
    words += ["--runs", str(runs)]
    print(f"\n{shlex.join(['fer-tui', *words])}", flush=True)
    with subprocess.Popen([sys.executable, "-m", "fer_tui", *words], stdout=subprocess.DEVNULL) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()


def row(config: TrainingConfig, run: RunSnapshot | None) -> str:
    """Return a run's row of the table."""
    name = f"{config.model}, {config.protocol}"
    kept = run.kept_epoch() if run else None
    if run is None or kept is None or run.state != "completed":
        return f"| {name} | {f'{run.state}: {run.message}' if run else 'not started'} | | | | | |"
    codes = ", ".join(f"`{warning['code']}`" for warning in run.warnings) or "none"
    return (
        f"| {name} | {len(run.history)} | {kept['accuracy']:.4f} | {kept['val_accuracy']:.4f} | "
        f"{run.metrics['accuracy']:.4f} | {run.seconds:.0f} | {codes} |"
    )


if __name__ == "__main__":
    main()
