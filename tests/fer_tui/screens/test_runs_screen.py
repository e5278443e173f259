from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from core.config.training_config import resolve
from core.runs.writer import RunWriter
from core.system.processes import this_process
from fer_tui.app import FerApp
from fer_tui.dialogs.ask_number import AskNumberScreen
from fer_tui.dialogs.ask_path import AskPathScreen
from fer_tui.dialogs.confirm import ConfirmScreen
from fer_tui.screens.runs import RunsScreen
from fer_tui.widgets.metric_plot import MetricPlot
from fer_tui.widgets.run_detail import RunDetail, bar, format_duration
from fer_tui.widgets.run_table import RunTable

FIRST, SECOND = "20260101-000000-000-compact-aaaa", "20260102-030405-006-model2-bbbb"


def names(pilot: Pilot[Any]):
    return [row.key.value for row in pilot.app.screen.query_one(RunTable).ordered_rows]


async def test_runs_newest_first_with_words_for_their_states(
    open_app: Callable[..., Any],
    write_run: Callable[..., Path],
    epochs: Callable[[int], list[dict[str, float]]],
    screen_text: Callable[..., str],
    size: tuple[int, int],
):
    write_run(FIRST, history=epochs(3))
    write_run(SECOND, config={"model": "model2"}, status={"state": "failed", "message": "disk full"})
    async with open_app(size) as pilot:
        await pilot.pause()
        assert names(pilot) == [SECOND, FIRST]
        shown = screen_text(pilot)
        assert all(word in shown for word in ("completed", "failed", "disk full", "model2", "3/3"))


async def test_empty_says_what_to_do(
    open_app: Callable[..., Any], until: Callable[..., Any], screen_text: Callable[..., str], size: tuple[int, int]
):
    async with open_app(size) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "fer-tui train --data" in screen_text(pilot))


async def test_a_growing_history_is_seen(
    open_app: Callable[..., Any],
    begin_run: Callable[..., Path],
    writer: type[RunWriter],
    epochs: Callable[[int], list[dict[str, float]]],
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    size: tuple[int, int],
):
    path = begin_run()
    with writer(path, threading.Event()) as run:
        async with open_app(size) as pilot:
            await until(pilot, lambda: "running" in screen_text(pilot))
            table = pilot.app.screen.query_one(RunTable)
            for row in epochs(2):
                run.append_epoch(row)
                run.update(epoch=int(row["epoch"]) + 1, batch=5, batches=10)
                done = f"{row['epoch']}/4"
                await until(pilot, lambda done=done: done in screen_text(pilot))
            await until(pilot, lambda: "5/10" in screen_text(pilot) and "321 images/s" in screen_text(pilot))
            await until(pilot, lambda: "0:15 left" in screen_text(pilot))
            assert len(pilot.app.screen.query_one(MetricPlot).history) == 2
            assert pilot.app.screen.query_one(RunTable) is table


async def test_a_dead_process_is_shown_interrupted(
    open_app: Callable[..., Any],
    write_run: Callable[..., Path],
    alive: dict[str, Any],
    until: Callable[..., Any],
    screen_text: Callable[..., str],
):
    write_run(status={**alive, "pid": 2**22 + 1})
    async with open_app() as pilot:
        await until(pilot, lambda: "interrupted" in screen_text(pilot))


async def test_a_new_run_leaves_the_cursor_on_its_run(
    open_app: Callable[..., Any], write_run: Callable[..., Path], until: Callable[..., Any]
):
    write_run(FIRST)
    async with open_app() as pilot:
        await until(pilot, lambda: pilot.app.screen.chosen)
        write_run(SECOND)
        await until(pilot, lambda: names(pilot) == [SECOND, FIRST])
        assert pilot.app.screen.chosen.name == FIRST


async def test_the_first_of_the_runs_that_are_started_together_has_the_cursor(
    open_app: Callable[..., Any], begin_run: Callable[..., Path], until: Callable[..., Any]
):
    async with open_app() as pilot:
        await pilot.press("3")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen))
        first = begin_run("compact")
        # The screen does not know the run yet, so the request has to wait.
        pilot.app.wanted_run = first.name
        begin_run("model2")
        pilot.app.poller.poll_now()
        table = pilot.app.screen.query_one(RunTable)
        await until(pilot, lambda: table.row_count == 2 and table.chosen == first.name)
        assert pilot.app.wanted_run == ""


async def test_a_start_asks_for_the_cursor_on_its_first_run(
    open_app: Callable[..., Any], until: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
):
    begun: list[list[Path]] = []

    async def begin(self: FerApp, runs: list[Path], *, detached: bool) -> None:
        begun.append(runs)
        self.poller.poll_now()

    monkeypatch.setattr(FerApp, "_start_runs", begin)
    async with open_app() as pilot:
        await pilot.press("3")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunsScreen))
        await pilot.app.submit(
            [resolve({"data": "faces", "model": name}) for name in ("compact", "model2")], detached=True
        )
        ((first, second),) = begun
        table = pilot.app.screen.query_one(RunTable)
        await until(pilot, lambda: table.row_count == 2 and table.chosen == first.name)
        assert first.name < second.name


async def test_the_filter(open_app: Callable[..., Any], write_run: Callable[..., Path], until: Callable[..., Any]):
    write_run(FIRST)
    write_run(SECOND, config={"model": "model2"}, status={"state": "failed"})
    async with open_app() as pilot:
        await pilot.press("slash", *"model2")
        assert isinstance(pilot.app.focused, Input)
        await until(pilot, lambda: names(pilot) == [SECOND])
        assert pilot.app.screen.MODE == "runs"  # the field got the digit 2
        await pilot.press("enter")
        assert isinstance(pilot.app.focused, RunTable)
        assert names(pilot) == [SECOND]
        await pilot.press("escape")
        await until(pilot, lambda: names(pilot) == [SECOND, FIRST])
        await pilot.press("slash", *"nothing like it")
        await until(pilot, lambda: names(pilot) == [])
        assert pilot.app.screen.chosen is None
        await pilot.press("escape")
        await until(pilot, lambda: len(names(pilot)) == 2 and pilot.app.screen.chosen)


async def test_the_keys_of_the_plot(
    open_app: Callable[..., Any],
    write_run: Callable[..., Path],
    epochs: Callable[[int], list[dict[str, float]]],
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    size: tuple[int, int],
):
    write_run(history=epochs(5))
    async with open_app(size) as pilot:
        await until(pilot, lambda: "kept, epoch 5" in screen_text(pilot))
        plot = pilot.app.screen.query_one(MetricPlot)
        for metric in ("accuracy", "precision", "recall", "loss"):
            await pilot.press("m")
            assert plot.view.metric == metric
        await pilot.press("l", "s")
        await until(pilot, lambda: "m loss  l log axis  s smoothed" in screen_text(pilot))
        await pilot.press("l", "s")
        await until(pilot, lambda: "m loss  l linear axis  s unsmoothed" in screen_text(pilot))
        # A click on each word does the same.
        for word, after in (("loss", "m accuracy"), ("linear axis", "l log axis"), ("unsmoothed", "s smoothed")):
            column = screen_text(pilot).split("m ")[-1].index(word) if word != "loss" else 0
            await pilot.click(MetricPlot, offset=(column + 2, 0))
            await until(pilot, lambda after=after: after in screen_text(pilot))


async def test_a_history_without_figures_is_no_error(
    open_app: Callable[..., Any],
    write_run: Callable[..., Path],
    epochs: Callable[[int], list[dict[str, float]]],
    until: Callable[..., Any],
    screen_text: Callable[..., str],
):
    nan = float("nan")
    write_run(history=[{key: value if key == "epoch" else nan for key, value in row.items()} for row in epochs(2)])
    async with open_app() as pilot:
        await pilot.press("l", "m", "s")
        await until(pilot, lambda: "2/3" in screen_text(pilot))


async def test_the_log_counts_what_is_unread(
    open_app: Callable[..., Any],
    write_run: Callable[..., Path],
    alive: dict[str, Any],
    epochs: Callable[[int], list[dict[str, float]]],
    until: Callable[..., Any],
    screen_text: Callable[..., str],
):
    run = write_run(status=alive, history=epochs(1))
    (run / "log.txt").write_text("first\n[bold]markup[/bold] \x1b[31mred\n")
    async with open_app() as pilot:
        detail = pilot.app.screen.query_one(RunDetail)
        await until(pilot, lambda: detail.query_one("Log").line_count >= 2)
        with (run / "log.txt").open("a") as log:
            log.write("third\n")
        await until(pilot, lambda: "Log (1 new)" in screen_text(pilot))
        await pilot.press("o")
        await until(pilot, lambda: "third" in screen_text(pilot) and "new)" not in screen_text(pilot))
        assert "[bold]markup[/bold] \\x1b[31mred" in screen_text(pilot)
        await pilot.press("o")
        await until(pilot, lambda: "third" not in screen_text(pilot))


async def test_marking(open_app: Callable[..., Any], write_run: Callable[..., Path]):
    write_run(FIRST)
    async with open_app() as pilot:
        await pilot.press("space")
        assert pilot.app.marked == {FIRST}
        await pilot.press("space")
        assert not pilot.app.marked


async def test_stop_asks_and_then_asks_the_run(
    open_app: Callable[..., Any], write_run: Callable[..., Path], alive: dict[str, Any], until: Callable[..., Any]
):
    run = write_run(status=alive)
    async with open_app() as pilot:
        await until(pilot, lambda: pilot.app.screen.chosen)
        await pilot.press("x")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        await pilot.press("n")
        await until(pilot, lambda: not isinstance(pilot.app.screen, ConfirmScreen))
        assert not (run / "stop").exists()
        await pilot.press("delete")  # no effect while the run trains
        assert not isinstance(pilot.app.screen, ConfirmScreen)
        await pilot.press("x", "y")
        await until(pilot, (run / "stop").exists)


async def test_delete_asks_and_then_deletes(
    open_app: Callable[..., Any], write_run: Callable[..., Path], until: Callable[..., Any], size: tuple[int, int]
):
    run = write_run(FIRST)
    write_run(SECOND)
    async with open_app(size) as pilot:
        await until(pilot, lambda: len(names(pilot)) == 2)
        await pilot.press("down", "x")  # no effect: the run has ended
        assert not isinstance(pilot.app.screen, ConfirmScreen)
        await pilot.press("delete")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        await pilot.press("enter")  # "no" has the focus
        await until(pilot, lambda: not isinstance(pilot.app.screen, ConfirmScreen))
        assert run.exists()
        await pilot.press("delete", "y")
        await until(pilot, lambda: names(pilot) == [SECOND])
        assert not run.exists()


async def test_what_keeps_a_run_from_being_deleted_is_told(
    open_app: Callable[..., Any], write_run: Callable[..., Path], until: Callable[..., Any]
):
    run = write_run(FIRST)
    async with open_app() as pilot:
        await until(pilot, lambda: names(pilot) == [FIRST])
        (run / "lock").write_text(json.dumps({**this_process(), "token": "another"}))
        await pilot.press("delete", "y")
        await until(pilot, lambda: "is working on it" in "".join(told.message for told in pilot.app._notifications))
        assert run.exists()


async def test_hostile_names_show_harmlessly(
    open_app: Callable[..., Any],
    write_run: Callable[..., Path],
    epochs: Callable[[int], list[dict[str, float]]],
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    hostile: tuple[str, ...],
    size: tuple[int, int],
):
    for name in hostile:
        told = {"state": "failed", "message": f"[b]{name}"}
        if "/" not in name:
            write_run(name, config={"model": name}, status=told, history=epochs(1))
        else:
            write_run(f"2026-{len(name)}", config={"model": name}, status=told)
    async with open_app(size) as pilot:
        await until(pilot, lambda: len(names(pilot)) == len(hostile))
        for _ in hostile:
            await pilot.press("down")
            await pilot.pause()
            assert "\x1b" not in screen_text(pilot)
        assert "[red]x[/]" in screen_text(pilot)
        await pilot.press("delete")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        assert "\x1b" not in screen_text(pilot)
        await pilot.press("n", "4")
        await until(pilot, lambda: "x (article)" not in screen_text(pilot) and "even" not in screen_text(pilot))
        assert "\x1b" not in screen_text(pilot)


@pytest.mark.parametrize(("seconds", "shown"), [(5, "0:05"), (61, "1:01"), (3_725, "1:02:05")])
def test_durations(seconds: float, shown: str):
    assert format_duration(seconds) == shown


def test_a_bar_is_empty_half_and_full():
    assert [bar(part, 4, 4) for part in (0, 2, 4, 9)] == ["░░░░", "██░░", "████", "████"]
    assert bar(1, 0, 2) == "░░"


async def test_resume_asks_for_data_that_are_missing(
    open_app: Callable[..., Any],
    write_run: Callable[..., Path],
    epochs: Callable[[int], list[dict[str, float]]],
    until: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
):
    resumed: list[tuple[object, ...]] = []

    async def resume(self: FerApp, *told: object) -> None:
        resumed.append(told)

    monkeypatch.setattr(FerApp, "resume_run", resume)
    monkeypatch.setattr("fer_tui.screens.runs.resume_caveat", lambda run: "")
    run = write_run(config={"data": str(tmp_path / "gone")}, environment={"fingerprint": "f"}, history=epochs(1))
    async with open_app() as pilot:
        await until(pilot, lambda: pilot.app.screen.chosen)
        await pilot.press("r")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskPathScreen))
        pilot.app.screen.query_one(Input).value = str(tmp_path)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskNumberScreen))
        pilot.app.screen.query_one(Input).value = "5"
        await pilot.press("enter")
        await until(pilot, lambda: resumed)
    assert resumed == [(run, 5, None, tmp_path)]


async def test_a_refused_resume_is_told_and_changes_nothing(
    open_app: Callable[..., Any],
    write_run: Callable[..., Path],
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    tmp_path: Path,
):
    run = write_run(config={"data": str(tmp_path), "epochs": 0}, status={"state": "stopped"})
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    async with open_app() as pilot:
        await until(pilot, lambda: pilot.app.screen.chosen)
        await pilot.press("r")
        await until(pilot, lambda: "another version?" in " ".join(note.message for note in pilot.app._notifications))
        assert "stopped" in screen_text(pilot)
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


async def test_a_run_with_a_damaged_file_is_told(
    open_app: Callable[..., Any],
    write_run: Callable[..., Path],
    epochs: Callable[[int], list[dict[str, float]]],
    until: Callable[..., Any],
    screen_text: Callable[..., str],
):
    write_run(FIRST, history=epochs(2))
    damaged = write_run(SECOND)
    (damaged / "config.json").write_text("{")
    async with open_app() as pilot:
        await until(pilot, lambda: "can't be read: config.json: the file is damaged" in screen_text(pilot))
        await pilot.press("4")
        await until(pilot, lambda: "1 run can't be read" in screen_text(pilot))
