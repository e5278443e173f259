from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import os
import pty
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import pytest
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.css.stylesheet import Stylesheet
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import DataTable, Input, Static
from textual_plotext import PlotextPlot

import fer_tui
from fer_tui import textual_private as private

PACKAGE = Path(fer_tui.__file__).parent
# Every private name that textual_private.py uses. A new one needs a function there, and a test and an entry here.
KNOWN = {
    "_bindings",
    "_css_update_count",
    "_driver",
    "_init_mode",
    "_keymap",
    "_make_app",
    "_set_size",
    "_update_count",
    "_value",
}
# Starts with an underscore, but Python documents it.
PUBLIC = {"os._exit"}
UPGRADE = "Textual has changed, see fer_tui/textual_private.py: "


class First(Screen[None]):
    """The app's first screen."""


class Stale(Screen[None]):
    """A screen as Textual creates it."""


class New(Screen[None]):
    def __init__(self) -> None:
        super().__init__()
        private.mark_stylesheet_current(self)


class Modes(private.FastSwitchApp):
    MODES: ClassVar = {"first": First, "stale": Stale, "new": New}
    DEFAULT_MODE = "first"
    BINDINGS: ClassVar[list[BindingType]] = [Binding(mode[0], f"switch_mode('{mode}')") for mode in MODES]


class One(App[None]):
    """An app with one widget."""

    def __init__(self, make: Callable[[], Widget]) -> None:
        super().__init__()
        self.make = make

    def compose(self) -> ComposeResult:
        yield self.make()


@contextlib.asynccontextmanager
async def opened(make: Callable[[], Widget]) -> AsyncIterator[Pilot[Any]]:
    async with One(make).run_test(size=(40, 6)) as pilot:
        await pilot.pause()
        yield pilot


async def test_only_a_switch_to_a_screen_that_is_made_paints_at_once(monkeypatch: pytest.MonkeyPatch):
    held: list[float] = []
    real = App.delay_update
    monkeypatch.setattr(App, "delay_update", lambda app, delay: (held.append(delay), real(app, delay))[1])
    async with Modes().run_test() as pilot:
        await pilot.press("s", "f", "s")
    assert len(held) == 3, f"{UPGRADE}App.switch_mode no longer calls delay_update once; FastSwitchApp does nothing"
    assert held[0] > held[1] == held[2] == private.AT_ONCE, f"{UPGRADE}FastSwitchApp delays the paint by {held}"


async def test_a_screen_that_keeps_the_style_sheet_is_opened_without_reading_it(monkeypatch: pytest.MonkeyPatch):
    read: list[str] = []
    async with Modes().run_test() as pilot:
        real = Stylesheet.reparse
        monkeypatch.setattr(Stylesheet, "reparse", lambda sheet: (read.append(pilot.app.current_mode), real(sheet))[1])
        await pilot.press("n")
        assert not read, f"{UPGRADE}a new screen parses the style sheet despite mark_stylesheet_current"
        styles, others = (pilot.app.get_screen_stack(mode)[0].styles for mode in ("new", "first"))
        assert styles.background == others.background, (
            f"{UPGRADE}mark_stylesheet_current leaves a new screen without styles"
        )
        await pilot.press("s")
        assert read, f"{UPGRADE}a new screen no longer parses the style sheet; remove mark_stylesheet_current"


async def test_a_mode_is_made_while_another_one_stays():
    app = Modes()
    async with app.run_test() as pilot:
        assert app.is_mode_loaded("first") and not app.is_mode_loaded("new")
        await private.preload_mode(pilot.app, "new")
        told = f"{UPGRADE}preload_mode (App._init_mode) "
        assert app.is_mode_loaded("new"), f"{told}creates no screen"
        (made,) = pilot.app.get_screen_stack("new")
        assert isinstance(made, New) and made.is_mounted, f"{told}did not wait until the screen was mounted"
        assert pilot.app.current_mode == "first", f"{told}switches to the mode"
        await private.preload_mode(pilot.app, "new")
        assert pilot.app.get_screen_stack("new") == [made], f"{told}creates a second screen"


def test_the_terminal_is_given_back_before_the_process_ends():
    code = (
        "import os\nfrom textual.app import App\nfrom fer_tui.textual_private import restore_terminal\n"
        "class Ending(App):\n"
        "    def on_mount(self): self.set_timer(0.2, self.end)\n"
        "    def end(self):\n        restore_terminal(self)\n        os._exit(7)\n"
        "restore_terminal(Ending())\nEnding().run()"
    )
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    written = b""
    # Linux reports the close of the other end as an error.
    with contextlib.suppress(OSError):
        while chunk := os.read(ours, 65536):
            written += chunk
    os.close(ours)
    told = f"{UPGRADE}restore_terminal (App._driver) leaves the terminal to the app: {written[-300:]!r}"
    assert process.wait(60) == 7, told
    assert 0 <= written.find(b"\x1b[?1049h") < written.find(b"\x1b[?1049l"), told
    assert b"Traceback" not in written, told


async def test_the_bindings_of_a_node_are_its_classs_and_what_that_inherits():
    class Above(Static):
        BINDINGS: ClassVar[list[BindingType]] = [Binding("x,y", "two", id="two")]

    class Below(Above):
        BINDINGS: ClassVar[list[BindingType]] = [Binding("z", "one", id="one")]

    async with opened(Below) as pilot:
        found = {(binding.key, binding.id) for binding in private.all_bindings(pilot.app.query_one(Below))}
    assert found == {("x", "two"), ("y", "two"), ("z", "one")}, (
        f"{UPGRADE}all_bindings (DOMNode._bindings) returns other bindings"
    )


def test_the_users_keys_are_told():
    app = App[None]()
    app.set_keymap({"two": "f2,?"})
    told = f"{UPGRADE}keymap_override (App._keymap) returns other keys than set_keymap set"
    assert private.keymap_override(app, "two") == "f2,question_mark", told
    assert private.keymap_override(app, "one") is None, told


async def test_a_new_heading_is_drawn(screen_text: Callable[[Pilot[Any]], str]):
    async with opened(DataTable[str]) as pilot:
        table = pilot.app.query_one(DataTable)
        table.add_column("", key="first", width=10)
        table.add_column("stays", key="second", width=10)
        for heading in ("once", "twice", "again"):
            private.set_column_labels(table, {"first": Text(heading)})
            await pilot.pause()
            shown = screen_text(pilot)
            told = f"{UPGRADE}set_column_labels (DataTable._update_count) does not draw the new heading"
            assert heading in shown and "stays" in shown, told
        table.ordered_columns[0].label = Text("silent")
        table.refresh()
        await pilot.pause()
        told = f"{UPGRADE}Textual draws a new label; set_column_labels no longer needs DataTable._update_count"
        assert "silent" not in screen_text(pilot), told


async def test_a_field_draws_what_it_is_told_to(screen_text: Callable[[Pilot[Any]], str]):
    class Shouting(private.DisplayTextInput):
        def display_text(self) -> str:
            return self.value.replace("\x07", "!").upper()

    async with opened(lambda: Shouting("a\x07b")) as pilot:
        field = pilot.app.query_one(Input)
        await pilot.press("end", "c")
        await pilot.pause()
        assert "A!BC" in screen_text(pilot), (
            f"{UPGRADE}Input draws something else than DisplayTextInput.display_text (Input._value)"
        )
        assert field.value == "a\x07bc"
        assert field.content_width == 5, (
            f"{UPGRADE}Input measures something else than DisplayTextInput.display_text (Input._value)"
        )


async def test_a_plot_is_larger_than_the_terminal_that_plotext_knows():
    async with opened(PlotextPlot) as pilot:
        plot = pilot.app.query_one(PlotextPlot).plt

        def size() -> tuple[int, int]:
            plot.plot([1, 2], [3, 4])
            lines = Text.from_ansi(plot.build()).plain.splitlines()
            return max(map(len, lines)), len(lines)

        told = "plotext has changed, see fer_tui/textual_private.py: resize_plot (_set_size) "
        for width, height in ((30, 10), (400, 120), (36, 12)):
            plot.clear_figure()
            private.resize_plot(plot, width, height)
            assert size() == (width, height), f"{told}sets another size"
        plot.clear_figure()
        plot.plotsize(400, 120)
        assert size() != (400, 120), f"{told}is no longer needed: plotsize sets the size"


async def test_the_application_of_a_server_has_its_routes():
    server = pytest.importorskip("textual_serve.server").Server("true")
    application = await private.web_application(server)
    routes = {route.resource.canonical: route.handler for route in application.router.routes() if route.resource}
    told = "textual-serve has changed, see fer_tui/textual_private.py: web_application (Server._make_app) lacks routes"
    assert routes["/"] == server.handle_index and routes["/ws"] == server.handle_websocket, told
    assert server.on_shutdown in application.on_shutdown, told


# All private names are in one file


def modules() -> Iterator[tuple[str, ast.Module]]:
    """Return the modules of fer_tui by dotted name, except the one that may use private names."""
    for path in sorted(PACKAGE.rglob("*.py")):
        if path != Path(private.__file__) and path.name != "__main__.py":
            parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
            yield ".".join(parts).removesuffix(".__init__"), ast.parse(path.read_text(encoding="utf-8"))


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


def private_imports(tree: ast.AST) -> Iterator[str]:
    """Return imported modules and names that start with an underscore."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if any(map(is_private, alias.name.split("."))))
        if isinstance(node, ast.ImportFrom) and node.module and not node.module.startswith(("fer_tui", "core")):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name for name in names if any(map(is_private, name.split("."))))


def private_attributes(tree: ast.AST) -> Iterator[str]:
    """Return `x._y` for every `x` except `self`, `cls` and the module's own classes."""
    ours = {"self", "cls", *(node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef))}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and ast.unparse(node.value) not in ours:
            yield ast.unparse(node)


@cache
def own_names(kind: type) -> frozenset[str]:
    """Return the private names that a class defines or sets on `self`."""
    names = set(vars(kind))
    with contextlib.suppress(OSError, TypeError):  # a class written in C has no source
        for node in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(kind)))):
            if isinstance(node, ast.Attribute) and ast.unparse(node) == f"self.{node.attr}":
                names.add(node.attr)
    return frozenset(filter(is_private, names))


def inherited_names(kind: type) -> set[str]:
    """Return the private names that a class inherits from classes outside fer_tui."""
    theirs = (base for base in kind.__mro__ if base.__module__.partition(".")[0] not in {"fer_tui", "core", "builtins"})
    return {name for base in theirs for name in own_names(base)}


def private_of_bases(module: str, tree: ast.Module) -> Iterator[str]:
    """Return uses of `self._y` and methods `_y` that belong to a class outside fer_tui."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            theirs = inherited_names(getattr(importlib.import_module(module), node.name))
            for inner in ast.walk(node):
                named = {ast.Attribute: "attr", ast.FunctionDef: "name", ast.AsyncFunctionDef: "name"}.get(type(inner))
                name = getattr(inner, named) if named else ""
                is_of_self = not isinstance(inner, ast.Attribute) or ast.unparse(inner) == f"self.{name}"
                if name in theirs and is_of_self:
                    yield f"{node.name}.{name}"


def test_no_other_module_touches_a_private_name():
    found = [
        f"{module}: {name}"
        for module, tree in modules()
        for name in (*private_imports(tree), *private_attributes(tree), *private_of_bases(module, tree))
        if name not in PUBLIC
    ]
    assert not found, (
        "move these private names to fer_tui/textual_private.py, each into a function with a test:\n" + "\n".join(found)
    )


def test_every_private_name_is_known():
    tree = ast.parse(Path(private.__file__).read_text(encoding="utf-8"))
    touched = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and is_private(node.attr)}
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and is_private(node.name)}
    assert (touched | defined) - {"_delay"} == KNOWN


def test_a_private_name_is_found():
    lines = (
        "from textual._context import active_app",
        "from textual import _log",
        "import textual._x",
        "self.app._driver.close()",
        "super()._make()",
        "x._y = self._z",
    )
    tree = ast.parse("\n".join(lines))
    assert set(private_imports(tree)) == {"textual._context.active_app", "textual._log", "textual._x"}
    assert set(private_attributes(tree)) == {"self.app._driver", "super()._make", "x._y"}
    assert {"_driver", "_css_update_count", "_init_mode", "_keymap", "_screen_stacks"} <= inherited_names(
        private.FastSwitchApp
    )
    assert {"_update_count"} <= inherited_names(DataTable)
    assert {"_value", "_suggestion"} <= inherited_names(private.DisplayTextInput)
