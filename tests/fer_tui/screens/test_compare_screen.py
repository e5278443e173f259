from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable, Input, RadioSet, Static

from core.comparison.columns import COLUMNS
from fer_tui.app import FerApp
from fer_tui.dialogs.confirm import ConfirmScreen
from fer_tui.dialogs.export import ExportScreen
from fer_tui.widgets.comparison_table import ORDER, ComparisonTable, best_figures, sort_rows
from fer_tui.widgets.menu import MenuScreen

FIRST, SECOND = "20260101-000000-000-compact-aaaa", "20260102-030405-006-model2-bbbb"


@pytest.fixture
def two_runs(write_run: Callable[..., Path], epochs: Callable[[int], list[dict[str, float]]]):
    write_run(FIRST, history=epochs(3))
    write_run(SECOND, config={"model": "model2"}, history=epochs(2))


@pytest.fixture
def open_table(open_app: Callable[..., Any], until: Callable[..., Any]):
    """Open the Compare screen and wait for its rows."""
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def opened(size: tuple[int, int] = (80, 24)):
        async with open_app(size) as pilot:
            await pilot.press("4")
            await until(pilot, lambda: pilot.app.screen.MODE == "compare" and table(pilot).row_count)
            await pilot.pause()
            yield pilot

    return opened


def table(pilot: Pilot[Any]):
    app = pilot.app
    assert isinstance(app, FerApp) and app.mode_screen is not None
    return app.mode_screen.query_one(ComparisonTable)


def column(pilot: Pilot[Any], name: str):
    return [row[name] for row in table(pilot).rows_shown]


async def test_runs_are_counted_in_words_that_fit(
    open_table: Callable[..., Any],
    write_run: Callable[..., Path],
    epochs: Callable[[int], list[dict[str, float]]],
    until: Callable[..., Any],
    screen_text: Callable[..., str],
):
    write_run(FIRST, history=epochs(3))
    async with open_table() as pilot:
        assert " 1 run (with a complete epoch)" in screen_text(pilot)
        write_run(SECOND, config={"model": "model2"}, history=epochs(2))
        await until(pilot, lambda: " 2 runs (with a complete epoch)" in screen_text(pilot))


async def test_runs_then_baselines_then_the_article(
    open_table: Callable[..., Any], two_runs: None, screen_text: Callable[..., str], size: tuple[int, int]
):
    async with open_table(size) as pilot:
        assert column(pilot, "run")[:2] == [SECOND, FIRST]
        assert column(pilot, "run")[-4:] == ["published"] * 4
        shown = screen_text(pilot)
        assert "model4 (article)" in shown and "0.7333 ★" in shown and "0.6000 ★" not in shown


async def test_empty_says_what_to_do(
    open_table: Callable[..., Any], until: Callable[..., Any], screen_text: Callable[..., str], size: tuple[int, int]
):
    async with open_table(size) as pilot:
        await until(pilot, lambda: "Nothing to compare yet" in screen_text(pilot))


async def test_a_failed_run_is_warned_of(
    open_table: Callable[..., Any],
    write_run: Callable[..., Path],
    epochs: Callable[[int], list[dict[str, float]]],
    until: Callable[..., Any],
    screen_text: Callable[..., str],
):
    write_run(FIRST, history=epochs(1), status={"state": "failed"})
    async with open_table((132, 43)) as pilot:
        await until(pilot, lambda: "failed" in screen_text(pilot))


async def test_sorting_by_key(open_table: Callable[..., Any], two_runs: None):
    async with open_table() as pilot:
        await pilot.press("right", "s")
        figures = column(pilot, "val_accuracy")
        assert figures == sorted(figures, reverse=True)
        await pilot.press("s")
        assert column(pilot, "val_accuracy") == sorted(figures)
        await pilot.press("s")
        assert column(pilot, "run")[:2] == [SECOND, FIRST]


async def test_every_column_sorts(open_table: Callable[..., Any], two_runs: None):
    async with open_table((132, 43)) as pilot:
        for name in ORDER:
            await pilot.press("s")
            assert table(pilot).sorted_by == name
            cells = [table(pilot).get_row_at(i)[0].plain.split()[0] for i in range(table(pilot).row_count)]
            assert cells == [row["model"].split()[0] for row in table(pilot).rows_shown]
            await pilot.press("right")


async def test_sorting_by_a_click_on_a_heading(
    open_table: Callable[..., Any], two_runs: None, until: Callable[..., Any]
):
    async with open_table() as pilot:
        await pilot.click(DataTable, offset=(3, 0))
        await until(pilot, lambda: table(pilot).sorted_by == "model")
        assert column(pilot, "model") == sorted(column(pilot, "model"))


async def test_the_article_can_be_hidden(open_table: Callable[..., Any], two_runs: None):
    async with open_table() as pilot:
        await pilot.press("a")
        assert "published" not in column(pilot, "run")
        await pilot.press("a")
        assert column(pilot, "run").count("published") == 4


async def test_marked_runs_alone(open_app: Callable[..., Any], two_runs: None, until: Callable[..., Any]):
    async with open_app() as pilot:
        await until(pilot, lambda: pilot.app.screen.chosen)
        await pilot.press("space", "4")
        await until(pilot, lambda: pilot.app.screen.MODE == "compare" and table(pilot).row_count)
        assert SECOND in column(pilot, "run") and FIRST not in column(pilot, "run")


async def test_the_table_follows_the_runs(
    open_table: Callable[..., Any],
    two_runs: None,
    write_run: Callable[..., Path],
    epochs: Callable[[int], list[dict[str, float]]],
    until: Callable[..., Any],
):
    async with open_table() as pilot:
        write_run("20260103-000000-000-compact-cccc", history=epochs(1))
        await until(pilot, lambda: column(pilot, "run")[0] == "20260103-000000-000-compact-cccc")
        assert table(pilot).get_row_at(0)[0].plain == "compact"


async def test_the_cursors_row_is_explained(
    open_table: Callable[..., Any], two_runs: None, until: Callable[..., Any], screen_text: Callable[..., str]
):
    async with open_table() as pilot:
        await pilot.press("ctrl+end")
        await until(pilot, lambda: "happy's share of the first 3,520 images" in screen_text(pilot))


async def test_export_writes_what_the_table_shows(
    open_table: Callable[..., Any], two_runs: None, until: Callable[..., Any], tmp_path: Path, size: tuple[int, int]
):
    target = tmp_path / "table.csv"
    async with open_table(size) as pilot:
        await pilot.press("right", "s", "a", "e")
        await until(pilot, lambda: isinstance(pilot.app.screen, ExportScreen))
        pilot.app.screen.query_one(Input).value = str(target)
        await pilot.press("enter")
        await until(pilot, target.exists)
        await until(pilot, lambda: not isinstance(pilot.app.screen, ExportScreen))
    rows = list(csv.DictReader(io.StringIO(target.read_text())))
    assert list(rows[0]) == list(COLUMNS)
    assert [row["run"] for row in rows] == [FIRST, SECOND]
    assert [float(row["val_accuracy"]) for row in rows] == pytest.approx([1 - 0.8 / 3, 0.6], abs=1e-6)


async def test_export_remembers_asks_before_it_replaces_and_tells_errors(
    open_table: Callable[..., Any], two_runs: None, until: Callable[..., Any], tmp_path: Path
):
    target = tmp_path / "table.csv"
    async with open_table() as pilot:
        await pilot.press("e")
        await until(pilot, lambda: isinstance(pilot.app.screen, ExportScreen))
        dialog = pilot.app.screen
        dialog.query_one(Input).value = str(tmp_path / "no" / "such.csv")
        await pilot.press("enter")
        await until(pilot, lambda: "No such file" in str(dialog.query_one("#export-problem").content))
        dialog.query_one(Input).value = str(target)
        await pilot.press("tab", "down", "space")
        await until(pilot, lambda: dialog.query_one(Input).value.endswith(".md"))
        target.with_suffix(".md").write_text("mine")
        await pilot.click("#export")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        await pilot.press("n")
        await until(pilot, lambda: pilot.app.screen is dialog)
        assert target.with_suffix(".md").read_text() == "mine"
        await pilot.click("#export")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        await pilot.press("y")
        await until(pilot, lambda: target.with_suffix(".md").read_text().startswith("| model |"))
        await until(pilot, lambda: pilot.app.screen is pilot.app.mode_screen)
        await pilot.press("e")
        await until(pilot, lambda: isinstance(pilot.app.screen, ExportScreen))
        assert pilot.app.screen.query_one(Input).value == str(target.with_suffix(".md"))
        assert pilot.app.screen.query_one(RadioSet).pressed_button.name == "markdown"
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is pilot.app.mode_screen)


async def test_the_ending_of_an_export_decides_its_format(
    open_table: Callable[..., Any], two_runs: None, until: Callable[..., Any], tmp_path: Path
):
    async with open_table() as pilot:
        await pilot.press("e")
        await until(pilot, lambda: isinstance(pilot.app.screen, ExportScreen))
        dialog = pilot.app.screen
        for name in ("table.xlsx", "table"):
            dialog.query_one(Input).value = str(tmp_path / name)
            await pilot.press("enter")
            await until(
                pilot,
                lambda name=name: (
                    f"{name}: the ending must be one of .csv, .md, .tex, .json"
                    in str(dialog.query_one("#export-problem").content).replace("\n", " ")
                ),
            )
        target = tmp_path / "table.JSON"
        dialog.query_one(Input).value = str(target)
        await until(pilot, lambda: dialog.query_one(RadioSet).pressed_button.name == "json")
        assert dialog.query_one(Input).value == str(target)
        await pilot.press("enter")
        await until(pilot, target.exists)
    assert [row["run"] for row in json.loads(target.read_text())][:2] == [SECOND, FIRST]
    assert list(tmp_path.glob("table*")) == [target]


async def test_seeds_share_a_row_and_come_apart_again(
    open_table: Callable[..., Any],
    write_run: Callable[..., Path],
    epochs: Callable[[int], list[dict[str, float]]],
    until: Callable[..., Any],
    screen_text: Callable[..., str],
):
    for seed, name in enumerate((FIRST, SECOND)):
        write_run(name, config={"seed": seed}, history=epochs(2 + seed))
    async with open_table((132, 43)) as pilot:
        assert column(pilot, "run")[:2] == [SECOND, FIRST]
        await pilot.press("f")
        await until(pilot, lambda: column(pilot, "run")[0] == f"{SECOND};{FIRST}")
        shown = screen_text(pilot)
        assert "2 runs" in shown and "means over seeds" in shown
        # Actions on an averaged row use its first run.
        await pilot.press("i")
        await until(pilot, lambda: pilot.app.current_mode == "inspect")
        assert pilot.app.inspected == SECOND
        await pilot.press("4", "f")
        await until(pilot, lambda: column(pilot, "run")[:2] == [SECOND, FIRST])


async def test_two_runs_are_held_against_each_other(
    open_table: Callable[..., Any],
    write_run: Callable[..., Path],
    epochs: Callable[[int], list[dict[str, float]]],
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    size: tuple[int, int],
):
    for name, model, right in ((FIRST, "compact", 40), (SECOND, "model2", 30)):
        run = write_run(name, config={"model": model}, history=epochs(2), evaluation={"accuracy": right / 40})
        lines = [f"{n}.png,happy,{'happy' if n < right else 'sad'},0.6,0.4" for n in range(40)]
        (run / "predictions.csv").write_text("\n".join(["path,label,predicted,p_happy,p_sad", *lines, ""]))
    async with open_table(size) as pilot:
        await pilot.press("t")
        await until(pilot, lambda: isinstance(pilot.app.screen, MenuScreen))
        await until(pilot, lambda: "Compare model2 bbbb with" in screen_text(pilot))
        await pilot.press("enter")
        # Ten images are correct only in one run: p = 2 / 1024.
        await until(pilot, lambda: "McNemar's exact test: p = 0.002: compact aaaa is better" in screen_text(pilot))
        assert "only model2 bbbb is correct on 0 images, only compact aaaa on 10" in screen_text(pilot)
        await pilot.press("f")
        await until(pilot, lambda: "means over seeds" in screen_text(pilot))
        assert "McNemar" not in screen_text(pilot)
        await pilot.press("f", "t", "enter")
        await until(pilot, lambda: "McNemar" in screen_text(pilot))
        await pilot.press("down")
        await until(pilot, lambda: "McNemar" not in screen_text(pilot))
        (pilot.app.mode_screen.chosen.path / "predictions.csv").unlink()
        await pilot.press("t", "enter")
        # Line breaks depend on the length of the test's folder.
        note = pilot.app.mode_screen.query_one("#row-note", Static)
        await until(pilot, lambda: "predictions.csv: the file is missing" in str(note.content))


async def test_a_run_without_an_evaluation_is_not_tested(open_table: Callable[..., Any], two_runs: None):
    async with open_table() as pilot:
        assert pilot.app.mode_screen.check_action("test", ()) is False
        await pilot.press("t")
        assert pilot.app.screen is pilot.app.mode_screen


async def test_copy_puts_csv_on_the_clipboard(open_table: Callable[..., Any], two_runs: None):
    async with open_table() as pilot:
        await pilot.press("c")
        assert pilot.app.clipboard.startswith(",".join(COLUMNS)) and SECOND in pilot.app.clipboard


def test_the_best_are_ours_and_of_a_loss_the_lowest():
    blank = dict.fromkeys(COLUMNS)
    rows = [
        blank | {"run": "a", "val_accuracy": 0.4, "val_loss": 1.0},
        blank | {"run": "b", "val_accuracy": 0.5, "val_loss": 2.0},
        blank | {"run": "published", "val_accuracy": 0.9, "val_loss": 0.1},
    ]
    assert best_figures(rows) == {"val_accuracy": 0.5, "val_loss": 1.0}


@pytest.mark.parametrize("descending", [True, False])
def test_what_is_not_known_stands_last(descending: bool):
    rows = [{"seconds": None}, {"seconds": 1.0}, {"seconds": 2.0}]
    assert sort_rows(rows, "seconds", descending=descending)[-1] == {"seconds": None}
