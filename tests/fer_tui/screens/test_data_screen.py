from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from textual.pilot import Pilot
from textual.widgets import Input, TabbedContent

from core.data.dataset import Problem
from fer_tui.dialogs.ask_path import AskPathScreen
from fer_tui.screens import data
from fer_tui.screens.data import findings
from fer_tui.widgets.class_bars import ClassBars
from fer_tui.widgets.face_grid import FaceGrid, half_blocks
from fer_tui.widgets.path_input import PathInput
from fer_tui.widgets.path_suggester import complete


def bars(pilot: Pilot[Any]):
    return pilot.app.screen.query_one(ClassBars)


def grid(pilot: Pilot[Any]):
    return pilot.app.screen.query_one(FaceGrid)


def one_line(text: str):
    return " ".join(text.split())


async def test_empty_says_what_to_do(
    open_app: Callable[..., Any], screen_text: Callable[..., str], size: tuple[int, int]
):
    async with open_app(size) as pilot:
        assert "Press o and type the path" in screen_text(pilot)
        assert pilot.app.focused is None
        for key in ("n", "c", "f", "escape"):  # these keys have no effect
            await pilot.press(key)


async def test_a_data_set_from_the_command_line_is_read_at_once(
    open_app: Callable[..., Any],
    faces: Path,
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    size: tuple[int, int],
):
    async with open_app(size, data=faces) as pilot:
        await until(pilot, lambda: "70 images   7 classes   no findings" in screen_text(pilot))
        await until(pilot, lambda: grid(pilot).shown)
        shown = screen_text(pilot)
        assert all(word in shown for word in ("angry", "surprise", "train", "validation", "▀▀▀▀"))
        assert bars(pilot).counts["train"]["happy"] == 8


async def test_a_folder_is_typed_and_completed(
    open_app: Callable[..., Any], faces: Path, until: Callable[..., Any], screen_text: Callable[..., str]
):
    async with open_app() as pilot:
        await pilot.press("o")
        assert isinstance(pilot.app.focused, Input)
        for character in str(faces)[:-2]:
            await pilot.press("slash" if character == "/" else "minus" if character == "-" else character)
        field = pilot.app.screen.query_one("#folder", Input)
        await until(pilot, lambda: field._suggestion == f"{faces}/")
        await pilot.press("tab")
        assert field.value == f"{faces}/"
        await pilot.press("enter")
        await until(pilot, lambda: "70 images" in screen_text(pilot))
        assert pilot.app.focused is not field


async def test_a_folder_that_is_none_is_one_line(
    open_app: Callable[..., Any], tmp_path: Path, until: Callable[..., Any], screen_text: Callable[..., str]
):
    async with open_app(data=tmp_path / "none") as pilot:
        await until(pilot, lambda: "no such folder" in one_line(screen_text(pilot)))
        assert pilot.app.screen.dataset is None


@pytest.mark.parametrize("given", ["empty", "none", "'em pty'"])
async def test_a_failed_open_keeps_the_set_that_is_shown(
    open_app: Callable[..., Any],
    faces: Path,
    tmp_path: Path,
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    given: str,
    monkeypatch: pytest.MonkeyPatch,
):
    for name in ("empty", "em pty"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    async with open_app(data=faces) as pilot:
        await until(pilot, lambda: "70 images" in screen_text(pilot) and grid(pilot).faces)
        field = pilot.app.screen.query_one("#folder", Input)
        await pilot.press("o")
        field.value = given
        await pilot.press("enter")
        said = f"{given.strip(chr(39))}: no "
        await until(pilot, lambda: said in one_line(screen_text(pilot)))
        assert field.value == str(faces)
        assert bars(pilot).counts["train"]["happy"] == 8 and grid(pilot).faces
        assert pilot.app.data == faces
        await pilot.press("c")
        await until(pilot, lambda: {face.label for face in grid(pilot).faces} == {"angry"})


@pytest.mark.parametrize("paste", ["'{}'", '"{}"', "uri", "escaped"])
async def test_a_pasted_path_is_understood(
    open_app: Callable[..., Any],
    write_tree: Callable[..., Path],
    tmp_path: Path,
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    paste: str,
):
    root = write_tree(tmp_path / "my faces", {"train/a": 2, "train/b": 2})
    pasted = {"uri": root.as_uri(), "escaped": str(root).replace(" ", "\\ ")}.get(paste, paste.format(root))
    async with open_app() as pilot:
        await pilot.press("o")
        field = pilot.app.screen.query_one("#folder", Input)
        field.value = pasted
        await pilot.press("enter")
        await until(pilot, lambda: "4 images" in screen_text(pilot))
        assert field.value == str(root)


async def test_the_settings_of_train_say_how_a_set_is_read(
    open_app: Callable[..., Any],
    write_tree: Callable[..., Path],
    tmp_path: Path,
    until: Callable[..., Any],
    screen_text: Callable[..., str],
):
    root = write_tree(tmp_path / "set", {"train/anger": 2, "train/joy": 2})
    async with open_app((132, 43), data=root) as pilot:
        await until(pilot, lambda: "4 images" in screen_text(pilot))
        await pilot.press("2")
        await until(pilot, lambda: pilot.app.screen.query("#set-classes"))
        pilot.app.screen.query_one("#set-classes", Input).value = "synonyms"
        await until(pilot, lambda: pilot.app.reading_settings == {"classes": "synonyms"})
        await pilot.press("1")
        await until(pilot, lambda: "read with classes synonyms (2 Train)" in screen_text(pilot))
        assert set(bars(pilot).counts["train"]) == {"angry", "happy"}
        pilot.app.take_reading_settings({"classes": "fear=x"})
        await pilot.press("2", "1")
        pilot.app.screen.read(root)
        await until(pilot, lambda: pilot.app.screen.read_with)
        assert set(bars(pilot).counts["train"]) == {"angry", "happy"}


async def test_classes_and_new_faces(open_app: Callable[..., Any], faces: Path, until: Callable[..., Any]):
    async with open_app((132, 43), data=faces) as pilot:
        await until(pilot, lambda: grid(pilot).faces)
        await pilot.press("c")
        await until(pilot, lambda: {face.label for face in grid(pilot).faces} == {"angry"})
        assert bars(pilot).chosen == "angry"
        before = grid(pilot).faces
        await pilot.press("n")
        await until(pilot, lambda: grid(pilot).faces is not before)
        assert {face.label for face in grid(pilot).faces} == {"angry"}
        for _ in range(7):
            await pilot.press("c")
        await until(pilot, lambda: len({face.label for face in grid(pilot).faces}) == 7)


async def test_findings_with_their_paths(
    open_app: Callable[..., Any],
    write_tree: Callable[..., Path],
    tmp_path: Path,
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    size: tuple[int, int],
):
    root = write_tree(tmp_path / "set", {"train/happy": 4, "train/sad": 4, "validation/happy": 2, "validation/sad": 2})
    (root / "train/happy/[red]bad[b].png").write_bytes(b"")
    async with open_app(size, data=root) as pilot:
        await until(pilot, lambda: "1 finding" in screen_text(pilot))
        await pilot.press("f")
        await until(pilot, lambda: "train/happy/[red]bad[b].png" in screen_text(pilot))
        await pilot.press("f")
        assert pilot.app.screen.query_one("#data-tabs", TabbedContent).active == "faces-pane"


async def test_hostile_class_names(
    open_app: Callable[..., Any],
    write_tree: Callable[..., Path],
    tmp_path: Path,
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    size: tuple[int, int],
):
    names = ("[red]x[", "\x1b[31mred", "高兴" * 12, "x" * 200)
    root = write_tree(tmp_path / "set", {f"{split}/{name}": 2 for split in ("train", "validation") for name in names})
    async with open_app(size, data=root) as pilot:
        await until(pilot, lambda: "16 images" in screen_text(pilot) and grid(pilot).faces)
        await pilot.pause()
        shown = screen_text(pilot)
        assert "\x1b" not in shown and "[red]x[" in shown and "高兴" in shown


async def test_faces_are_drawn_and_read(
    open_app: Callable[..., Any],
    tmp_path: Path,
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(data, "PER_CLASS", 5)
    async with open_app() as pilot:
        await pilot.press("d")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskPathScreen))
        pilot.app.screen.query_one(Input).value = str(tmp_path / "drawn")
        await pilot.press("enter")
        await until(pilot, lambda: "35 images   7 classes" in screen_text(pilot))
        await pilot.press("d")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskPathScreen))
        pilot.app.screen.query_one(Input).value = str(tmp_path / "drawn")
        await pilot.press("enter")
        await until(pilot, lambda: "is not empty" in one_line(screen_text(pilot)))
        await pilot.press("d", "escape")
        await until(pilot, lambda: pilot.app.screen is pilot.app.mode_screen)


def test_half_blocks_keep_shape_and_tones():
    image = Image.new("L", (10, 20), 255)
    lines = half_blocks(image, 5)
    assert len(lines) == 5 and all(len(line) == 10 for line in lines)
    middle, edge = lines[2][5].style, lines[2][0].style
    assert middle and edge and middle.color and edge.color
    assert tuple(middle.color.get_truecolor()) == (255, 255, 255)
    assert tuple(edge.color.get_truecolor()) == (0, 0, 0)


def test_many_paths_are_cut_short():
    text = findings([Problem("odd_size", "60 images", tuple(f"{n}.png" for n in range(60)))]).plain
    assert "odd size" in text and "and 10 more" in text and "59.png" not in text


@pytest.mark.parametrize("folders_only", [True, False])
def test_completion(tmp_path: Path, folders_only: bool, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "faces").mkdir()
    (tmp_path / "fer2013.csv").write_text("")
    (tmp_path / ".hidden").mkdir()
    assert complete(f"{tmp_path}/fa") == f"{tmp_path}/faces/"
    assert complete(f"{tmp_path}/fe", folders_only=folders_only) == (
        None if folders_only else f"{tmp_path}/fer2013.csv"
    )
    assert complete(f"{tmp_path}/zzz") is None
    assert complete(f"{tmp_path}/", folders_only=folders_only) == f"{tmp_path}/faces/"
    monkeypatch.chdir(tmp_path)
    assert complete("fa") == "faces/"
    assert complete("") is None and complete("/no/such/place/x") is None


async def test_what_stands_in_a_path_field_is_gone_on_with_at_every_focus(
    open_app: Callable[..., Any], until: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "faces").mkdir()
    monkeypatch.chdir(tmp_path)
    async with open_app() as pilot:
        await pilot.press("d")
        await until(pilot, lambda: isinstance(pilot.app.screen, AskPathScreen))
        field = pilot.app.screen.query_one(PathInput)
        for _ in range(2):
            field.focus()
            await until(pilot, lambda: field._suggestion == "faces/")
            pilot.app.screen.set_focus(None)
            await pilot.pause()
