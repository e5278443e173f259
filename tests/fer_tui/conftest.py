from __future__ import annotations

import os
import shutil
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from textual.pilot import Pilot

from core.config.training_config import resolve
from core.data.dataset import fingerprint
from core.data.readers.reader_factory import read_dataset
from core.data.splits import with_validation_split
from core.evaluation.metrics import evaluate
from core.runs.history import HISTORY_COLUMNS
from core.runs.predictions import predictions_table
from core.runs.writer import RunWriter, create_run
from core.system.hardware import SystemLoad
from core.training import estimate
from fer_tui.app import FerApp
from fer_tui.screens.runs import RunsScreen
from fer_tui.state import watchers as watcher
from fer_tui.user_settings import UserSettings

pytest.register_assert_rewrite("picture")
GIB = 1024**3
JUDGED = "20260101-000000-000-compact-aaa1"

SIZES = ((80, 24), (132, 43))
# `make test` tests what the keys do in the smaller terminal, and the snapshots show every screen at both sizes.
TESTED_SIZES = SIZES if os.environ.get("FER_FAULTS") == "whole" else SIZES[:1]
HOSTILE = ("[red]x[/]", "\x1b[31mred", "x" * 200, "高兴的脸", "[/not closed", "اسم")
Open = Callable[..., AbstractAsyncContextManager[Pilot[Any]]]
Until = Callable[[Pilot[Any], Callable[[], object]], Awaitable[None]]


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enable colours for the screens in every environment."""
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture(params=TESTED_SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    return request.param


@pytest.fixture
def epochs() -> Callable[[int], list[dict[str, float]]]:
    """Return the rows of a history that improves with each epoch."""

    def rows(count: int) -> list[dict[str, float]]:
        made = []
        for epoch in range(1, count + 1):
            row = dict.fromkeys(HISTORY_COLUMNS, 0.5)
            row |= {"epoch": epoch, "loss": 2 / epoch, "val_loss": 2.2 / epoch, "val_accuracy": 1 - 0.8 / epoch}
            made.append(row | {"seconds": 10.0, "images_per_second": 321.0})
        return made

    return rows


@pytest.fixture
def alive() -> Mapping[str, Any]:
    """Return the status of a run that this process trains."""
    started = psutil.Process().create_time()
    return {"state": "running", "pid": os.getpid(), "host": socket.gethostname(), "started": started, "message": ""}


@pytest.fixture
def begin_run(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that creates a queued run like `fer-tui train`."""

    def begin(model: str = "compact") -> Path:
        return create_run(resolve({"data": str(tmp_path), "model": model, "epochs": 4}), tmp_path / "runs")

    return begin


@pytest.fixture
def writer() -> type[RunWriter]:
    return RunWriter


@pytest.fixture
def open_app(tmp_path: Path) -> Open:
    """Return a function that opens the app on tmp_path/runs and waits for the first poll."""

    @asynccontextmanager
    async def opened(size: tuple[int, int] = (80, 24), data: Path | None = None) -> AsyncIterator[Pilot[Any]]:
        app = FerApp(data, tmp_path / "runs")
        async with app.run_test(size=size) as pilot:
            await wait_for(pilot, lambda: app.runs is not None and is_whole(app))
            await pilot.pause()
            yield pilot

    return opened


def is_whole(app: FerApp) -> bool:
    """Return whether the mode's screen is complete; the tabs of Runs appear after its first paint."""
    screen = app.mode_screen
    if not isinstance(screen, RunsScreen):
        return screen is not None
    return screen.is_mounted and screen.tabs is not None


async def wait_for(pilot: Pilot[Any], condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline, "the condition did not become true"
        await pilot.pause(0.02)


@pytest.fixture
def write_evaluated_run(
    write_run: Callable[..., Path], epochs: Callable[[int], list[dict[str, float]]]
) -> Callable[..., Path]:
    """Return a function that writes a completed run with random predictions for the validation images of a data set."""

    def write(root: Path, name: str = JUDGED, seed: int = 0, **given: Any) -> Path:
        dataset = with_validation_split(read_dataset(root), 0.2)
        frame, classes = dataset.split("validation"), list(dataset.classes)
        shares = np.random.default_rng(seed).dirichlet(np.full(len(classes), 0.3), len(frame))
        labels, paths = frame["label"].tolist(), frame["path"].tolist()
        environment = {"data": str(root), "classes": classes, "fingerprint": fingerprint(dataset)}
        evaluation = {**evaluate(labels, shares, classes), "warnings": []}
        defaults = {"config": {"validation_share": 0.2}, "history": epochs(2)}
        run = write_run(name, **(defaults | {"environment": environment, "evaluation": evaluation} | given))
        (run / "predictions.csv").write_bytes(predictions_table(paths, labels, shares, classes))
        return run

    return write


@pytest.fixture
def until() -> Until:
    """Return a function that waits for a condition, with a deadline."""
    return wait_for


@pytest.fixture
def screen_text() -> Callable[[Pilot[Any]], str]:
    """Return a function that returns the text of the screen."""

    def text(pilot: Pilot[Any]) -> str:
        width, height = pilot.app.size
        lines = pilot.app.screen._compositor.render_strips()
        assert len(lines) == height and all(line.cell_length <= width for line in lines)
        return "\n".join(line.text for line in lines)

    return text


@pytest.fixture
def hostile() -> tuple[str, ...]:
    return HOSTILE


@pytest.fixture
def deterministic_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Replace what differs between machines by fixed values: the folder's name, the load, the speed, the terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(watcher, "sample_load", lambda: SystemLoad(37, 5 * GIB, 16 * GIB))
    monkeypatch.setattr(estimate, "measure_pace", lambda: estimate.Pace(4e-12, "from a short test of this CPU"))
    for name in ("FORCE_COLOR", "FER_TUI_RUNS", "TEXTUAL_THEME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")


@pytest.fixture
def open_scene(deterministic_environment: None, write_run: Callable[..., Path], alive: Mapping[str, Any]) -> Open:
    """Return a function that opens the app at 80x24 and opens a scene of scenes.py by its name."""
    import worlds
    from picture import capture_screen, text_of
    from scenes import SCENES

    async def see(pilot: Pilot[Any], words: str) -> None:
        try:
            await wait_for(pilot, lambda: words in text_of(capture_screen(pilot.app)))
        except AssertionError as error:
            raise AssertionError(f"'{words}' did not appear:\n{text_of(capture_screen(pilot.app))}") from error

    @asynccontextmanager
    async def opened(name: str) -> AsyncIterator[Pilot[Any]]:
        for folder in ("runs", "faces"):
            shutil.rmtree(folder, ignore_errors=True)
        scene = next(scene for scene in SCENES if scene.name == name)
        faces = worlds.write_faces(Path("faces"))
        if scene.has_damaged_faces:
            worlds.damage_faces(faces)
        scene.world(write_run, alive)
        app = FerApp(Path(scene.data) if scene.data else None, Path("runs"), settings=UserSettings(theme="fer-dark"))
        app.animation_level = "none"
        async with app.run_test(size=SIZES[0]) as pilot:
            await wait_for(pilot, lambda: app.runs is not None and is_whole(app))
            for step in scene.steps:
                if callable(step):
                    step(pilot)
                elif step.startswith("see:"):
                    await see(pilot, step.removeprefix("see:"))
                else:
                    await pilot.press(step)
                    await wait_for(pilot, lambda: is_whole(app))
            yield pilot

    return opened
