"""Many runs queued in one app and watched by a second app: `python tests/faults/soak.py [RUNS]`. The default is 200.

Both apps are the installed command in separate pseudo-terminals. After each run the script records their resident
memory, threads, open files and children. It prints the medians of each ten runs, and the memory growth per run after
the first twenty. Takes about 12 seconds per run on two idle cores.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from hands import KeyboardUser
from installed import fer
from terminal_app import TerminalApp

from core.runs.reader import list_runs, read_run

SETTINGS = "[train]\nepochs = 1\nlimit = 35\nimage_size = 32\nwidth = 0.1\n"
FIRST = 20
GROUP = 10
MIB = 1024**2


@dataclass(frozen=True)
class Sample:
    """The resources of a process at one moment: resident memory in bytes, threads, open files, children."""

    memory: int
    threads: int
    files: int
    children: int


def sample(process: psutil.Process) -> Sample:
    """Measure the resources of a process."""
    return Sample(
        process.memory_info().rss, process.num_threads(), process.num_fds(), len(process.children(recursive=True))
    )


def soak(place: Path, runs: int) -> dict[str, list[Sample]]:
    """Queue `runs` runs in one app and wait for them; return samples of both apps after each run.

    Raises:
        AssertionError: a run did not complete, or an app ended.
    """
    faces, folder, settings = place / "faces", place / "runs", place / "config.toml"
    settings.write_text(SETTINGS)
    assert fer("data", "demo", faces, "--per-class", "10").status == 0
    env = {"FER_TUI_CONFIG": str(settings), "XDG_STATE_HOME": str(place / "state")}
    app = TerminalApp("--data", faces, "--runs", folder, env=env, in_new_process=True)
    watcher = TerminalApp("--runs", folder, env={**env, "XDG_STATE_HOME": str(place / "other")}, in_new_process=True)
    try:
        watcher.press("3")
        queue(app, folder, runs)
        app.press("3")
        processes = {"the app": psutil.Process(app.process.pid), "the watcher": psutil.Process(watcher.process.pid)}
        samples: dict[str, list[Sample]] = {name: [] for name in processes}
        done = 0
        while done < runs:
            time.sleep(0.5)
            assert not app.has_ended and not watcher.has_ended
            ended = sum(read_run(run).state == "completed" for run in list_runs(folder))
            for _ in range(ended - done):
                for name, process in processes.items():
                    samples[name].append(sample(process))
            done = ended
        time.sleep(10)
        for name, process in processes.items():
            samples[name].append(sample(process))
        return samples
    finally:
        app.close()
        watcher.close()


def queue(app: TerminalApp, folder: Path, runs: int) -> None:
    """Start runs one after another without waiting for their end."""
    person = KeyboardUser(app)
    for number in range(runs):
        app.press("2")
        person.mark("model2")
        app.wait_for("Start 1 run")
        app.press("s")
        end = time.monotonic() + 60
        while len(list_runs(folder)) <= number:
            assert time.monotonic() < end, f"run {number + 1} was not created:\n{app.text}"
            time.sleep(0.05)


def print_table(samples: dict[str, Sequence[Sample]]) -> None:
    """Print the medians of each ten runs and the slope after the first twenty."""
    for name, each in samples.items():
        print(f"{name:12s} {'runs':>9s} {'MiB':>7s} {'threads':>8s} {'files':>6s} {'children':>9s}")
        while_busy = each[:-1]
        for start in range(0, len(while_busy), GROUP):
            part = while_busy[start : start + GROUP]
            memory = statistics.median(one.memory for one in part) / MIB
            told = [max(getattr(one, kind) for one in part) for kind in ("threads", "files", "children")]
            print(
                f"{'':12s} {start + 1:4d}-{start + len(part):<4d} {memory:7.1f} {told[0]:8d} {told[1]:6d} {told[2]:9d}"
            )
        late = while_busy[FIRST:]
        if len(late) > 1:
            slope = statistics.linear_regression(range(len(late)), [one.memory / MIB for one in late]).slope
            print(f"{'':12s} growth per run after the first {FIRST}: {slope:+.3f} MiB")
        last = each[-1]
        print(f"{'':12s} 10 s after the last run: {last.threads} threads, {last.files} files, {last.children} children")


if __name__ == "__main__":
    os.environ.pop("NO_COLOR", None)
    with tempfile.TemporaryDirectory() as folder:
        print_table(dict(soak(Path(folder), int((sys.argv[1:] or ["200"])[0]))))
