"""Predictions of image files and Grad-CAM heatmaps, with a trained model."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from textual.pilot import Pilot
from textual.widgets import Input, Static

from core.evaluation import inference as prediction
from core.runs import model_file as model_files
from fer_tui.dialogs.predict import PredictScreen
from fer_tui.screens.inspect import InspectScreen
from fer_tui.widgets.face_grid import FaceGrid
from fer_tui.widgets.probability_bars import ProbabilityBars

HAPPY, SAD = "validation/happy", "validation/sad"


@pytest.fixture
def opened(
    open_app: Callable[..., Any], trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Any]:
    """Open the app on the trained run before any model is loaded."""
    monkeypatch.setattr(PredictScreen, "_predictor", None)
    monkeypatch.setattr(PredictScreen, "_last_path", "")
    shutil.copytree(trained, tmp_path / "runs" / trained.name)
    return open_app


async def ask(pilot: Pilot[Any], until: Callable[..., Any]):
    if not isinstance(pilot.app.screen, PredictScreen):
        await pilot.press("5")
        await until(pilot, lambda: isinstance(pilot.app.screen, InspectScreen) and pilot.app.screen.run_shown)
        await pilot.press("p")
        await until(pilot, lambda: isinstance(pilot.app.screen, PredictScreen))
    assert isinstance(pilot.app.screen, PredictScreen)
    return pilot.app.screen


def type_in(pilot: Pilot[Any], path: Path | str):
    pilot.app.screen.query_one(Input).value = str(path)


def said(pilot: Pilot[Any]):
    return str(pilot.app.screen.query_one("#predict-state", Static).render())


def image(faces: Path, folder: str):
    return min((faces / folder).iterdir())


async def test_one_image_after_another(
    opened: Callable[..., Any],
    trained: Path,
    faces: Path,
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    size: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
):
    loads: list[Path] = []
    load = model_files.load_model
    monkeypatch.setattr(model_files, "load_model", lambda run: loads.append(run) or load(run))
    async with opened(size) as pilot:
        shown = await ask(pilot, until)
        assert pilot.app.focused is shown.query_one(Input) and str(faces) in shown.query_one(Input).value
        for folder in (HAPPY, SAD):
            path = image(faces, folder)
            [answer] = prediction.predict_images(trained, [path])
            type_in(pilot, path)
            await pilot.press("enter")
            await until(pilot, lambda path=path: said(pilot).endswith(path.name) and "confidence" in said(pilot))
            assert answer.predicted and said(pilot).startswith(answer.predicted)
            bars = shown.query_one(ProbabilityBars).probabilities
            assert list(bars) == list(answer.probabilities) and bars == pytest.approx(answer.probabilities)
            await pilot.pause()
            text = screen_text(pilot)
            assert shown.query_one(FaceGrid).faces and all(f"{share:.1%}" in text for share in bars.values())
        assert len([run for run in loads if run != trained]) == 1  # the test itself makes the other loads
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, InspectScreen))
        await ask(pilot, until)
        assert pilot.app.screen.query_one(Input).value == str(image(faces, SAD))


async def test_loading_is_told_and_buttons_work(
    opened: Callable[..., Any], faces: Path, until: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
):
    go_on = threading.Event()
    load = model_files.load_model
    monkeypatch.setattr(model_files, "load_model", lambda run: go_on.wait(90) and load(run))
    async with opened() as pilot:
        shown = await ask(pilot, until)
        type_in(pilot, image(faces, HAPPY))
        await pilot.click("#do-predict")
        await until(pilot, lambda: shown.query_one(FaceGrid).faces)
        assert said(pilot) == "Loading TensorFlow …"
        type_in(pilot, image(faces, SAD))  # before the first prediction: the dialog shows only the second
        await pilot.press("enter")
        go_on.set()
        await until(pilot, lambda: "confidence" in said(pilot))
        assert said(pilot).endswith(image(faces, SAD).name)
        await pilot.click("#close")
        await until(pilot, lambda: isinstance(pilot.app.screen, InspectScreen))


async def test_what_is_no_image_is_one_line(
    opened: Callable[..., Any],
    tmp_path: Path,
    hostile: tuple[str, ...],
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    size: tuple[int, int],
):
    broken = tmp_path / f"{hostile[1]}.png"
    broken.write_bytes(b"no image")
    async with opened(size) as pilot:
        shown = await ask(pilot, until)
        type_in(pilot, "")
        await pilot.press("enter")
        assert shown.job == 0
        for path, words in (
            (tmp_path / "[red]none.png", "[red]none.png: No such file or directory"),
            (tmp_path, "Is a directory"),
            (broken, r"\x1b[31mred.png: not a JPEG, PNG, WebP"),
        ):
            type_in(pilot, path)
            await pilot.press("enter")
            await until(pilot, lambda words=words: words in said(pilot))
            type_in(pilot, "")
            await pilot.pause()
            assert not shown.query_one(FaceGrid).faces and "\x1b" not in screen_text(pilot)


async def test_a_model_that_cannot_be_used_is_one_line(
    opened: Callable[..., Any],
    trained: Path,
    tmp_path: Path,
    faces: Path,
    until: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
):
    model = tmp_path / "runs" / trained.name / "best.keras"
    async with opened() as pilot:
        await ask(pilot, until)
        type_in(pilot, image(faces, HAPPY))
        model.write_bytes(b"no model")
        await pilot.press("enter")
        await until(pilot, lambda: "is not a valid Keras model" in said(pilot))
        model.unlink()
        await pilot.press("enter")
        await until(pilot, lambda: "there is no model yet" in said(pilot))

        def fail(run: Path):
            raise MemoryError("no room\nfor the tensor")

        monkeypatch.setattr(model_files, "load_model", fail)
        model.write_bytes(b"another")
        await pilot.press("enter")
        await until(pilot, lambda: said(pilot) == "The model can't predict: MemoryError: no room")


def test_a_model_that_was_replaced_is_loaded_anew(trained: Path, tmp_path: Path, faces: Path):
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    predictor = prediction.Predictor()
    path = image(faces, HAPPY)
    assert predictor.predict(run, [path])[0].image == path
    (run / "best.keras").write_bytes(b"no model")
    with pytest.raises(prediction.RunError):
        predictor.predict(run, [path])


async def test_faces_are_shown_under_what_the_model_looked_at(
    opened: Callable[..., Any], until: Callable[..., Any], screen_text: Callable[..., str]
):
    async with opened((132, 43)) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: pilot.app.screen.query("FaceGrid") and pilot.app.screen.query_one(FaceGrid).faces)
        grid = pilot.app.screen.query_one(FaceGrid)
        plain = [(face.image.mode, face.prediction) for face in grid.faces]
        await pilot.press("x")
        await until(pilot, lambda: pilot.app.screen.has_heatmaps)
        assert [(face.image.mode, face.prediction) for face in grid.faces] == [("RGB", said) for _, said in plain]
        # The drawn faces are grey, so coloured pixels come from the heatmap.
        assert any(np.ptp(np.asarray(face.image), axis=2).max() > 20 for face in grid.faces)
        await until(pilot, lambda: "with heatmaps" in screen_text(pilot))
        await pilot.press("x")
        await until(pilot, lambda: [(face.image.mode, face.prediction) for face in grid.faces] == plain)
        assert "with heatmaps" not in screen_text(pilot)


async def test_a_model_that_cannot_be_explained_leaves_the_faces(
    opened: Callable[..., Any],
    trained: Path,
    tmp_path: Path,
    until: Callable[..., Any],
    screen_text: Callable[..., str],
):
    (tmp_path / "runs" / trained.name / "best.keras").write_bytes(b"no model")
    async with opened((132, 43)) as pilot:
        await pilot.press("5")
        await until(pilot, lambda: pilot.app.screen.query("FaceGrid") and pilot.app.screen.query_one(FaceGrid).faces)
        faces = pilot.app.screen.query_one(FaceGrid).faces
        await pilot.press("x")
        await until(pilot, lambda: "best.keras" in pilot.app.screen.problem)
        assert not pilot.app.screen.is_explaining
        assert [face.prediction for face in pilot.app.screen.query_one(FaceGrid).faces] == [f.prediction for f in faces]
