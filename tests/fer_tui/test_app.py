from __future__ import annotations

import gc
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from textual.app import App
from textual.css.stylesheet import Stylesheet
from textual.widgets import Input

from core.config.training_config import resolve
from fer_tui.app import FerApp
from fer_tui.dialogs.help import HelpScreen
from fer_tui.modes import SHOWN_MODES, Mode
from fer_tui.themes import THEMES
from fer_tui.widgets.key_line import KeyLine

LATER = ("typer", "pydantic", "numpy", "plotext")
HEAVY = ("tensorflow", "keras", "pandas", "sklearn", "scipy", "PIL")


async def test_digits_and_tabs_switch_modes(
    open_app: Callable[..., Any], until: Callable[..., Any], size: tuple[int, int]
):
    async with open_app(size) as pilot:
        for mode in SHOWN_MODES:
            await pilot.press(mode.key)
            await until(pilot, lambda mode=mode: mode.name == pilot.app.screen.MODE)
            assert not isinstance(pilot.app.focused, Input)
        for mode in SHOWN_MODES:
            await pilot.click(f"#tab-{mode.name}")
            await until(pilot, lambda mode=mode: mode.name == pilot.app.screen.MODE)


async def test_it_opens_on_the_data_where_there_are_no_runs(open_app: Callable[..., Any]):
    async with open_app() as pilot:
        assert pilot.app.screen.MODE == "data"


async def test_it_opens_on_the_runs_where_there_are_some(open_app: Callable[..., Any], write_run: Callable[..., Path]):
    write_run()
    async with open_app() as pilot:
        assert pilot.app.screen.MODE == "runs"


@pytest.mark.parametrize("mode", SHOWN_MODES, ids=lambda mode: mode.name)
async def test_help_lists_the_keys_that_work_here(
    open_app: Callable[..., Any],
    write_run: Callable[..., Path],
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    mode: Mode,
):
    write_run()
    async with open_app((132, 43)) as pilot:
        await pilot.press(mode.key)
        await until(pilot, lambda: mode.name == pilot.app.screen.MODE)
        await pilot.pause()
        told = [b.binding.description for b in pilot.app.screen.active_bindings.values() if b.node is pilot.app.screen]
        await pilot.press("question_mark")
        await until(pilot, lambda: isinstance(pilot.app.screen, HelpScreen))
        await pilot.pause()
        shown = screen_text(pilot)
        ours = [b.description for b in type(pilot.app.mode_screen).BINDINGS if b.description in told]
        assert ours and all(word in shown for word in ours)
        await pilot.press("escape")
        await until(pilot, lambda: mode.name == pilot.app.screen.MODE)


async def test_every_binding_of_ours_has_an_id_and_a_tooltip(open_app: Callable[..., Any], until: Callable[..., Any]):
    async with open_app() as pilot:
        for mode in SHOWN_MODES:
            await pilot.press(mode.key)
            await until(pilot, lambda mode=mode: mode.name == pilot.app.screen.MODE)
            nodes = [pilot.app, pilot.app.screen, *pilot.app.screen.query("*")]
            kinds = {type(node) for node in nodes if type(node).__module__.startswith("fer_tui")}
            bindings = [b for kind in kinds for b in kind.__dict__.get("BINDINGS", ())]
            assert bindings and all(b.id and b.tooltip for b in bindings)


async def test_the_palette_offers_modes_and_what_the_screen_can_do(
    open_app: Callable[..., Any], write_run: Callable[..., Path]
):
    write_run()
    async with open_app() as pilot:
        await pilot.pause()
        titles = [command.title for command in pilot.app.get_system_commands(pilot.app.screen)]
        assert {"Data", "Runs", "Compare", "Filter", "Delete", "Theme", "Quit"} <= set(titles)
        assert "Stop" not in titles


async def test_every_theme_of_ours_shows_every_mode(
    open_app: Callable[..., Any],
    write_run: Callable[..., Path],
    epochs: Callable[[int], list[dict[str, float]]],
    until: Callable[..., Any],
):
    write_run(history=epochs(3))
    async with open_app() as pilot:
        for theme in THEMES:
            pilot.app.theme = theme.name
            for mode in SHOWN_MODES:
                await pilot.press(mode.key)
                await until(pilot, lambda mode=mode: mode.name == pilot.app.screen.MODE)
                assert pilot.app.screen.query_one(KeyLine).display


@pytest.mark.parametrize("key", ["q", "ctrl+q"])
async def test_quitting_ends_the_watcher(open_app: Callable[..., Any], key: str):
    before = threading.active_count()
    async with open_app() as pilot:
        worker = next(worker for worker in pilot.app.workers if worker.name == "watcher")
        assert worker.is_running
        await pilot.press(key)
    assert worker.is_finished
    assert pilot.app.return_code == 0
    assert threading.active_count() <= before + 32  # the event loop's thread pool remains until the loop closes


async def test_a_folder_of_runs_that_is_a_mess_is_told(
    tmp_path: Path, until: Callable[..., Any], screen_text: Callable[..., str], monkeypatch: pytest.MonkeyPatch
):
    from core.errors import RunError

    def unreadable(folder: Path):
        raise RunError("runs", f"{folder}: Permission denied; choose a readable folder")

    monkeypatch.setattr("fer_tui.state.watchers.list_runs", unreadable)
    app = FerApp(None, tmp_path)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("3")
        await until(pilot, lambda: "Permission denied" in screen_text(pilot))


def test_the_first_paint_imports_nothing_heavy(tmp_path: Path):
    code = (
        "import asyncio, sys\nfrom pathlib import Path\nfrom fer_tui.app import FerApp\n"
        "async def main():\n"
        f"    app = FerApp(runs=Path({str(tmp_path)!r}))\n"
        "    async with app.run_test() as pilot:\n"
        "        for key in '314':\n"
        "            await pilot.press(key)\n"
        "            await pilot.pause()\n"
        f"asyncio.run(main())\nprint([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_screens_open_without_what_is_not_painted(tmp_path: Path):
    code = (
        "import asyncio, sys\nfrom pathlib import Path\nimport fer_tui.cli, fer_tui.launch\n"
        "from fer_tui import app\nfrom fer_tui.screens import data, runs\n"
        # The poller's thread does it a moment later.
        "app.import_modes = lambda: None\n"
        "async def main():\n"
        f"    async with app.FerApp(runs=Path({str(tmp_path)!r})).run_test() as pilot:\n"
        "        await pilot.pause()\n"
        f"asyncio.run(main())\nprint([name for name in {LATER!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_without_a_terminal_it_says_so():
    code = "from fer_tui.launch import run_app; raise SystemExit(run_app())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 2 and "need a terminal" in done.stderr and not done.stdout


async def test_a_mode_that_was_left_has_the_theme_and_the_width_of_now(
    open_app: Callable[..., Any], until: Callable[..., Any]
):
    async with open_app((132, 43)) as pilot:
        app = pilot.app
        for mode in SHOWN_MODES:
            await pilot.press(mode.key)
            await until(pilot, lambda mode=mode: mode.name == app.screen.MODE)
        await pilot.resize_terminal(80, 24)
        before = app.screen.styles.background
        app.theme = next(theme.name for theme in THEMES if not theme.dark)
        for mode in SHOWN_MODES:
            await pilot.press(mode.key)
            await until(pilot, lambda mode=mode: mode.name == app.screen.MODE)
            await until(pilot, lambda: app.screen.has_class("-narrow") and not app.screen.has_class("-wide"))
            await until(pilot, lambda: app.screen.styles.background != before)
            keys = app.screen.query_one(KeyLine)
            assert keys.styles.background.hex == app.theme_variables["panel"]
            assert keys.region.right == 80


async def test_the_style_sheet_is_read_again_only_for_a_screen_that_brings_its_own(
    open_app: Callable[..., Any], until: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
):
    read: list[Stylesheet] = []
    reparse = Stylesheet.reparse
    async with open_app() as pilot:
        monkeypatch.setattr(Stylesheet, "reparse", lambda self: (read.append(self), reparse(self))[1])
        with_own = 0
        for mode in SHOWN_MODES:
            await pilot.press(mode.key)
            await until(pilot, lambda mode=mode: mode.name == pilot.app.screen.MODE)
            with_own += pilot.app.screen.CSS_PATH is not None
        assert len(read) == with_own
        pilot.app.theme = THEMES[1].name
        await until(pilot, lambda: len(read) > with_own)


async def test_garbage_is_collected_after_the_first_paint(open_app: Callable[..., Any], until: Callable[..., Any]):
    gc.disable()
    try:
        async with open_app() as pilot:
            await until(pilot, gc.isenabled)
    finally:
        gc.enable()
        gc.unfreeze()


async def test_the_other_screens_are_made_before_a_training_begins(
    open_app: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    made: list[set[str]] = []
    async with open_app() as pilot:
        app = pilot.app
        monkeypatch.setattr(app.queue, "add", lambda runs: made.append(set(app._screen_stacks)) or False)
        assert not {mode.name for mode in SHOWN_MODES} <= set(app._screen_stacks)
        await app.submit([resolve({"data": tmp_path, "model": "compact"})], detached=False)
        assert made and {mode.name for mode in SHOWN_MODES} <= made[0]
        assert app.screen.MODE == "data"


async def test_only_the_first_opening_of_a_mode_is_held_back(
    open_app: Callable[..., Any], until: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
):
    held: list[float] = []
    async with open_app() as pilot:
        delay_update = App.delay_update
        monkeypatch.setattr(App, "delay_update", lambda app, delay: (held.append(delay), delay_update(app, delay))[1])
        for key, mode in (("3", "runs"), ("1", "data"), ("3", "runs")):
            await pilot.press(key)
            await until(pilot, lambda mode=mode: mode == pilot.app.screen.MODE)
        assert held[0] > held[1] == held[2]
