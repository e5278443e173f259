from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList

from core.runs.predictions import most_telling_predictions, read_predictions
from core.system.files import write_json
from fer_tui.screens.inspect import InspectScreen
from fer_tui.widgets.class_report import ClassReport
from fer_tui.widgets.confusion_matrix import ConfusionMatrix
from fer_tui.widgets.face_grid import FaceGrid
from fer_tui.widgets.menu import MenuScreen
from fer_tui.widgets.mode_tabs import ActionLink
from fer_tui.widgets.predicted_face import PredictedFace

FIRST, SECOND, THIRD = (f"2026010{n}-000000-000-compact-aaa{n}" for n in (1, 2, 3))


def screen(pilot: Pilot[Any]) -> InspectScreen:
    found = pilot.app.mode_screen  # pyright: ignore
    assert isinstance(found, InspectScreen)
    return found


def matrix(pilot: Pilot[Any]):
    return screen(pilot).query_one(ConfusionMatrix)


def shown_faces(pilot: Pilot[Any]) -> Sequence[PredictedFace]:
    faces = screen(pilot).query_one(FaceGrid).faces
    assert all(isinstance(face, PredictedFace) for face in faces)
    return faces  # pyright: ignore


async def inspect(pilot: Pilot[Any], until: Callable[..., Any]):
    """Open the Inspect screen and wait for its faces."""
    await pilot.press("5")
    await until(pilot, lambda: isinstance(pilot.app.mode_screen, InspectScreen))  # pyright: ignore
    await until(pilot, lambda: shown_faces(pilot))
    await pilot.pause()


def one_line(text: str):
    return " ".join(text.split())


async def test_matrix_figures_and_the_worst_mistakes(
    open_app: Callable[..., Any],
    write_evaluated_run: Callable[..., Path],
    faces: Path,
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    size: tuple[int, int],
):
    run = write_evaluated_run(faces)
    worst = most_telling_predictions(read_predictions(run), None)
    async with open_app(size) as pilot:
        await inspect(pilot, until)
        assert pilot.app.focused is matrix(pilot)
        text = screen_text(pilot)
        assert all(word in text for word in ("true╲pred", "angry", "surprise", "01-01 00:00 aaa1", "macro F1"))
        assert f"{len(worst)} mistakes, most confident first" in text
        assert [face.prediction for face in shown_faces(pilot)] == worst
        assert shown_faces(pilot)[0].caption(40).strip() in one_line(text)
        assert ("precision" in text) is (size[0] >= 100)


async def test_a_cell_filters_by_key_and_by_mouse_and_escape_clears(
    open_app: Callable[..., Any],
    write_evaluated_run: Callable[..., Path],
    faces: Path,
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    size: tuple[int, int],
):
    run = write_evaluated_run(faces)
    read = read_predictions(run)
    async with open_app(size) as pilot:
        await inspect(pilot, until)
        every = len(shown_faces(pilot))
        await pilot.press("down")
        cell = screen(pilot).cell
        assert cell and cell[0] != cell[1]
        await until(
            pilot, lambda: [face.prediction for face in shown_faces(pilot)] == most_telling_predictions(read, cell)
        )
        assert f"{cell[0]} predicted as {cell[1]}" in screen_text(pilot)
        assert screen(pilot).query_one(ClassReport).chosen == set(cell)

        counts = np.array(matrix(pilot).matrix)
        right = int(counts.diagonal().argmax())
        assert counts[right, right]
        m = matrix(pilot)
        x, y = m._label_width + right * m._cell_width + 1, 1 + right * m._cell_height
        await pilot.click("#matrix", offset=(x, y))
        name = m.classes_shown[right]
        await until(
            pilot, lambda: [f.prediction for f in shown_faces(pilot)] == most_telling_predictions(read, (name, name))
        )
        assert f"{name} correct, least confident first" in screen_text(pilot)

        await pilot.press("escape")
        await until(pilot, lambda: len(shown_faces(pilot)) == every)
        assert m.cell is None and "escape" not in pilot.app.screen.active_bindings
        await pilot.click("#matrix", offset=(2, y))  # a class name is not a cell
        assert m.cell is None


async def test_a_cell_without_images_says_so(
    open_app: Callable[..., Any],
    write_evaluated_run: Callable[..., Path],
    faces: Path,
    until: Callable[..., Any],
    screen_text: Callable[..., str],
):
    write_evaluated_run(faces)
    async with open_app() as pilot:
        await inspect(pilot, until)
        counts = np.array(matrix(pilot).matrix)
        row, column = (int(i[0]) for i in np.where((counts == 0) & ~np.eye(7, dtype=bool)))
        matrix(pilot).choose((row, column))
        await until(pilot, lambda: " is predicted as " in screen_text(pilot))
        assert not shown_faces(pilot)


async def test_shares_classes_and_more_faces(
    open_app: Callable[..., Any],
    write_evaluated_run: Callable[..., Path],
    faces: Path,
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    size: tuple[int, int],
):
    write_evaluated_run(faces)
    async with open_app(size) as pilot:
        await inspect(pilot, until)
        assert "50%" not in screen_text(pilot).split("mistakes")[0]
        await pilot.press("s")
        await until(pilot, lambda: "50%" in screen_text(pilot) or "100%" in screen_text(pilot))
        before, room = shown_faces(pilot), screen(pilot).query_one(FaceGrid).shown
        await pilot.press("n")
        await until(pilot, lambda: shown_faces(pilot) is not before)
        if room < len(before):
            assert shown_faces(pilot)[0].prediction == before[room].prediction
            await until(pilot, lambda: f"   {room + 1}-" in screen_text(pilot))
        for _ in range(len(before) // room):
            await pilot.press("n")
        await until(pilot, lambda: screen(pilot).first_face == 0 and len(shown_faces(pilot)) == len(before))
        if size[0] < 100:
            await pilot.press("c")
            await until(pilot, lambda: "precision" in screen_text(pilot))
            assert not screen(pilot).query_one(FaceGrid).is_on_screen
            await pilot.press("c")
            await until(pilot, lambda: "precision" not in screen_text(pilot))
        else:
            assert "c" not in pilot.app.screen.active_bindings


async def test_another_run_by_bracket_mouse_and_list(
    open_app: Callable[..., Any],
    write_evaluated_run: Callable[..., Path],
    write_run: Callable[..., Path],
    faces: Path,
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    size: tuple[int, int],
):
    write_evaluated_run(faces, FIRST)
    write_run(SECOND, status={"state": "failed"})
    write_evaluated_run(faces, THIRD, seed=1)
    async with open_app(size) as pilot:
        await inspect(pilot, until)
        assert "aaa3" in screen_text(pilot)
        await pilot.press("right_square_bracket")  # the failed run has no evaluation
        await until(pilot, lambda: "01-01 00:00 aaa1" in screen_text(pilot))
        await pilot.press("right_square_bracket")  # the oldest run
        await until(pilot, lambda: "] older" not in screen_text(pilot))
        await pilot.press("left_square_bracket")
        await until(pilot, lambda: "01-03 00:00 aaa3" in screen_text(pilot))
        await pilot.click(next(c for c in screen(pilot).query(ActionLink) if c.action == "screen.step(1)"))
        await until(pilot, lambda: "01-01 00:00 aaa1" in screen_text(pilot))
        await pilot.press("r")
        await until(pilot, lambda: isinstance(pilot.app.screen, MenuScreen))
        assert pilot.app.screen.query_one(OptionList).highlighted == 1
        await pilot.press("k", "enter")
        await until(pilot, lambda: "01-03 00:00 aaa3" in screen_text(pilot))
        await pilot.click("#inspected")
        await until(pilot, lambda: isinstance(pilot.app.screen, MenuScreen))
        await pilot.press("j", "escape")
        await until(pilot, lambda: "01-03 00:00 aaa3" in screen_text(pilot) and pilot.app.screen is screen(pilot))
        await pilot.press("r")
        await until(pilot, lambda: isinstance(pilot.app.screen, MenuScreen))
        await pilot.click("#menu", offset=(4, 1))
        await until(pilot, lambda: "01-01 00:00 aaa1" in screen_text(pilot) and shown_faces(pilot))


@pytest.mark.parametrize("mode", ["3", "4"])
async def test_from_runs_and_from_compare(
    open_app: Callable[..., Any],
    write_evaluated_run: Callable[..., Path],
    faces: Path,
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    mode: str,
):
    write_evaluated_run(faces, FIRST)
    write_evaluated_run(faces, SECOND, seed=1)
    async with open_app((132, 43)) as pilot:
        await pilot.press(mode)
        await until(pilot, lambda: "i Inspect" in screen_text(pilot))
        await pilot.press("down", "i")
        await until(pilot, lambda: isinstance(pilot.app.screen, InspectScreen))
        await until(pilot, lambda: "01-01 00:00 aaa1" in screen_text(pilot))


async def test_the_article_is_no_run_to_inspect(
    open_app: Callable[..., Any], until: Callable[..., Any], screen_text: Callable[..., str]
):
    async with open_app((132, 43)) as pilot:
        await pilot.press("4")
        await until(pilot, lambda: "(article)" in screen_text(pilot))
        await pilot.press("i")
        assert "i Inspect" not in screen_text(pilot) and pilot.app.screen.MODE == "compare"


async def test_no_runs_says_what_to_do(
    open_app: Callable[..., Any], until: Callable[..., Any], screen_text: Callable[..., str], size: tuple[int, int]
):
    async with open_app(size) as pilot:
        await pilot.press("5")
        # Line breaks depend on the length of the test's folder.
        await until(pilot, lambda: "nothing to inspect" in one_line(screen_text(pilot)))
        for key in ("s", "n", "c", "p", "r", "down", "left_square_bracket", "right_square_bracket", "escape"):
            await pilot.press(key)  # these keys have no effect
        assert pilot.app.screen is screen(pilot)


@pytest.mark.parametrize(
    ("status", "evaluation", "words"),
    [
        ({"state": "failed", "message": "no space left [red]"}, None, "This run failed: no space left [red]"),
        ({"state": "stopped"}, None, f"stopped before it was evaluated. Run 'fer-tui resume {FIRST}'"),
        ({"state": "running", "pid": 0, "host": "?"}, None, "This run was interrupted before it was evaluated"),
        ({"state": "diverged", "message": "the loss became NaN"}, None, "diverged before its first epoch was done"),
        ({"state": "completed"}, None, "evaluation.json is missing or damaged"),
        ({"state": "stopped"}, {"classes": "?"}, "evaluation.json is missing or damaged"),
    ],
)
async def test_a_run_without_figures_says_why_and_what_to_do(
    open_app: Callable[..., Any],
    write_run: Callable[..., Path],
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    size: tuple[int, int],
    status: Mapping[str, Any],
    evaluation: Mapping[str, Any] | None,
    words: str,
):
    write_run(FIRST, status=status, evaluation=evaluation)
    async with open_app(size) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: words in one_line(screen_text(pilot)))


async def test_a_run_under_way_shows_its_figures_once_it_is_done(
    open_app: Callable[..., Any],
    write_evaluated_run: Callable[..., Path],
    alive: Mapping[str, Any],
    faces: Path,
    until: Callable[..., Any],
    screen_text: Callable[..., str],
):
    run = write_evaluated_run(faces, status={**alive, "epoch": 2})
    evaluation = (run / "evaluation.json").read_bytes()
    (run / "evaluation.json").unlink()
    async with open_app() as pilot:
        await pilot.press("5")
        await until(pilot, lambda: "in epoch 2 of 3." in screen_text(pilot))
        (run / "evaluation.json").write_bytes(evaluation)
        write_json(run / "status.json", {"state": "completed"})
        pilot.app.poller.poll_now()
        await until(pilot, lambda: "true╲pred" in screen_text(pilot) and shown_faces(pilot))


async def test_warnings_of_the_audit_are_shown(
    open_app: Callable[..., Any],
    write_evaluated_run: Callable[..., Path],
    faces: Path,
    until: Callable[..., Any],
    screen_text: Callable[..., str],
):
    run = write_evaluated_run(faces)
    evaluation = json.loads((run / "evaluation.json").read_text())
    evaluation["warnings"] = [{"code": "one_class", "message": "fear is said to 99% [red]of the images"}]
    write_json(run / "evaluation.json", evaluation)
    async with open_app() as pilot:
        await pilot.press("5")
        await until(pilot, lambda: "fear is said to 99% [red]of the images" in screen_text(pilot))


@pytest.mark.parametrize("what", ["gone", "fewer", "changed", "unreadable", "no predictions"])
async def test_data_that_are_not_what_they_were(
    open_app: Callable[..., Any],
    write_evaluated_run: Callable[..., Path],
    faces: Path,
    tmp_path: Path,
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    size: tuple[int, int],
    what: str,
):
    root = tmp_path / "copy"
    shutil.copytree(faces, root)
    run = write_evaluated_run(root)
    wrong = [root / each.path for each in most_telling_predictions(read_predictions(run), None)]
    if what == "gone":
        shutil.rmtree(root)
    elif what == "fewer":
        wrong[0].unlink()
    elif what == "changed":
        wrong[0].write_bytes(wrong[1].read_bytes())
    elif what == "unreadable":
        wrong[0].write_bytes(b"no image")
    else:
        (run / "predictions.csv").unlink()
    said = {
        "gone": "The faces can't be shown: ",
        "fewer": "1 of 14 images are missing or in another class and are left out.",
        "changed": "has changed since the run",
        "unreadable": "1 of these faces can't be read",
        "no predictions": "is missing; 'fer-tui resume' evaluates",
    }
    async with open_app(size) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: said[what] in one_line(screen_text(pilot)))
        assert "true╲pred" in screen_text(pilot)
        if what in ("fewer", "unreadable"):
            await until(pilot, lambda: shown_faces(pilot))


async def test_hostile_names(
    open_app: Callable[..., Any],
    write_evaluated_run: Callable[..., Path],
    write_tree: Callable[..., Path],
    hostile: tuple[str, ...],
    tmp_path: Path,
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    size: tuple[int, int],
):
    names = [name.replace("/", "∕") for name in hostile]  # noqa: RUF001
    root = write_tree(tmp_path / "set", {f"{split}/{name}": 3 for split in ("train", "validation") for name in names})
    write_evaluated_run(root, "20260101-[red]-\x1b[31m")
    async with open_app(size) as pilot:
        await inspect(pilot, until)
        for key in ("down", "c", "s", "up", "c"):
            await pilot.press(key)
            await pilot.pause()
            text = screen_text(pilot)
            assert "\x1b" not in text and "[red]" in text and "高兴的脸" in text


async def test_an_older_answer_does_not_replace_a_newer_one(
    open_app: Callable[..., Any], write_evaluated_run: Callable[..., Path], faces: Path, until: Callable[..., Any]
):
    write_evaluated_run(faces)
    async with open_app() as pilot:
        await inspect(pilot, until)
        before, here = shown_faces(pilot), screen(pilot)
        here.post_message(here.FacesDecoded(here.view - 1, [], 3))
        here.post_message(here.ProblemFound(here.job - 1, "of another run"))
        await pilot.pause()
        assert shown_faces(pilot) is before and not here.problem and not here.unreadable
