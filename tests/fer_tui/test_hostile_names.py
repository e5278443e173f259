"""Names with control sequences, markup or extreme lengths: the app escapes them, and they have no effect."""

from __future__ import annotations

import shutil
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import worlds
from picture import capture_screen, text_of
from textual.pilot import Pilot

from fer_tui.app import FerApp
from fer_tui.console.output import escape_control

NAMES = {
    "markup": "[red]x[/red]",
    "click": "[@click=app.quit]go[/]",
    "unclosed": "[bold",
    "closing": "[/]",
    # Sequences for a colour, the title and the clipboard, the same with C1 characters, and a bell.
    "escapes": "\x1b[31mred\x1b[0m\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x07\x9b31mred\x9d0;owned\x9cding\x07\x08\x7f",
    "lines": "one\r\ntwo\x85three\u2028four",
    "unseen": "gnp.\u202eexe\u2066x\u2069a\u200bb\u200d\ufeffc",
    "joined": "e\u0301\u0302 \U0001f468\u200d\U0001f469\u200d\U0001f467",
    "long": "x" * 200,
    "chinese": "高兴的脸" * 20,
    "right to left": "وجه سعيد",
    "not utf-8": b"caf\xe9".decode(errors="surrogateescape"),
}
FACE = "0002.png"


def folder_name(name: str) -> str:
    """Convert a name to a valid folder name: no slash, and at most 255 bytes."""
    return name.replace("/", "|")


@pytest.fixture(params=NAMES.values(), ids=list(NAMES))
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def size(name: str) -> tuple[int, int]:
    """Return the terminal's size: a wide one for every second name."""
    return ((80, 24), (132, 43))[list(NAMES.values()).index(name) % 2]


@pytest.fixture
def hostile_data(tmp_path: Path, name: str) -> Path:
    """Create a data set whose folder, a class and an image have the name; another image is unreadable."""
    root = worlds.write_faces(tmp_path / folder_name(name))
    for split in ("train", "validation"):
        shutil.move(root / split / "happy", root / split / folder_name(name))
    place = root / "validation" / folder_name(name)
    shutil.move(place / FACE, place / f"{folder_name(name)[:60]}.png")
    (place / f"broken {folder_name(name)[:60]}.png").write_bytes(b"no image")
    return root


def spoken(name: str) -> str:
    """Return the escaped start of a name that fits even in the narrowest place."""
    return escape_control(name)[:5]


def check(pilot: Pilot[Any]) -> str:
    """Return the text of the screen; `capture_screen` checks its width and control characters."""
    app: Any = pilot.app
    assert not app._exit
    return text_of(capture_screen(app))


def unmarked(text: str) -> str:
    """Remove combining marks, which have no cells of their own."""
    return "".join(letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter))


def shows(pilot: Pilot[Any], words: str) -> bool:
    return unmarked(words) in unmarked(check(pilot))


def found_in(pilot: Pilot[Any], selector: str) -> str:
    """Return a widget's text without line breaks, spaces and scrollbar: lines break at the terminal's width."""
    region = pilot.app.screen.query_one(selector).region
    strips = pilot.app.screen._compositor.render_strips()[region.y : region.bottom]
    text = "".join("".join(strip.crop(region.x, region.right).text for strip in strips).split())
    return text.translate(dict.fromkeys(map(ord, "▁▂▃▄▅▆▇█")))


async def seen(pilot: Pilot[Any], until: Callable[..., Any], words: str) -> None:
    """Wait for words and ignore line breaks, which depend on the length of the test folder's path."""
    try:
        await until(pilot, lambda: words in " ".join(check(pilot).split()))
    except AssertionError as error:
        raise AssertionError(f"'{words}' did not appear:\n{check(pilot)}") from error


async def click_everywhere(pilot: Pilot[Any], words: str) -> None:
    """Click on all text: no action in a name may run."""
    for y, line in enumerate(check(pilot).splitlines()):
        if words in line:
            await pilot.click(offset=(line.index(words) + 2, y))
            check(pilot)


async def test_folders_classes_and_images(
    hostile_data: Path, name: str, size: tuple[int, int], until: Callable[..., Any], tmp_path: Path
):
    app = FerApp(hostile_data, tmp_path / "runs")
    async with app.run_test(size=size) as pilot:
        await seen(pilot, until, "finding")
        assert shows(pilot, spoken(folder_name(name)))
        for _ in range(2):
            await pilot.press("c")
            await pilot.pause()
            check(pilot)
        await pilot.press("f")
        await seen(pilot, until, "undecodable")
        broken = f"broken {spoken(folder_name(name))}"
        assert "".join(broken.split()) in found_in(pilot, "#findings-scroll")
        await click_everywhere(pilot, spoken(folder_name(name)))
        await pilot.press("escape", "2", "space")
        await seen(pilot, until, "1 run on")
        await pilot.press("ctrl+p", *"data")
        await pilot.pause()
        check(pilot)


def write_hostile(write_run: Callable[..., Path], data: Path, name: str) -> Iterator[Path]:
    """Write a completed run with the name as model, class and warning, and a failed run with it as message."""
    classes = sorted(folder_name(name) if label == "happy" else label for label in worlds.CLASSES)
    figures = worlds.evaluation([{"code": name, "message": f"{name} {name}"}])
    renamed = {"classes": classes, "per_class": dict(zip(classes, figures["per_class"].values(), strict=True))}
    environment = worlds.environment(data=str(data), classes=classes, host=name)
    run = write_run(
        f"20260301-080000-000-{folder_name(name)[:60]}-a1f3",
        config={"model": name, "augmentation": name, "protocol": name, "encoding": name, "epochs": name},
        environment=environment,
        evaluation=figures | renamed,
        history=worlds.history(3),
    )
    worlds.write_predictions(run)
    (run / "log.txt").write_text(f"{name}\n", "utf-8", "surrogateescape")
    yield run
    yield write_run(
        f"20260302-080000-000-{folder_name(name)[:60]}-b2c4",
        config={"model": name},
        status={"state": "failed", "message": f"{name} {name}", "host": name},
        environment={"warnings": [{"code": name, "message": name}], "host": name},
        history=worlds.history(2),
    )


async def test_runs_models_messages_and_warnings(
    hostile_data: Path,
    name: str,
    size: tuple[int, int],
    until: Callable[..., Any],
    write_run: Callable[..., Path],
    tmp_path: Path,
):
    runs = list(write_hostile(write_run, hostile_data, name))
    app = FerApp(None, tmp_path / "runs")
    words = spoken(name)
    async with app.run_test(size=size) as pilot:
        await seen(pilot, until, "failed")
        assert shows(pilot, words)
        for key in ("o", "o", "w"):
            await pilot.press(key)
            await pilot.pause()
            check(pilot)
        await click_everywhere(pilot, words)
        app.marked = frozenset(run.name for run in runs)
        screen: Any = app.screen
        screen.query_one("#run-tabs").active = "plot-pane"
        screen.query_one("#run-table").focus()
        screen.query_one("#run-table").choose(runs[0].name)
        await seen(pilot, until, "v validation")
        await pilot.press("delete")
        await seen(pilot, until, "This cannot be undone")
        await pilot.press("n", "r")
        await seen(pilot, until, "Train to how many")
        await pilot.press("escape", "4")
        await seen(pilot, until, "always")
        assert shows(pilot, words)
        await pilot.press("g")
        await pilot.pause()
        check(pilot)
        await pilot.press("5")
        await seen(pilot, until, "true╲pred")
        await until(pilot, lambda: all(w.is_finished for w in app.workers if w.group != "watch"))
        await pilot.press("down", "c")
        await pilot.pause()
        await click_everywhere(pilot, words)
        await pilot.press("p")
        await seen(pilot, until, "Predict")
        await pilot.press("escape", "ctrl+p", *"run")
        await seen(pilot, until, "Run 2026")
    assert all(run.exists() for run in runs)
