from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fer_tui.app import FerApp
from fer_tui.dialogs.help import HelpScreen
from fer_tui.keymap import _classes, _modules, _own_bindings, actions
from fer_tui.user_settings import UserSettings

KEYS = {"app.runs": "f3", "app.help": "f9", "app.quit": "ctrl+x,ctrl+w", "runs.metric": "T", "confirm.no": "z"}


def test_no_two_bindings_share_an_id():
    ids = Counter(binding.id for module in _modules() for kind in _classes(module) for binding in _own_bindings(kind))
    assert ids and set(ids.values()) == {1}
    assert {"app.quit", "runs.stop", "run_table.down"} <= actions().keys()


async def test_the_users_keys_work_in_place_of_ours_and_are_shown(
    tmp_path: Path,
    write_run: Callable[..., Path],
    until: Callable[..., Any],
    screen_text: Callable[..., str],
    epochs: Callable[[int], list[dict[str, float]]],
):
    write_run(history=epochs(2))
    app: Any = FerApp(None, tmp_path / "runs", settings=UserSettings(keys=KEYS))
    async with app.run_test(size=(132, 43)) as pilot:
        await until(pilot, lambda: app.runs is not None and app.mode_screen is not None)
        await pilot.press("1")
        await until(pilot, lambda: app.current_mode == "data")
        await pilot.press("3", "question_mark")
        await pilot.pause()
        assert app.current_mode == "data"
        await pilot.press("f3")
        await until(pilot, lambda: "T loss" in screen_text(pilot))
        head, *_ = screen_text(pilot).splitlines()
        assert "f3 Runs" in head and "f9 Help" in head and "^x Quit" in head
        told = {command.title: str(command.help) for command in app.get_system_commands(app.screen)}
        assert told["Runs"].startswith("f3 ") and told["Metric"].startswith("T ") and told["Quit"].startswith("^x ")
        await pilot.press("delete")
        await until(pilot, lambda: "Cancel (z)" in screen_text(pilot))
        await pilot.press("z")
        await until(pilot, lambda: app.current_mode == "runs")
        await pilot.press("f9")
        await until(pilot, lambda: isinstance(app.screen, HelpScreen) and "f3" in screen_text(pilot))
        await pilot.press("escape", "ctrl+w")
    assert app.return_code == 0
