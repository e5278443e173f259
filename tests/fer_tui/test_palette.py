from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.command import CommandPalette
from textual.screen import Screen

from fer_tui.app import FerApp
from fer_tui.palette import OpenCommands
from fer_tui.widgets.run_table import RunTable


async def test_a_run_is_found_by_its_name_and_opened(
    open_app: Callable[..., Any],
    write_run: Callable[..., Path],
    until: Callable[..., Any],
    screen_text: Callable[..., str],
):
    for number in range(5):
        write_run(f"20260102-03040{number}-006-compact-abc{number}")
    async with open_app() as pilot:
        await pilot.press("4")
        await until(pilot, lambda: pilot.app.screen.MODE == "compare")
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(pilot.app.screen, CommandPalette))
        await pilot.press(*"abc1")
        await until(pilot, lambda: "compact-abc1" in screen_text(pilot) and "compact-abc2" not in screen_text(pilot))
        await pilot.press("enter")
        await until(pilot, lambda: getattr(pilot.app.screen, "MODE", "") == "runs")
        table = pilot.app.screen.query_one(RunTable)
        await until(pilot, lambda: str(table.chosen).endswith("abc1"))
        assert pilot.app.wanted_run == ""


async def test_a_run_that_the_filter_hides_is_opened_too(
    open_app: Callable[..., Any], write_run: Callable[..., Path], until: Callable[..., Any]
):
    names = [write_run(f"20260102-03040{number}-006-compact-abc{number}").name for number in range(3)]
    async with open_app() as pilot:
        await pilot.press("slash", *"abc2", "enter")
        table = pilot.app.screen.query_one(RunTable)
        await until(pilot, lambda: table.row_count == 1)
        pilot.app.open_run(names[0])
        await until(pilot, lambda: table.row_count == 3 and table.chosen == names[0])


async def test_hostile_names_are_shown_as_they_are(
    open_app: Callable[..., Any], write_run: Callable[..., Path], hostile: tuple[str, ...]
):
    for number, name in enumerate(hostile):
        write_run(f"20260102-03040{number}-006-{name.replace('/', '|')}-abcd", config={"model": name})
    async with open_app() as pilot:
        provider = OpenCommands(pilot.app.screen)
        hits: list[Any] = [hit async for hit in provider.search("run")]
        shown = {str(hit.match_display) for hit in hits}
        assert len(shown) == len(hostile) and any("[red]x[|]" in text for text in shown)
        assert all(text.isprintable() for text in shown)


class _TrainScreen(Screen[None]):
    MODE = "train"


class _AppThatTrains(FerApp):
    CSS_PATH = str(Path(str(sys.modules[FerApp.__module__].__file__)).with_name("app.tcss"))
    MODES = FerApp.MODES | {"train": _TrainScreen}


async def test_a_model_opens_the_form_with_it_chosen(tmp_path: Path, until: Callable[..., Any]):
    app = _AppThatTrains(None, tmp_path)
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.mode_screen is not None)
        hits: list[Any] = [hit async for hit in OpenCommands(app.screen).search("train comp")]
        assert [str(hit.match_display) for hit in hits] == ["Train compact"]
        hits[0].command()
        await until(pilot, lambda: isinstance(app.screen, _TrainScreen))
        assert app.wanted_model == "compact"
