from collections.abc import Callable
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.pilot import Pilot
from textual.widgets import Input, Static

from fer_tui.widgets.key_line import KeyLine


class Keyed(Static, can_focus=True):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a,b", "note('first')", "First", tooltip="The first"),
        Binding("c", "note('second')", "笑脸"),
        Binding("d", "note('hidden')", "Hidden", show=False),
        Binding("f", "note('never')", "Never"),
        Binding("g", "note('later')", "Later"),
        Binding("h", "note('last')", "Very last of all"),
    ]

    def action_note(self, word: str) -> None:
        self.app.done.append(word)  # type: ignore[attr-defined]

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return {"never": False, "later": None}.get(str(parameters[0]) if parameters else "", True)


class Shown(App[None]):
    CSS = "KeyLine { height: 1; } .key-line--hover { background: red; }"
    ENABLE_COMMAND_PALETTE = False

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []

    def compose(self) -> ComposeResult:
        yield Keyed("keys")
        yield Input()
        yield KeyLine()


def line(pilot: Pilot[Any]) -> str:
    keys = pilot.app.query_one(KeyLine)
    return str(keys.render()).rstrip()


async def shown(pilot: Pilot[Any], until: Callable[..., Any], words: str) -> None:
    await until(pilot, lambda: line(pilot) == words)


async def test_the_keys_of_what_has_the_focus_once_each(until: Callable[..., Any]):
    async with Shown().run_test(size=(60, 10)) as pilot:
        await shown(pilot, until, " a First  c 笑脸  g Later  h Very last of all")
        pilot.app.query_one(Input).focus()
        await until(pilot, lambda: "First" not in line(pilot))
        pilot.app.query_one(Keyed).focus()
        await until(pilot, lambda: "First" in line(pilot))


async def test_a_key_without_room_is_left_out_as_a_whole(until: Callable[..., Any]):
    async with Shown().run_test(size=(45, 10)) as pilot:
        await shown(pilot, until, " a First  c 笑脸  g Later")
        await pilot.resize_terminal(46, 10)
        await shown(pilot, until, " a First  c 笑脸  g Later  h Very last of all")


async def test_a_click_presses_the_key_under_it_and_no_other(until: Callable[..., Any]):
    app = Shown()
    async with app.run_test(size=(60, 10)) as pilot:
        await until(pilot, lambda: "First" in line(pilot))
        for column in (0, 8, 9, 16, 17, 25, 50):
            await pilot.click(KeyLine, offset=(column, 0))
        # A disabled key and the empty part of the line do nothing.
        await until(pilot, lambda: app.done == ["first", "first", "second", "second"])


async def test_what_the_pointer_is_on_is_marked_and_explained(until: Callable[..., Any]):
    async with Shown().run_test(size=(60, 10)) as pilot:
        await until(pilot, lambda: "First" in line(pilot))
        keys = pilot.app.query_one(KeyLine)

        def is_red() -> str:
            return "".join(segment.text for segment in keys.render_line(0) if "ff0000" in str(segment.style))

        await pilot.hover(KeyLine, offset=(3, 0))
        await until(pilot, lambda: is_red() == " a First ")
        assert keys.tooltip == "The first"
        await pilot.hover(KeyLine, offset=(10, 0))
        await until(pilot, lambda: is_red() == " c 笑脸 ")
        await pilot.hover(Input)
        await until(pilot, lambda: is_red() == "")
