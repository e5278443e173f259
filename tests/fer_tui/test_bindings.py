"""Every key of the app performs its action, appears in the help, and can be remapped."""

from __future__ import annotations

import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from picture import capture_screen, text_of
from textual.binding import Binding
from textual.pilot import Pilot
from textual.screen import ModalScreen
from walks import WALKS, Press, Until, Walk

from fer_tui.app import FerApp
from fer_tui.dialogs.help import by_action
from fer_tui.keymap import _classes, _modules, actions, check_keys

# A different key for every action.
OTHERS = [
    f"{modifiers}+{letter}" for modifiers in ("alt", "ctrl+alt") for letter in string.ascii_lowercase + string.digits
]
OTHERS += [f"{modifiers}+f{number}" for modifiers in ("ctrl", "alt", "ctrl+alt") for number in range(1, 13)]


def remapped() -> dict[str, str]:
    return dict(zip(actions(), OTHERS, strict=False))


def test_every_binding_has_an_id_words_and_what_it_does():
    bindings = [
        (kind.__name__, binding)
        for module in _modules()
        for kind in _classes(module)
        for binding in vars(kind).get("BINDINGS", ())
    ]
    assert bindings
    for owner, binding in bindings:
        assert isinstance(binding, Binding), f"{owner}: {binding} has no id, which it needs to be remapped"
        assert binding.id and binding.description and binding.tooltip, f"{owner}: {binding}"


def test_every_key_of_every_action_is_walked_over():
    walked = {(step.action, step.key) for walk in WALKS for step in walk.steps if isinstance(step, Press)}
    assert walked == {(action.id, key) for action in actions().values() for key in action.keys}


def test_every_action_may_have_another_key():
    keys = remapped()
    assert keys.keys() == actions().keys()
    check_keys(keys, source="settings")


def told(app: FerApp, key: str) -> bool:
    """Return whether Help lists a key now, with its name and description."""
    shown = app.get_key_display(app.screen.active_bindings[key].binding)
    listed = by_action(list(app.screen.active_bindings.values()))
    return any(shown in keys.split() and name and does for _, rows in listed for keys, name, does in rows)


async def reach(pilot: Pilot[Any], until: Callable[..., Any], condition: Callable[[], object], otherwise: str) -> None:
    """Wait for a condition; on failure, show the screen."""
    try:
        await until(pilot, condition)
    except AssertionError as error:
        raise AssertionError(f"{otherwise}:\n{text_of(capture_screen(pilot.app))}") from error


def doing(app: FerApp, key: str) -> set[str | None]:
    """Return the ids of all bindings of a key on the current screen."""
    return {
        binding.id for _, bound in app.screen._modal_binding_chain for binding in bound.key_to_bindings.get(key, ())
    }


@pytest.mark.parametrize("are_ours", [True, False], ids=["our keys", "the user's keys"])
@pytest.mark.parametrize("walk", WALKS, ids=lambda walk: walk.name)
async def test_a_key_does_what_it_says(
    walk: Walk,
    are_ours: bool,
    open_scene: Callable[..., Any],
    until: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
):
    keys: dict[str, str] = {} if are_ours else remapped()
    left: list[int] = []
    monkeypatch.setattr(FerApp, "left", left, raising=False)
    monkeypatch.setattr(FerApp, "exit_now", lambda app, status: left.append(status))
    async with open_scene(walk.scene) as pilot:
        app: Any = pilot.app
        app.set_keymap(keys)
        for step in walk.steps:
            await pilot.pause()
            if isinstance(step, Until):
                await reach(pilot, until, lambda step=step: step.seen(app), "the condition did not become true")
                continue
            if isinstance(step, str):
                await pilot.press(step)
                continue
            if not isinstance(step, Press):
                step(app)
                continue
            key = keys.get(step.action, step.key)
            # The enabled actions depend on the selection, whose message arrives a moment later.
            await reach(pilot, until, lambda key=key: key in app.screen.active_bindings, f"{step.action} is not active")
            assert step.action in doing(app, key)
            if not isinstance(app.screen, ModalScreen) and step.action not in BESIDE_SCROLLING:
                assert told(app, key), f"Help does not list {step.action}"
            assert not step.seen(app) or step.action in SAME_AGAIN, f"{step.action}: its effect is there already"
            await pilot.press(key)
            await reach(pilot, until, lambda step=step: step.seen(app), f"{step.action}: {key} did not have the effect")


# Textual lists the scrolling that the form inherits on these keys, although the app's action is used.
BESIDE_SCROLLING = ("form.down", "form.up")
# Pressed a second time, or at the end of a list, these keys do not change the screen.
SAME_AGAIN = ("menu.up",)


async def test_without_colours_everything_is_told_by_signs_and_words(
    open_scene: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    with_colours = {}
    for name in NO_COLOUR:
        async with open_scene(name) as pilot:
            with_colours[name] = text_of(capture_screen(pilot.app))
    for name in NO_COLOUR:
        monkeypatch.setenv("NO_COLOR", "1")
        async with open_scene(name) as pilot:
            screen = capture_screen(pilot.app)
            assert text_of(screen) == with_colours[name]
            colours = {word for line in screen for cell in line for word in cell.style.split() if word[0] == "#"}
            assert colours and all(colour[1:3] == colour[3:5] == colour[5:7] for colour in colours)


NO_COLOUR = ("data-full", "train-failed", "runs-overlay", "compare-full", "inspect-cell")
