"""Names of runs in tables, titles, menus and legends."""

from __future__ import annotations

import re

from core.runs.reader import RunSnapshot
from fer_tui.console.output import escape_control

_NAME = re.compile(r"\d{4}(\d\d)(\d\d)-(\d\d)(\d\d)\d\d-\d{3}-.+-([0-9a-f]{4})", re.DOTALL)


def short_name(name: str) -> str:
    """Return a run's month, day, time and four hex digits; other columns show the rest of its name."""
    parts = _NAME.fullmatch(name)
    return "{}-{} {}:{} {}".format(*parts.groups()) if parts else name


def run_digits(name: str) -> str:
    """Return the four hex digits at the end of a run's name, or the whole name if it has another form."""
    parts = _NAME.fullmatch(name)
    return parts[5] if parts else name


def model_and_digits(run: RunSnapshot) -> str:
    """Return a run's model and hex digits."""
    return f"{run.model} {run_digits(run.name)}"


def model_and_name(run: RunSnapshot) -> str:
    """Return a run's model and short name, for the title of a dialog."""
    return f"{escape_control(run.model)}, {escape_control(short_name(run.name))}"


def run_line(run: RunSnapshot) -> str:
    """Return a run as one line of a menu."""
    accuracy = run.metrics.get("accuracy")
    figure = "" if accuracy is None else f"{accuracy:.4f}"
    return f"{short_name(run.name):<16}  {run.model:<12}  {run.state:<11}  {figure}"
