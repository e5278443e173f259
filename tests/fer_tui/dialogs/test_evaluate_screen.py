"""Evaluations of runs on several data sets, with a trained model."""

from __future__ import annotations

import csv
import io
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot
from textual.widgets import Button, Input, Static

from core.comparison.cross_evaluation import CROSS_COLUMNS, cross_cell, cross_row
from core.evaluation import inference
from core.runs.reader import read_run
from fer_tui.dialogs.evaluate import EvaluateScreen
from fer_tui.dialogs.export import ExportScreen
from fer_tui.widgets.cross_table import CrossTable

OTHER = "20260101-000000-000-compact-aaaa"


@pytest.fixture
def words(faces: Path, tmp_path: Path) -> Path:
    """The same faces, with other words for two of the classes."""
    root = tmp_path / "words"
    shutil.copytree(faces, root)
    for split in ("train", "validation"):
        (root / split / "happy").rename(root / split / "happiness")
        (root / split / "sad").rename(root / split / "sadness")
    return root


@pytest.fixture
def opened(
    open_app: Callable[..., Any],
    until: Callable[..., Any],
    trained: Path,
    tmp_path: Path,
    write_run: Callable[..., Path],
    epochs: Callable[[int], list[dict[str, float]]],
):
    """Open the dialog for the trained run, which is highlighted, and for a completed run without a model."""
    from contextlib import asynccontextmanager

    shutil.copytree(trained, tmp_path / "runs" / trained.name)
    write_run(OTHER, history=epochs(1))

    @asynccontextmanager
    async def opened(size: tuple[int, int] = (80, 24), data: Path | None = None):
        async with open_app(size, data) as pilot:
            await pilot.press("4")
            await until(pilot, lambda: pilot.app.screen.MODE == "compare" and pilot.app.screen.chosen)
            await pilot.press("v")
            await until(pilot, lambda: isinstance(pilot.app.screen, EvaluateScreen))
            await pilot.pause()
            yield pilot

    return opened


def type_in(pilot: Pilot[Any], path: Path | str, classes: str | None = None):
    pilot.app.screen.query_one("#evaluate-path", Input).value = str(path)
    if classes is not None:
        pilot.app.screen.query_one("#evaluate-classes", Input).value = classes


def said(pilot: Pilot[Any], part: str):
    return str(pilot.app.screen.query_one(f"#evaluate-{part}", Static).content)


def cells(pilot: Pilot[Any]):
    table = pilot.app.screen.query_one(CrossTable)
    return [[cell.plain for cell in table.get_row_at(row)[1:]] for row in range(table.row_count)]


def headings(pilot: Pilot[Any]):
    return [str(column.label) for column in pilot.app.screen.query_one(CrossTable).ordered_columns[1:]]


async def test_runs_by_data_sets(
    opened: Callable[..., Any],
    trained: Path,
    faces: Path,
    words: Path,
    tmp_path: Path,
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    size: tuple[int, int],
):
    run = read_run(trained)
    expected, _ = inference.evaluate_run(trained, faces)
    async with opened(size) as pilot:
        screen = pilot.app.screen
        assert "2 runs: the highlighted one and all completed." in screen_text(pilot)
        assert [each.name for each in screen.runs] == [trained.name, OTHER]
        assert screen.query_one("#export-rows", Button).disabled
        # Terminals quote a dropped path.
        type_in(pilot, f"'{faces}'")
        await pilot.press("enter")
        await until(pilot, lambda: "2 of 2 done, 1 failed" in said(pilot, "state"))
        assert cells(pilot) == [[cross_cell(cross_row(run, faces, expected))], [""]]
        assert headings(pilot) == ["faces (validation)"]
        assert said(pilot, "note").startswith(f"compact aaaa on {faces}: ")
        assert "the file has no classes" in said(pilot, "note")
        assert screen.query_one("#evaluate-path", Input).value == ""

        type_in(pilot, words)
        await pilot.press("enter")
        await until(pilot, lambda: "4 of 4 done, 2 failed" in said(pilot, "state"))
        assert "Class names differ: enter synonyms in Classes" in said(pilot, "state")
        before = cells(pilot)[0]
        type_in(pilot, "", classes="synonyms")
        await pilot.press("enter")
        await until(pilot, lambda: screen.class_names == "synonyms" and "4 of 4 done" in said(pilot, "state"))
        assert cells(pilot)[0] == [before[0], before[0]] != before
        assert "Class names differ" not in said(pilot, "state")
        assert headings(pilot) == ["faces (validation)", "words (validation)"]

        screen.query_one(CrossTable).focus()
        await pilot.press("right")
        await until(pilot, lambda: f"on {faces}, validation: accuracy" in said(pilot, "note"))
        assert f"{expected['images']} images" in said(pilot, "note")

        target = tmp_path / "table.csv"
        for ending, start in ((".csv", ",".join(CROSS_COLUMNS)), (".md", f"| run | model | {faces} (validation) |")):
            await pilot.press("ctrl+s")
            await until(pilot, lambda: isinstance(pilot.app.screen, ExportScreen))
            pilot.app.screen.query_one(Input).value = str(target.with_suffix(ending))
            await pilot.press("enter")
            await until(pilot, lambda: pilot.app.screen is screen)
            assert target.with_suffix(ending).read_text().startswith(start)
        rows = list(csv.DictReader(io.StringIO(target.read_text())))
        assert [(row["run"], row["data"]) for row in rows] == [
            (name, str(data)) for name in (trained.name, OTHER) for data in (faces, words)
        ]
        assert float(rows[0]["accuracy"]) == pytest.approx(expected["accuracy"], abs=1e-6)
        assert not rows[2]["accuracy"] and rows[2]["error"]
        assert pilot.app.state_store.state.export_on_data.path == str(target.with_suffix(".md"))
        assert pilot.app.state_store.state.export.path == "comparison.csv"


async def test_what_cannot_be_read_is_one_line(
    opened: Callable[..., Any], faces: Path, until: Callable[..., Any], hostile: tuple[str, ...]
):
    async with opened() as pilot:
        for path, classes, words in (
            ("", "", "Enter the path of a data set."),
            (f"no such {hostile[0]}", "", f"no such {hostile[0]}"),
            (faces, "joy=happy", "there is no class 'joy' to rename"),
            (faces, "joy", "'joy' is not OLD=NEW"),
        ):
            type_in(pilot, path, classes)
            await pilot.press("enter")
            await until(pilot, lambda words=words: words in said(pilot, "note") and pilot.app.screen.reading is None)
            assert not pilot.app.screen.datasets and not pilot.app.screen.rows
            assert said(pilot, "state").startswith("Press Enter to add a data set")
            assert pilot.app.screen.query_one("#evaluate-note").has_class("-problem")


async def test_a_pasted_path_replaces_the_open_data_set(
    opened: Callable[..., Any], faces: Path, until: Callable[..., Any]
):
    async with opened(data=faces) as pilot:
        field = pilot.app.screen.query_one("#evaluate-path", Input)
        assert field.value == str(faces) and pilot.app.focused is field
        pilot.app.screen.post_message(events.Paste("/data/ckplus"))
        await until(pilot, lambda: field.value == "/data/ckplus")


async def test_headings_name_data_sets_in_the_width_of_a_column(
    opened: Callable[..., Any], faces: Path, tmp_path: Path, until: Callable[..., Any]
):
    places = [tmp_path / name for name in ("a/faces", "b/faces", "x" * 40)]
    for place in places:
        shutil.copytree(faces, place)
    async with opened() as pilot:
        for number, place in enumerate(places, start=1):
            type_in(pilot, place)
            await pilot.press("enter")
            done = f"{2 * number} of {2 * number} done"
            await until(pilot, lambda done=done: done in said(pilot, "state"))
        assert headings(pilot) == ["a/faces (validation)", "b/faces (validation)", f"{'x' * 9}… (validation)"]


async def test_no_evaluation_while_the_app_trains(
    opened: Callable[..., Any],
    faces: Path,
    tmp_path: Path,
    until: Callable[..., Any],
    write_run: Callable[..., Path],
    alive: dict[str, Any],
):
    async with opened() as pilot:
        pilot.app.queue.current = write_run("20260102-000000-000-compact-bbbb", status=alive)
        type_in(pilot, faces)
        await pilot.press("enter")
        await until(pilot, lambda: "A training of this app is running." in said(pilot, "note"))
        assert pilot.app.screen.reading is None and not pilot.app.screen.datasets
        pilot.app.queue.current = None


async def test_a_closed_dialog_stops_after_the_current_evaluation(
    opened: Callable[..., Any], faces: Path, until: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
):
    go_on, asked = threading.Event(), []

    def evaluate_run(run: Any, dataset: Any):
        asked.append(run.name)
        assert go_on.wait(90)
        raise inference.RunError("no model")

    monkeypatch.setattr(inference, "evaluate_run", evaluate_run)
    async with opened() as pilot:
        type_in(pilot, faces)
        await pilot.press("enter")
        await until(pilot, lambda: asked)
        await until(pilot, lambda: "0 of 2 done" in said(pilot, "state"))
        assert cells(pilot) == [["…"], ["…"]]
        # The event loop is free meanwhile.
        await pilot.press("tab")
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is pilot.app.mode_screen)
        go_on.set()
        await until(pilot, lambda: all(worker.is_finished for worker in pilot.app.workers if worker.group != "watch"))
        await pilot.pause(0.2)
        assert len(asked) == 1


async def test_only_the_marked_runs(
    open_app: Callable[..., Any], until: Callable[..., Any], trained: Path, opened: Any
):
    async with open_app() as pilot:
        await until(pilot, lambda: pilot.app.screen.chosen)
        await pilot.press("space", "4")
        await until(pilot, lambda: pilot.app.screen.MODE == "compare" and pilot.app.screen.chosen)
        await pilot.press("v")
        await until(pilot, lambda: isinstance(pilot.app.screen, EvaluateScreen))
        assert [run.name for run in pilot.app.screen.runs] == [trained.name]
        await until(pilot, lambda: said(pilot, "runs") == "1 marked run")


async def test_without_a_run_the_key_is_disabled(open_app: Callable[..., Any], until: Callable[..., Any]):
    async with open_app() as pilot:
        await pilot.press("4")
        await until(pilot, lambda: pilot.app.screen.MODE == "compare" and pilot.app.screen.rows)
        assert pilot.app.screen.check_action("on_data", ()) is False
