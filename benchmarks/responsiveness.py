"""Measure how fast the screen responds during a training, and its cost: `python benchmarks/responsiveness.py DATA`.

The installed command runs in a pseudo-terminal of 132 x 43 and trains compact in its worker thread. During the second
epoch the script presses keys and measures the time from each key to the bytes that show its effect: letters in the
filter of Runs, the cursor in its table, and the modes. The later epochs, without keys, are compared with those of the
same training by `fer-tui train`, before and after. It takes about eight minutes on two idle cores.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

import pandas as pd
from installed import COMMAND
from terminal_app import KEYS, TerminalApp

from core.config.training_config import resolve
from core.runs.writer import create_run

EPOCHS, LIMIT, KEYS_PRESSED = 4, 3000, 150
SETTINGS = f"[train]\nepochs = {EPOCHS}\nlimit = {LIMIT}\n"
MODES = {"1": "validation", "4": "the best of our runs", "3": "run (UTC)"}
# Letters that appear nowhere else on the screen.
LETTERS = "zqxqzq"


class TimedTerminalApp(TerminalApp):
    """The app's terminal, which can measure when a text is written to it. It paints only while `is_painted` is true."""

    def __init__(self, *arguments: str | Path, cwd: Path) -> None:
        self._arrived = threading.Condition()
        self._since = b""
        self.is_painted = True
        super().__init__(*arguments, size=(132, 43), cwd=cwd)

    def response_seconds(self, key: str, effect: str) -> float:
        """Return the seconds from a key to the bytes that contain its effect.

        Raises:
            TimeoutError: the effect is not written within ten seconds.
        """
        with self._arrived:
            self._since = b""
            began = time.perf_counter()
            self.write(KEYS.get(key, key).encode())
            if not self._arrived.wait_for(lambda: effect.encode() in self._since, 10):
                raise TimeoutError(f"{key}: {effect!r} is not written")
            return time.perf_counter() - began

    def _take(self, name: str, content: bytes) -> None:
        with self._arrived:
            self._since += content
            self._arrived.notify_all()
        # Painting costs this process more than the app itself needs.
        if self.is_painted:
            super()._take(name, content)


def press_keys(app: TimedTerminalApp, names: list[str]) -> dict[str, list[float]]:
    """Press keys at the pace of an experienced user, and return the seconds by kind of key."""
    taken: dict[str, list[float]] = {"letter in the filter": [], "cursor in the table": [], "mode": []}
    draw = random.Random(0)
    while sum(map(len, taken.values())) < KEYS_PRESSED:
        app.press("/")
        time.sleep(0.5)
        typed = ""
        for letter in LETTERS:
            typed += letter
            taken["letter in the filter"].append(app.response_seconds(letter, typed))
            time.sleep(draw.uniform(0.1, 0.3))
        app.press("escape", "escape", "home")
        time.sleep(0.5)
        for name in names[:7]:
            taken["cursor in the table"].append(app.response_seconds("down", name[-4:]))
            time.sleep(draw.uniform(0.1, 0.3))
        for key, text in MODES.items():
            taken["mode"].append(app.response_seconds(key, text))
            time.sleep(draw.uniform(0.3, 0.6))
    return taken


def wait_for_epoch(run: Path, number: int) -> None:
    """Wait until a run has `number` finished epochs."""
    while len(seconds_of(run)) < number:
        time.sleep(0.2)


def seconds_of(run: Path) -> list[float]:
    """Return the seconds of every finished epoch."""
    try:
        return pd.read_csv(run / "history.csv")["seconds"].tolist()
    except (FileNotFoundError, pd.errors.EmptyDataError):
        return []


def by_command(data: Path, folder: Path) -> list[float]:
    """Train with the command and return the seconds of the epochs."""
    flags = ["--data", data, "--model", "compact", "--epochs", str(EPOCHS), "--limit", str(LIMIT), "--runs", folder]
    told = subprocess.run([COMMAND, "train", *flags, "--json"], check=True, capture_output=True).stdout
    return seconds_of(folder / json.loads(told)[0]["run"])


def in_app(data: Path, folder: Path) -> tuple[list[float], dict[str, list[float]]]:
    """Train on the screen and return the seconds of the epochs, and of the keys in the second epoch."""
    names = [create_run(resolve({"data": data, "model": "compact"}), folder).name for _ in range(20)][::-1]
    before = set(folder.iterdir())
    app = TimedTerminalApp("--data", data, "--runs", folder, cwd=folder.parent)
    try:
        app.wait_for("28,709")
        app.press("2")
        app.wait_for("About")
        app.press("space")
        app.wait_for("Start 1 run")
        app.press("s")
        while not (new := set(folder.iterdir()) - before):
            time.sleep(0.1)
        (run,) = new
        app.press("3")
        wait_for_epoch(run, 1)
        app.is_painted = False
        taken = press_keys(app, names)
        wait_for_epoch(run, EPOCHS)
        time.sleep(5)
    finally:
        app.close()
    return seconds_of(run), taken


def main(data: Path) -> None:
    """Print both tables."""
    data = data.resolve()
    with tempfile.TemporaryDirectory() as place:
        settings = Path(place) / "config.toml"
        settings.write_text(SETTINGS)
        os.environ |= {"FER_TUI_CONFIG": str(settings), "XDG_STATE_HOME": place}
        folder = Path(place) / "runs"
        command = by_command(data, Path(place) / "before")[2:]
        app, taken = in_app(data, folder)
        command += by_command(data, Path(place) / "after")[2:]
    print(f"compact on {LIMIT:,} images while keys are pressed    median ms    95 % ms    worst ms    keys")
    for kind, seconds in [*taken.items(), ("all", [one for each in taken.values() for one in each])]:
        ms = [1000 * one for one in seconds]
        high = statistics.quantiles(ms, n=20)[-1]
        print(f"{kind:48s} {statistics.median(ms):12.0f} {high:10.0f} {max(ms):11.0f} {len(ms):7d}")
    ours, theirs = statistics.mean(app[2:]), statistics.mean(command)
    print(
        f"\none epoch: {ours:.2f} s on the screen ({app[1]:.2f} s with keys), {theirs:.2f} s by the command", end="; "
    )
    print(f"ratio {ours / theirs:.3f}")
    print("epochs:", " ".join(f"{one:.2f}" for one in app), "|", " ".join(f"{one:.2f}" for one in command))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python benchmarks/responsiveness.py DATA    (such as ../shared/data, unpacked)")
    main(Path(sys.argv[1]))
