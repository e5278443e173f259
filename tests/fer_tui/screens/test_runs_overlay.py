"""Several marked runs in one plot; the order of the list."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot

from core.runs.history import HISTORY_COLUMNS
from fer_tui.widgets.line_plot import LinePlot
from fer_tui.widgets.metric_plot import MetricPlot
from fer_tui.widgets.overlay import RUN_MARKERS
from fer_tui.widgets.run_table import RunTable

NAMES = [f"2026010{day}-030405-006-compact-aaa{day}" for day in range(1, 6)]


def plot(pilot: Pilot[Any]):
    return pilot.app.screen.query_one(MetricPlot)


def places(pilot: Pilot[Any]):
    return {one.name: one.slot for one in plot(pilot).overlaid}


def names(pilot: Pilot[Any]):
    return [row.key.value for row in pilot.app.screen.query_one(RunTable).ordered_rows]


@pytest.fixture
def four_runs(write_run: Callable[..., Path], epochs: Callable[[int], list[dict[str, float]]]):
    for number, name in enumerate(NAMES[:4]):
        write_run(name, history=epochs(3 + number))


@pytest.fixture
def drawings(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A list that gets an item for every drawing of the plot."""
    drawn: list[int] = []
    plotted = LinePlot.plotted

    def counted(self: LinePlot, *args: Any, **options: Any) -> Any:
        drawn.append(len(args[0]))
        return plotted(self, *args, **options)

    monkeypatch.setattr(LinePlot, "plotted", counted)
    yield drawn


async def test_marked_runs_are_drawn_in_one_plot(
    open_app: Callable[..., Any],
    four_runs: None,
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    size: tuple[int, int],
):
    async with open_app(size) as pilot:
        await until(pilot, lambda: "kept, epoch 6" in screen_text(pilot))
        await pilot.press("space")
        assert not plot(pilot).overlaid  # a single marked run shows train and validation
        await pilot.press("down", "space", "down", "space")
        await until(pilot, lambda: "v validation" in screen_text(pilot))
        shown = screen_text(pilot)
        assert all(f"{RUN_MARKERS[place]} compact aaa{4 - place}" in shown for place in range(3))
        assert "kept" not in shown.split("v validation")[1]
        assert [[y for _, y in one.points] for one in plot(pilot).series()] == [
            pytest.approx([2.2 / epoch for epoch in range(1, count + 1)]) for count in (6, 5, 4)
        ]
        await pilot.press("v", "m")
        await until(pilot, lambda: "v train" in screen_text(pilot) and "m accuracy" in screen_text(pilot))
        assert {y for one in plot(pilot).series() for _, y in one.points} == {0.5}
        await pilot.press("space", "up", "space")
        await until(pilot, lambda: "train  ▀▀ validation" in screen_text(pilot))


async def test_a_run_keeps_its_sign_and_colour_as_long_as_it_is_marked(
    open_app: Callable[..., Any], four_runs: None, until: Callable[..., Any]
):
    async with open_app() as pilot:
        await until(pilot, lambda: names(pilot) == NAMES[3::-1])
        await pilot.press("down", "down", "space", "up", "space")  # the third, then the second
        assert places(pilot) == {NAMES[1]: 0, NAMES[2]: 1}
        await pilot.press("up", "space")
        assert places(pilot) == {NAMES[1]: 0, NAMES[2]: 1, NAMES[3]: 2}
        await pilot.press("down", "down", "space")
        assert places(pilot) == {NAMES[2]: 1, NAMES[3]: 2}
        marks = [pilot.app.screen.query_one(RunTable).get_cell(name, "mark") for name in names(pilot)]
        variables = pilot.app.theme_variables
        assert [mark.plain.strip() for mark in marks] == [RUN_MARKERS[2], RUN_MARKERS[1], "", ""]
        assert [mark.style for mark in marks[:2]] == [variables["series-3"], variables["series-2"]]
        assert [one.colour for one in plot(pilot).series()] == ["series-2", "series-3"]


async def test_more_runs_than_places_are_told(
    open_app: Callable[..., Any],
    write_run: Callable[..., Path],
    epochs: Callable[[int], list[dict[str, float]]],
    until: Callable[..., Any],
    screen_text: Callable[..., str],
):
    marked = [f"20260102-030405-{number:03}-compact-bb{number:02}" for number in range(len(RUN_MARKERS) + 2)]
    for name in marked:
        write_run(name, history=epochs(2))
    async with open_app((132, 43)) as pilot:
        await until(pilot, lambda: len(names(pilot)) == len(marked))
        pilot.app.marked = frozenset(marked)
        await until(pilot, lambda: "and 2 more" in screen_text(pilot))
        assert len(plot(pilot).overlaid) == len(RUN_MARKERS)


async def test_the_plot_is_drawn_again_when_an_epoch_comes_and_not_at_a_heartbeat(
    open_app: Callable[..., Any],
    write_run: Callable[..., Path],
    epochs: Callable[[int], list[dict[str, float]]],
    alive: dict[str, Any],
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    drawings: list[int],
):
    import json

    write_run(NAMES[0], history=epochs(3))
    running = write_run(NAMES[1], history=epochs(2), status=alive)
    async with open_app() as pilot:
        await until(pilot, lambda: names(pilot))
        await pilot.press("space", "down", "space", "up")
        await until(pilot, lambda: "● aaa" in screen_text(pilot) or "● compact" in screen_text(pilot))
        await pilot.pause()
        before = len(drawings)
        for batch in (1, 2, 3):
            told = json.dumps({**alive, "epoch": 3, "batch": batch, "batches": 9})
            (running / "status.json").write_text(told)
            await until(pilot, lambda batch=batch: f"{batch}/9" in screen_text(pilot))
        assert len(drawings) == before
        with (running / "history.csv").open("a", newline="") as file:
            csv.DictWriter(file, HISTORY_COLUMNS, lineterminator="\n").writerow(epochs(3)[2])
        await until(pilot, lambda: len(plot(pilot).overlaid[0].history) == 3)
        await until(pilot, lambda: len(drawings) == before + 1)


async def test_a_run_that_appears_stands_at_its_place_in_the_list(
    open_app: Callable[..., Any], write_run: Callable[..., Path], until: Callable[..., Any]
):
    write_run(NAMES[0])
    write_run(NAMES[3])
    async with open_app() as pilot:
        await until(pilot, lambda: names(pilot) == [NAMES[3], NAMES[0]])
        write_run(NAMES[1])
        await until(pilot, lambda: len(names(pilot)) == 3)
        assert names(pilot) == [NAMES[3], NAMES[1], NAMES[0]]
        write_run(NAMES[4])
        write_run(NAMES[2])
        await until(pilot, lambda: len(names(pilot)) == 5)
        assert names(pilot) == NAMES[::-1]
