"""Compare the first paint of `fer-tui` with that of a Textual app with one label: `python benchmarks/startup.py`.

Both start in turns in a pseudo-terminal of 80 x 24 and are timed to the first frame with content. `fer-tui` opens an
empty folder, as for a new user, and a folder of 20 runs. It takes about a minute.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "support"))

from installed import COMMAND
from terminal_app import TerminalApp

from core.config.training_config import resolve
from core.runs.writer import create_run

ROUNDS = 10
BARE = """
from textual.app import App
from textual.widgets import Label
class Bare(App):
    def compose(self):
        yield Label("a bare app")
Bare().run()
"""


def first_paint(command: tuple[str | Path, ...], content: str) -> float:
    """Return the seconds from the start of a command to the frame that contains `content`."""
    began = time.perf_counter()
    app = TerminalApp(command=command)
    app.wait_for(content)
    seconds = time.perf_counter() - began
    app.press("ctrl+q")
    app.wait()
    return seconds


def main() -> None:
    """Print the medians and ratios."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "runs"
        for _ in range(20):
            create_run(resolve({"data": place, "model": "compact"}), folder)
        sides = {
            "bare Textual app": ((sys.executable, "-c", BARE), "a bare app"),
            "fer-tui, no runs": ((COMMAND, "--runs", Path(place) / "none"), "No data set is open"),
            "fer-tui, 20 runs": ((COMMAND, "--runs", folder), "compact"),
        }
        taken: dict[str, list[float]] = {side: [] for side in sides}
        for number in range(-1, ROUNDS):
            for side, (command, content) in sides.items():
                seconds = first_paint(command, content)
                # The first start of each loads its files into the disk cache.
                if number >= 0:
                    taken[side].append(seconds)
    bare = statistics.median(taken["bare Textual app"])
    print(f"first paint, median of {ROUNDS}    seconds    fastest    ratio")
    for side, seconds in taken.items():
        median = statistics.median(seconds)
        print(f"{side:29s} {median:9.2f} {min(seconds):10.2f} {median / bare:8.2f}")


if __name__ == "__main__":
    main()
