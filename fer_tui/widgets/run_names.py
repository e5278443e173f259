"""How a run is called in tables, titles, menus and legends."""

from __future__ import annotations

import re

from core.runs.reader import RunSnapshot
from fer_tui.console.output import escape_control

_NAME = re.compile(r"\d{4}(\d\d)(\d\d)-(\d\d)(\d\d)\d\d-\d{3}-.+-([0-9a-f]{4})", re.DOTALL)


def short_name(name: str) -> str:
    """A run's name without what other columns say: month, day, time and its four hex digits."""
    parts = _NAME.fullmatch(name)
    return "{}-{} {}:{} {}".format(*parts.groups()) if parts else name


def run_digits(name: str) -> str:
    """The four hex digits that end a run's name; the name itself where it is not one of ours."""
    parts = _NAME.fullmatch(name)
    return parts[5] if parts else name


def model_and_digits(run: RunSnapshot) -> str:
    """A run in two words."""
    return f"{run.model} {run_digits(run.name)}"


def model_and_name(run: RunSnapshot) -> str:
    """A run as the title of a dialog has it."""
    return f"{escape_control(run.model)}, {escape_control(short_name(run.name))}"


def run_line(run: RunSnapshot) -> str:
    """A run in one line, for a menu."""
    accuracy = run.metrics.get("accuracy")
    figure = "" if accuracy is None else f"{accuracy:.4f}"
    return f"{short_name(run.name):<16}  {run.model:<12}  {run.state:<11}  {figure}"
