"""The dialog to review labels that may be wrong."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from core.config.training_config import resolve
from core.data.corrections import read_decisions, read_exclusions, read_relabels
from core.data.splits import read_training_dataset
from core.evaluation.label_review import find_label_issues
from fer_tui.dialogs.review import FILE, ReviewScreen
from fer_tui.widgets.face_grid import FaceGrid
from fer_tui.widgets.menu import MenuScreen


async def ask(pilot: Pilot[Any], until: Callable[..., Any]) -> None:
    """Open Inspect and, once the faces are shown, the review."""
    app: Any = pilot.app
    await pilot.press("5")
    await until(pilot, lambda: app.current_mode == "inspect" and app.mode_screen.dataset is not None)
    await pilot.press("d")


def state(pilot: Pilot[Any]) -> str:
    """Return the status text in one line, because line breaks depend on the length of the test's folder."""
    found = pilot.app.screen.query("#review-state")
    return str(found.first(Static).content) if found else ""


async def opened(pilot: Pilot[Any], until: Callable[..., Any]) -> ReviewScreen:
    await ask(pilot, until)
    await until(pilot, lambda: isinstance(pilot.app.screen, ReviewScreen) and pilot.app.screen.issues)
    assert isinstance(pilot.app.screen, ReviewScreen)
    return pilot.app.screen


async def test_decisions_are_saved_one_by_one_and_training_takes_them(
    open_app: Callable[..., Any],
    write_evaluated_run: Callable[..., Path],
    faces: Path,
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    size: tuple[int, int],
):
    run = write_evaluated_run(faces)
    wanted = find_label_issues([run])
    async with open_app(size) as pilot:
        screen = await opened(pilot, until)
        assert [each.path for each in screen.issues] == [each.path for each in wanted]
        await until(pilot, lambda: screen.query_one(FaceGrid).faces)
        await until(pilot, lambda: wanted[0].path in screen_text(pilot))
        shown = screen_text(pilot)
        assert f"1 of 14   label {wanted[0].label}, suggested {wanted[0].suggested}" in shown
        assert "No decisions yet" in shown and "Exclude (x)" in shown
        await pilot.press("x", "r", "k", "o")
        await until(pilot, lambda: isinstance(pilot.app.screen, MenuScreen))
        await pilot.press("down" if sorted(wanted[3].probabilities)[-1] != wanted[3].label else "up", "enter")
        await until(pilot, lambda: screen.index == 4)
        await pilot.press("right", "left", "left")
        await until(pilot, lambda: screen.index == 3)
        await until(pilot, lambda: "1 keep, 1 exclude, 2 relabel: " in " ".join(screen_text(pilot).split()))
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is pilot.app.mode_screen)
        # The review opens at the first undecided image.
        assert (await opened(pilot, until)).index == 4
    file = run / FILE
    assert list(read_exclusions(file)) == [wanted[0].path]
    relabels = read_relabels(file)
    assert list(relabels) == [wanted[1].path, wanted[3].path]
    assert relabels[wanted[1].path] == wanted[1].suggested
    assert relabels[wanted[3].path] != wanted[3].label
    left = read_training_dataset(resolve({"data": faces, "model": "compact", "exclude": file, "relabel": file}))
    assert wanted[0].path not in set(left.frame["path"])
    told = left.frame.set_index("path")["label"]
    assert told[wanted[1].path] == wanted[1].suggested


async def test_a_decision_can_be_another_one(
    open_app: Callable[..., Any], write_evaluated_run: Callable[..., Path], faces: Path, until: Callable[..., Any]
):
    run = write_evaluated_run(faces)
    async with open_app() as pilot:
        screen = await opened(pilot, until)
        await pilot.press("x", "left", "k")
        await until(pilot, lambda: screen.index == 1)
        await pilot.click("#exclude")
        await until(pilot, lambda: screen.index == 2)
        await pilot.click("#close")
        await until(pilot, lambda: pilot.app.screen is pilot.app.mode_screen)
    assert [each.decision for each in read_decisions(run / FILE).values()] == ["keep", "exclude"]


async def test_what_stands_in_the_way_is_told(
    open_app: Callable[..., Any],
    write_evaluated_run: Callable[..., Path],
    faces: Path,
    until: Callable[..., Any],
):
    run = write_evaluated_run(faces)
    (run / FILE).write_text("path\nx.png\n")
    async with open_app() as pilot:
        await ask(pilot, until)
        await until(pilot, lambda: "has no column 'label'" in state(pilot))
        await pilot.press("x", "k")
        assert (run / FILE).read_text() == "path\nx.png\n"


async def test_a_folder_that_is_full_is_told_and_nothing_is_lost(
    open_app: Callable[..., Any],
    write_evaluated_run: Callable[..., Path],
    faces: Path,
    until: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
):
    write_evaluated_run(faces)
    async with open_app() as pilot:
        screen = await opened(pilot, until)

        def fail(path: Path, content: bytes):
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr("core.system.files.write_bytes", fail)
            await pilot.press("x")
            await until(pilot, lambda: "No space left on device" in state(pilot))
        assert screen.index == 0 and not screen.decisions
        await pilot.press("x")
        await until(pilot, lambda: screen.index == 1)
