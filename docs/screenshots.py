"""Draw the guide's pictures of the app (`make screenshots`).

    python docs/screenshots.py [FOLDER]      # default: docs/images

It trains small models on drawn faces and draws the real screens. It takes a few minutes on two cores. It works in a
temporary folder with relative paths, so that no picture shows where or by whom it was made.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

from drawing import svg
from textual.pilot import Pilot
from textual.widgets import Static

from core.runs.reader import RunSnapshot, list_runs
from fer_tui.app import FerApp

IMAGES = Path(__file__).parent / "images"
# Columns and rows: the smallest supported size, and sizes that are readable on a page.
SMALL, USUAL, WIDE = (80, 24), (116, 32), (132, 38)
# Seconds to wait; a busy machine needs far less.
DEADLINE = 1200.0
SHARED = "--data faces --width 0.5 --image-size 48 --channels 1 --batch-size 32 --learning-rate 2e-3"
TRAININGS = (
    f"{SHARED} --model compact --model model2 --augmentation none --epochs 15",
    f"{SHARED} --model compact --augmentation none --epochs 15 --control noise",
)
LIVE = f"{SHARED} --model compact --augmentation none --epochs 30"
LIVE_EPOCHS = 11


def fer_tui(*arguments: str) -> list[str]:
    """Return the command line of a fer-tui command, run by this Python."""
    return [sys.executable, "-m", "fer_tui", *arguments]


@contextlib.contextmanager
def temporary_workspace() -> Iterator[None]:
    """Change to a temporary folder with its own settings and state, and restore everything afterwards."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="fer-tui-pictures-") as place:
        kept = dict(os.environ)
        for name in ("FER_TUI_CONFIG", "FER_TUI_RUNS", "NO_COLOR"):
            os.environ.pop(name, None)
        for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
            os.environ[name] = str(Path(place) / ".own")
        os.chdir(place)
        try:
            yield
        finally:
            os.chdir(before)
            os.environ.clear()
            os.environ.update(kept)


@contextlib.asynccontextmanager
async def opened(size: tuple[int, int]) -> AsyncIterator[Pilot[Any]]:
    """Open the app on `faces` and `runs`, and wait until both are read."""
    app = FerApp(Path("faces"), Path("runs"))
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.runs is not None and app.counts and app.load is not None)
        yield pilot


async def until(pilot: Pilot[Any], condition: Callable[[], object]) -> None:
    """Wait until the condition is true and the screen is drawn."""
    end = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError("the screen does not show the picture's content")
        await pilot.pause(0.05)
    await pilot.pause(0.3)


def widget_text(pilot: Pilot[Any], selector: str) -> str:
    """Return a widget's text."""
    return str(pilot.app.screen.query_one(selector).render())


def shorten(pilot: Pilot[Any], *selectors: str) -> None:
    """Replace absolute paths in widgets by paths relative to the current folder."""
    for selector in selectors:
        widget = pilot.app.screen.query_one(selector, Static)
        widget.update(str(widget.render()).replace(f"{Path.cwd()}/", ""))


class Album:
    """Writes the pictures to a folder."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder

    def take(self, pilot: Pilot[Any], name: str, description: str) -> None:
        """Write the screen to NAME.svg, unless it shows a path or name of this machine."""
        drawn = svg(pilot.app, description)
        for secret in {
            str(Path.cwd()),
            str(Path.home()),
            tempfile.gettempdir(),
            socket.gethostname(),
            getpass.getuser(),
        }:
            if re.search(rf"(?<!\w){re.escape(secret)}(?!\w)", drawn):
                raise ValueError(f"{name}: the picture shows '{secret}', which belongs to this machine")
        if re.search(r"https?://(?!www\.w3\.org/2000/svg)", drawn):
            raise ValueError(f"{name}: the picture contains a URL")
        (self.folder / f"{name}.svg").write_text(drawn, encoding="utf-8")
        print(f"{name}.svg: {len(drawn.encode()) / 1000:.0f} kB", flush=True)


async def take_finished(album: Album) -> None:
    """Take the pictures that need only finished runs."""
    for size, name in ((USUAL, "data"), (SMALL, "data-80x24")):
        async with opened(size) as pilot:
            await until(
                pilot,
                lambda: "wrong" in widget_text(pilot, "#data-state") or "finding" in widget_text(pilot, "#data-state"),
            )
            album.take(pilot, name, "The Data screen: counts of every class and split beside a grid of drawn faces")
    async with opened(USUAL) as pilot:
        await pilot.press("2", "space", "down", "down", "space")
        await until(
            pilot,
            lambda: "About" in widget_text(pilot, "#model-note") and "2 runs" in widget_text(pilot, "#start-state"),
        )
        shorten(pilot, "#command", "#start-state")
        album.take(pilot, "train", "The Train screen: models to choose beside the form of their settings")
        await pilot.press("3", "question_mark")
        await pilot.pause(0.3)
        album.take(pilot, "help", "The help: the keys of the Runs screen, each with what it does")
        await pilot.press("escape", "ctrl+p", *"comp")
        await until(pilot, lambda: pilot.app.screen.query("CommandList").first().has_class("--visible"))
        album.take(pilot, "palette", "The palette with what 'comp' finds: modes, actions, models and runs")
        await pilot.press("escape")
    async with opened(WIDE) as pilot:
        await pilot.press("4")
        await pilot.pause(0.3)
        album.take(pilot, "compare", "The Compare screen: runs, baselines and the article's rows in one table")
        await pilot.press("e")
        await pilot.pause(0.3)
        album.take(pilot, "export", "The export dialog: a file's name and four formats")
    async with opened(WIDE) as pilot:
        await pilot.press("5")
        # Skip the noise control, whose mistakes are meaningless, and model2.
        await pilot.press("right_square_bracket", "right_square_bracket")
        await until(
            pilot,
            lambda: "mistakes" in widget_text(pilot, "#faces-title") and "-" in widget_text(pilot, "#faces-title"),
        )
        album.take(
            pilot, "inspect", "The Inspect screen: a confusion matrix beside the faces that the run got most wrong"
        )


async def take_live(album: Album) -> None:
    """Take the pictures of a run that is still training."""

    def is_under_way(run: RunSnapshot) -> bool:
        batch, batches = run.status.get("batch") or 0, run.status.get("batches") or 1
        return run.state == "running" and len(run.history) >= LIVE_EPOCHS and 0.3 <= batch / batches <= 0.8

    for size, name in ((USUAL, "runs"), (SMALL, "runs-80x24")):
        async with opened(size) as pilot:
            await pilot.press("3")
            await until(pilot, lambda: is_under_way(pilot.app.runs[0]))  # pyright: ignore
            album.take(pilot, name, "The Runs screen: the list of runs and one of them live, with its loss over epochs")


def main(folder: Path) -> None:
    """Train the models and take all pictures."""
    album = Album(folder.absolute())
    with temporary_workspace():
        subprocess.run(fer_tui("data", "demo", "faces", "--per-class", "100"), check=True)
        for flags in TRAININGS:
            subprocess.run(fer_tui("train", *flags.split()), check=True, stdout=subprocess.DEVNULL)
        asyncio.run(take_finished(album))
        before = list_runs(Path("runs"))
        live = subprocess.Popen(fer_tui("train", *LIVE.split()), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            # The app opens with the cursor on the newest run.
            while list_runs(Path("runs")) == before and live.poll() is None:
                time.sleep(0.1)
            asyncio.run(take_live(album))
        finally:
            live.terminate()
            live.wait()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES)
