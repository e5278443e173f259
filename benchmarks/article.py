"""The article's four models at full width: `python benchmarks/article.py DATA RUNS [--model NAME ...] [--minutes N]`.

First each under the published protocol, then each under the sound one for as many epochs; a command each, one after
another. RUNS keeps the runs: those that are completed are not trained again, and those that were stopped go on, so that
what did not fit is trained by calling this again. `--minutes` ends all of it, `--minutes-each` a run; the last whole
epoch stands. Printed are the commands, the table of docs/reproduction.md, and what is left to train.

For a GPU of 16 GiB or more; on two cores a step of Models 3 and 4 takes a minute. Model 1 starts at random unless
`--weights imagenet`, or a file. `--small` tries it: 300 images of 48x48, width 0.1.
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
# The states of runs that can go on as they are.
UNFINISHED = ("stopped", "failed", "interrupted")
# Seconds that a run has to write its checkpoint and end.
GRACE = 120


def main() -> None:
    """Train what is missing, as far as the time goes, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder of faces, or fer2013.csv")
    parser.add_argument("runs", type=Path, help="folder of the runs")
    parser.add_argument("--model", action="append", choices=MODELS, help="several may be given; all unless told")
    parser.add_argument("--weights", default="none", help="of Model 1: none, imagenet or a file")
    parser.add_argument("--minutes", type=float, default=1e6, help="of all runs together")
    parser.add_argument("--minutes-each", type=float, default=1e6, help="of a run")
    parser.add_argument("--small", action="store_true", help="to see that it works")
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
        print(f"\nnot completed: {missing}; the same command goes on with them")
        sys.exit(1)


def planned(asked: argparse.Namespace) -> Iterator[TrainingConfig]:
    """The runs in their order."""
    for protocol in ("published", "sound"):
        for name in asked.model or MODELS:
            settings = {"data": asked.data, "model": name, "protocol": protocol, **(SMALL if asked.small else {})}
            if find_model(name).takes_weights:
                settings["weights"] = asked.weights
            # The article's own epochs, under either protocol.
            yield resolve({**settings, "epochs": PUBLISHED.settings(find_model(name))["epochs"]})


def newest(runs: Path, config: TrainingConfig) -> RunSnapshot | None:
    """The newest run of a config."""
    wanted = config.model_dump(mode="json")
    return next((run for run in map(read_run, list_runs(runs)) if run.config == wanted), None)


def train(config: TrainingConfig, runs: Path, begun: RunSnapshot | None, seconds: float) -> None:
    """Train a config, or go on with its run, for so long at the most."""
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
    """A run's line of the table."""
    name = f"{config.model}, {config.protocol}"
    kept = run.kept_epoch() if run else None
    if run is None or kept is None or run.state != "completed":
        return f"| {name} | {f'{run.state}: {run.message}' if run else 'not begun'} | | | | | |"
    codes = ", ".join(f"`{warning['code']}`" for warning in run.warnings) or "none"
    return (
        f"| {name} | {len(run.history)} | {kept['accuracy']:.4f} | {kept['val_accuracy']:.4f} | "
        f"{run.metrics['accuracy']:.4f} | {run.seconds:.0f} | {codes} |"
    )


if __name__ == "__main__":
    main()
