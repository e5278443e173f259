from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from textual.pilot import Pilot

from core.config import resolve
from core.run_writer import RunWriter, create_run
from core.runs import HISTORY_COLUMNS
from fer_tui.app import FerApp

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("picture")

SIZES = ((80, 24), (132, 43))
HOSTILE = ("[red]x[/]", "\x1b[31mred", "x" * 200, "高兴的脸", "[/not closed", "اسم")
Open = Callable[..., AbstractAsyncContextManager[Pilot[Any]]]
Until = Callable[[Pilot[Any], Callable[[], object]], Awaitable[None]]


@pytest.fixture(autouse=True)
def colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Screens as they are with colours, wherever the tests run."""
    monkeypatch.delenv("NO_COLOR", raising=False)


@pytest.fixture(params=SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    return request.param


@pytest.fixture
def epochs() -> Callable[[int], list[dict[str, float]]]:
    """The rows of a history that gets better by the epoch."""

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
    """A status of a run that this process works on."""
    started = psutil.Process().create_time()
    return {"state": "running", "pid": os.getpid(), "host": socket.gethostname(), "started": started, "message": ""}


@pytest.fixture
def begin_run(tmp_path: Path) -> Callable[[str], Path]:
    """Creates a queued run as `fer-tui train` does."""

    def begin(model: str = "compact") -> Path:
        return create_run(resolve({"data": str(tmp_path), "model": model, "epochs": 4}), tmp_path / "runs")

    return begin


@pytest.fixture
def writer() -> type[RunWriter]:
    return RunWriter


@pytest.fixture
def open_app(tmp_path: Path) -> Open:
    """Opens the app on tmp_path/runs; waits until the runs were looked at."""

    @asynccontextmanager
    async def opened(size: tuple[int, int] = (80, 24), data: Path | None = None) -> AsyncIterator[Pilot[Any]]:
        app = FerApp(data, tmp_path / "runs")
        async with app.run_test(size=size) as pilot:
            await wait_for(pilot, lambda: app.runs is not None and app.mode_screen is not None)
            await pilot.pause()
            yield pilot

    return opened


async def wait_for(pilot: Pilot[Any], condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        await pilot.pause(0.02)


@pytest.fixture
def until() -> Until:
    """Waits for a condition, with a deadline."""
    return wait_for


@pytest.fixture
def screen_text() -> Callable[[Pilot[Any]], str]:
    """What a person reads."""

    def text(pilot: Pilot[Any]) -> str:
        width, height = pilot.app.size
        lines = pilot.app.screen._compositor.render_strips()
        assert len(lines) == height and all(line.cell_length <= width for line in lines)
        return "\n".join(line.text for line in lines)

    return text


@pytest.fixture
def hostile() -> tuple[str, ...]:
    return HOSTILE
