"""Parts of `benchmarks/gpu.py` that run the installed command: speed, accuracy and time to the table."""

from __future__ import annotations

import json
import math
import os
import re
import shlex
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from statistics import mean, median
from typing import Any
from unittest import mock

from gpu_steps import IMAGES, PartTask, champion, print_figure

from core.config.command_line import train_command
from core.config.presets import find_preset
from core.config.training_config import TrainingConfig, resolve
from core.runs.names import LOG
from core.runs.reader import RunSnapshot, list_runs, read_run
from core.system import hardware
from core.training.auto_settings import MIN_STEPS_FOR_XLA
from core.training.epoch_recorder import EpochRecorder


def ours(asked: PartTask) -> None:
    """Measure the installed command: images per second, other time of an epoch, and the GPU's load."""
    # Enough epochs that `auto` compiles with XLA.
    epochs = max(math.ceil(MIN_STEPS_FOR_XLA / math.ceil(IMAGES / asked.batch)), 20)
    config = champion(asked, epochs=asked.epochs or epochs)
    name = f"ours {asked.batch}"
    with tempfile.TemporaryDirectory() as folder:
        moments, busy = Path(folder) / "moments.json", _Busy()
        code = f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import gpu_runs; gpu_runs.noted()"
        words = [*shlex.split(train_command(config))[1:], "--runs", str(Path(folder) / "runs")]
        with busy:
            _command([sys.executable, "-c", code, str(moments), *words])
        run = read_run(list_runs(Path(folder) / "runs")[0])
        _print_choices(name, run)
        _print_epochs(name, run, json.loads(moments.read_text()), busy)


def noted() -> None:
    """Run the installed command, and write when its epochs, validations and recordings start and end.

    `sys.argv` has the file to write, followed by the command's arguments.
    """
    from fer_tui.cli import main

    moments: list[tuple[str, float]] = []

    def noting(method: Any) -> Any:
        def noted_method(*arguments: Any) -> Any:
            moments.append((method.__name__, time.monotonic()))
            try:
                return method(*arguments)
            finally:
                moments.append((f"{method.__name__} done", time.monotonic()))

        return noted_method

    names = ("begin_epoch", "begin_validation", "end_epoch")
    with mock.patch.multiple(EpochRecorder, **{name: noting(getattr(EpochRecorder, name)) for name in names}):
        status = main(sys.argv[2:])
    Path(sys.argv[1]).write_text(json.dumps(moments))
    sys.exit(status)


class _Busy:
    """Sample the first GPU's load every 50 ms while the context is open. NVML averages it over its sample period."""

    def __init__(self) -> None:
        self.samples: list[tuple[float, int]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._over.wait(0.05):
            gpus = hardware.sample_load().gpus
            if gpus and gpus[0].utilization is not None:
                self.samples.append((time.monotonic(), gpus[0].utilization))


def _print_epochs(name: str, run: RunSnapshot, moments: list[tuple[str, float]], busy: _Busy) -> None:
    """Print the figures of the epochs after the first."""
    at: dict[str, list[float]] = {}
    for what, when in moments:
        at.setdefault(what, []).append(when)
    # An epoch ends when the next one begins, and the last epoch when it is recorded.
    starts = [*at["begin_epoch"], at["end_epoch done"][-1]]
    epochs = [later - earlier for earlier, later in pairwise(starts)][1:]
    training = [b - a for a, b in zip(at["begin_epoch"], at["begin_validation"], strict=True)][1:]
    validation = [b - a for a, b in zip(at["begin_validation"], at["end_epoch"], strict=True)][1:]
    rest = [1000 * (b - a) for a, b in zip(at["end_epoch"], starts[1:], strict=True)][1:]
    images = run.environment["train_images"]
    print_figure(name, median(row["images_per_second"] for row in run.history[1:]), "images/s")
    print_figure(f"{name}: with validation and the rest", images / median(epochs), "images/s")
    print_figure(f"{name}: training per epoch, median of {len(epochs)}", 1000 * median(training), "ms", 1)
    print_figure(f"{name}: validation", 1000 * median(validation), "ms", 1)
    print_figure(f"{name}: the rest of an epoch, median", median(rest), "ms", 1)
    print_figure(f"{name}: the rest of an epoch, longest", max(rest), "ms", 1)
    within = [share for when, share in busy.samples if starts[1] <= when <= starts[-1]]
    if within:
        print_figure(f"{name}: GPU load within epochs, mean of {len(within)}", mean(within), "%", 1)
    else:
        print(f"{name}: no GPU reports its load", flush=True)


def start(asked: PartTask) -> None:
    """Measure the time from the command to the table, with an empty program cache and with the filled one."""
    one_epoch = champion(asked, jit_compile="on", epochs=asked.epochs or 44, time_budget=1)
    _start(f"champion {asked.batch}, one epoch", one_epoch)


def quick(asked: PartTask) -> None:
    """Measure the same for the preset quick."""
    settings = {**find_preset("quick").settings, **({"limit": asked.limit} if asked.limit else {})}
    _start("quick", resolve({**settings, "data": asked.data, "model": "compact"}))


def _start(name: str, config: TrainingConfig) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for state in ("cold", "warm"):
            run, seconds = _train(config, Path(folder) / state, {"XDG_CACHE_HOME": str(Path(folder) / "cache")})
            print_figure(f"{name}: from the command to the table, {state}", seconds, "s", 1)
            _print_compiling(f"{name}, {state}", run)


def champion_auto(asked: PartTask) -> None:
    """Train the champion's 44 epochs with `jit_compile` auto."""
    _whole_run(asked, "auto")


def champion_xla(asked: PartTask) -> None:
    """Train the champion's 44 epochs with XLA, even if `auto` would not use it."""
    _whole_run(asked, "on")


def champion_plain(asked: PartTask) -> None:
    """Train the champion's 44 epochs without XLA."""
    _whole_run(asked, "off")


def _whole_run(asked: PartTask, jit: str) -> None:
    config = champion(asked, jit_compile=jit, **({"epochs": asked.epochs} if asked.epochs else {}))
    name = f"champion {asked.batch}, XLA {jit}, seed {asked.seed}"
    with tempfile.TemporaryDirectory() as folder:
        run, seconds = _train(config, Path(folder))
        _print_choices(name, run)
        _print_compiling(name, run)
        print_figure(f"{name}: from the command to the table", seconds, "s", 1)
        print_figure(f"{name}: its {len(run.history)} epochs", run.seconds, "s", 1)
        print_figure(f"{name}: learning rate", config.learning_rate, "", 5)
        evaluated = run.metrics
        low, high = evaluated["intervals"]["accuracy"]
        print_figure(
            f"{name}: accuracy (on CPUs 0.668)", evaluated["accuracy"] or 0.0, f"(95 %: {low:.4f} to {high:.4f})", 4
        )
        print_figure(f"{name}: macro F1", evaluated["macro_f1"] or 0.0, "", 4)


def _train(config: TrainingConfig, runs: Path, more: Mapping[str, str] | None = None) -> tuple[RunSnapshot, float]:
    """Train a config with the installed command. Return the run and the command's seconds."""
    words = [*shlex.split(train_command(config))[1:], "--runs", str(runs)]
    began = time.monotonic()
    _command([sys.executable, "-m", "fer_tui", *words], more)
    return read_run(list_runs(runs)[0]), time.monotonic() - began


def _command(words: list[str], more: Mapping[str, str] | None = None) -> None:
    """Run a command with its output on stderr, and exit if it fails."""
    done = subprocess.run(words, check=False, stdout=sys.stderr, env={**os.environ, **(more or {})})
    if done.returncode:
        sys.exit(f"the command failed with status {done.returncode}")


def _print_choices(name: str, run: RunSnapshot) -> None:
    told = run.environment
    print(f"{name}: {told['device']}, {told['precision']}, feed {told['feed']}, XLA {told['jit_compile']}", flush=True)


def _print_compiling(name: str, run: RunSnapshot) -> None:
    """Print the seconds of compiling from the run's log, if it compiled."""
    for seconds in re.findall(r"compiled the training step in ([\d.]+) s", (run.path / LOG).read_text()):
        print_figure(f"{name}: first call", float(seconds), "s", 1)
