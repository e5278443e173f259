"""The effect of every key: sequences of keys on the screens, with a condition to check after each key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import worlds
from picture import capture_screen, text_of
from textual.widgets import Input

Condition = Callable[[Any], object]


@dataclass(frozen=True)
class Press:
    """A key press.

    Attributes:
        action: the id of the key's binding.
        key: the key's name in Textual.
        seen: a condition that is true after the action.
    """

    action: str
    key: str
    seen: Condition


@dataclass(frozen=True)
class Until:
    """A condition to wait for before the next key."""

    seen: Condition


@dataclass(frozen=True)
class Walk:
    """Keys to press in a scene. Typed characters and callables between them use none of the app's bindings."""

    name: str
    scene: str
    steps: tuple[Press | Until | str | Callable[[Any], None], ...]


def words(text: str) -> Condition:
    return lambda app: text in text_of(capture_screen(app))


def mode(name: str) -> Condition:
    return lambda app: app.current_mode == name and app.screen is app.mode_screen


def dialog(kind: str) -> Condition:
    return lambda app: type(app.screen).__name__ == kind


def has_no_dialog(app: Any) -> bool:
    """Return whether no dialog is open."""
    return app.screen is app.mode_screen


def ended(app: Any) -> bool:
    return app._exit


def at(name: str) -> Condition:
    return lambda app: app.screen.chosen is not None and app.screen.chosen.name == name


def pane(name: str) -> Condition:
    return lambda app: app.screen.query_one("#run-tabs").active == name


def view(setting: str, value: object) -> Condition:
    return lambda app: getattr(app.screen.tabs.plot.view, setting) == value


def cell(row: int, column: int) -> Condition:
    return lambda app: app.screen.query_one("#matrix").cell == (row, column)


def focused(selector: str) -> Condition:
    return lambda app: app.screen.focused is not None and app.screen.focused in app.screen.query(selector)


def visited(name: str) -> Condition:
    return lambda app: app.screen.form.focused_setting == name


def choices(app: Any) -> int:
    return app.screen.query_one("#menu").highlighted


def at_issue(place: int) -> Condition:
    return lambda app: app.screen.index == place


def cursor(row: int) -> Condition:
    return lambda app: app.screen.query_one("DataTable").cursor_row == row


def focus(selector: str) -> Callable[[Any], None]:
    return lambda app: app.screen.query_one(selector).focus()


def empty_field(app: Any) -> None:
    app.screen.query_one("#folder", Input).value = ""


def type_data_set(app: Any) -> None:
    app.screen.query_one("#evaluate-path", Input).value = "faces"


def choose_cell(app: Any) -> None:
    app.screen.query_one("#matrix").choose((3, 3))


def choose_run(name: str) -> Callable[[Any], None]:
    return lambda app: app.screen.query_one("#run-table").choose(name)


def chosen_models(*names: str) -> Condition:
    return lambda app: app.screen.query_one("ModelList").chosen == list(names)


def is_marked(count: int) -> Condition:
    return lambda app: len(app.marked) == count


WALKS = (
    Walk(
        "everywhere",
        "runs-full",
        (
            Press("app.data", "1", mode("data")),
            Press("app.train", "2", mode("train")),
            Press("app.compare", "4", mode("compare")),
            Press("app.inspect", "5", mode("inspect")),
            Press("app.runs", "3", mode("runs")),
            Press("app.help", "question_mark", dialog("HelpScreen")),
            Press("help.close", "escape", has_no_dialog),
            Press("app.help", "question_mark", dialog("HelpScreen")),
            Press("help.close", "question_mark", has_no_dialog),
            Press("app.help", "question_mark", dialog("HelpScreen")),
            Press("help.close", "q", has_no_dialog),
            Press("app.palette", "ctrl+p", words("Search for commands")),
            lambda app: app.screen.dismiss(),
            Press("app.quit", "q", ended),
        ),
    ),
    Walk("quit always", "runs-empty", (Press("app.quit_always", "ctrl+q", ended),)),
    Walk(
        "data",
        "data-full",
        (
            Press("data.open", "o", focused("#folder")),
            empty_field,
            *"fac",
            Until(lambda app: app.screen.query_one("#folder")._suggestion),
            Press("path.complete", "tab", lambda app: app.screen.query_one("#folder").value == "faces/"),
            Press("data.leave", "escape", lambda app: app.screen.focused is None),
            Press("data.new_faces", "n", lambda app: app.screen.sample_number == 1),
            Press("data.next_class", "c", words("▸ angry")),
            Press("data.findings", "f", words("No findings.")),
            Press("data.draw", "d", dialog("AskPathScreen")),
            Press("ask.cancel", "escape", has_no_dialog),
        ),
    ),
    Walk(
        "train",
        "train-full",
        (
            Press("train.copy", "c", lambda app: app.clipboard.count("fer-tui train") >= 1),
            Press("model_list.down", "j", cursor(2)),
            Press("model_list.up", "k", cursor(1)),
            Press("train.choose", "space", chosen_models("compact")),
            Press("train.choose", "enter", chosen_models("compact", "model1")),
            Press("train.start", "s", words("✗ /data/faces")),
            Press("train.edit", "e", visited("preset")),
            Press("form.down", "down", visited("keep_training")),
            Press("form.toggle", "enter", words("[x] on")),
            Press("form.toggle", "space", words("[ ] off")),
            focus("#set-preset"),
            Press("form.menu", "enter", dialog("MenuScreen")),
            Press("menu.cancel", "escape", has_no_dialog),
            Press("form.menu", "space", dialog("MenuScreen")),
            Press("menu.cancel", "escape", has_no_dialog),
            focus("#set-epochs"),
            Press("form.down", "down", lambda app: app.screen.form.focused_setting not in ("epochs", "")),
            focus("#set-epochs"),
            Press("form.up", "up", lambda app: app.screen.form.focused_setting not in ("epochs", "")),
            Press("train.leave", "escape", focused("ModelList")),
            Press("train.reset", "r", lambda app: not app.screen.form.values()),
        ),
    ),
    Walk(
        "runs",
        "runs-full",
        (
            Press("run_table.down", "j", at(worlds.STOPPED)),
            Press("run_table.up", "k", at(worlds.RUNNING)),
            Press("run_table.last", "end", at(worlds.COMPACT)),
            Press("run_table.first", "home", at(worlds.QUEUED)),
            choose_run(worlds.RUNNING),
            Press("runs.metric", "m", view("metric", "accuracy")),
            Press("runs.log_axis", "l", view("log", True)),
            Press("runs.smooth", "s", view("smooth", True)),
            Press("runs.mark", "space", is_marked(1)),
            choose_run(worlds.COMPACT),
            Press("runs.mark", "space", is_marked(2)),
            Press("runs.split", "v", view("train", True)),
            Press("runs.output", "o", pane("log-pane")),
            Press("runs.warnings", "w", pane("warnings-pane")),
            Press("runs.filter", "slash", focused("#filter")),
            Press("runs.clear_filter", "escape", focused("RunTable")),
            Press("runs.resume", "r", dialog("AskNumberScreen")),
            Press("ask.cancel", "escape", has_no_dialog),
            Press("runs.delete", "delete", dialog("ConfirmScreen")),
            Press("confirm.right", "right", focused("#yes")),
            Press("confirm.left", "left", focused("#no")),
            Press("confirm.no", "n", has_no_dialog),
            choose_run(worlds.RUNNING),
            Press("runs.stop", "x", dialog("ConfirmScreen")),
            Press("confirm.no", "escape", has_no_dialog),
            Press("runs.stop", "x", dialog("ConfirmScreen")),
            Press("confirm.yes", "y", lambda app: (Path("runs") / worlds.RUNNING / "stop").exists()),
            Press("runs.inspect", "i", mode("inspect")),
        ),
    ),
    Walk(
        "compare",
        "compare-full",
        (
            Press("compare.inspect", "i", mode("inspect")),
            lambda app: app.action_mode("compare"),
            Until(mode("compare")),
            Press("comparison.down", "j", cursor(1)),
            Press("comparison.up", "k", cursor(0)),
            Press("compare.sort", "s", words("model ▲")),
            Press("compare.fold", "f", words("means over seeds")),
            lambda app: app.screen.query_one("DataTable").move_cursor(row=2),
            Until(cursor(2)),
            Press("compare.test", "t", dialog("MenuScreen")),
            Press("menu.cancel", "escape", has_no_dialog),
            Press("compare.article", "a", lambda app: not app.screen.with_article),
            Press("compare.graph", "g", words("Accuracy by model")),
            Press("compare.on_data", "v", dialog("EvaluateScreen")),
            type_data_set,
            "enter",
            Until(lambda app: len(app.screen.rows) == len(app.screen.runs)),
            focus("#cross-table"),
            Press("cross_table.down", "j", cursor(1)),
            Press("cross_table.up", "k", cursor(0)),
            Press("evaluate.export", "ctrl+s", dialog("ExportScreen")),
            Press("export.cancel", "escape", dialog("EvaluateScreen")),
            Press("evaluate.close", "escape", has_no_dialog),
            Press("compare.copy", "c", lambda app: app.clipboard.startswith("model,protocol,")),
            Press("compare.export", "e", dialog("ExportScreen")),
            Press("export.cancel", "escape", has_no_dialog),
        ),
    ),
    Walk(
        "inspect",
        "inspect-full",
        (
            choose_cell,
            Press("matrix.up", "up", cell(2, 3)),
            Press("matrix.up", "k", cell(1, 3)),
            Press("matrix.down", "down", cell(2, 3)),
            Press("matrix.down", "j", cell(3, 3)),
            Press("matrix.left", "left", cell(3, 2)),
            Press("matrix.left", "h", cell(3, 1)),
            Press("matrix.right", "right", cell(3, 2)),
            Press("matrix.right", "l", cell(3, 3)),
            Press("inspect.shares", "s", words("87%")),
            Press("inspect.clear", "escape", words("mistakes, most confident first")),
            Press("inspect.more", "n", lambda app: app.screen.first_face > 0),
            Press("inspect.explain", "x", lambda app: "no model yet" in app.screen.problem),
            Press("inspect.classes", "c", words("precision")),
            Press("inspect.review", "d", dialog("ReviewScreen")),
            Until(lambda app: bool(app.screen.issues)),
            Press("review.keep", "k", at_issue(1)),
            Press("review.exclude", "x", at_issue(2)),
            Press("review.relabel", "r", at_issue(3)),
            Press("review.other", "o", dialog("MenuScreen")),
            Press("menu.cancel", "escape", dialog("ReviewScreen")),
            Press("review.next", "right", at_issue(4)),
            Press("review.next", "n", at_issue(5)),
            Press("review.previous", "left", at_issue(4)),
            Press("review.previous", "p", at_issue(3)),
            Press("review.close", "escape", has_no_dialog),
            Press("inspect.predict", "p", dialog("PredictScreen")),
            Press("predict.close", "escape", has_no_dialog),
            Press("inspect.run", "r", dialog("MenuScreen")),
            Press("menu.up", "k", lambda app: choices(app) == 0),
            Press("menu.down", "j", lambda app: choices(app) == 1),
            Press("menu.cancel", "escape", has_no_dialog),
            Press("inspect.newer", "left_square_bracket", words("b2c4  model2")),
            Press("inspect.older", "right_square_bracket", words("a1f3  compact")),
        ),
    ),
    Walk(
        "leaving",
        "dialog-leaving",
        (
            Press("leaving.force", "q", lambda app: app.left == [130]),
            Press("leaving.force", "ctrl+q", lambda app: app.left == [130, 130]),
        ),
    ),
)
