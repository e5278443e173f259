from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.comparison.columns import Row
from core.comparison.cross_evaluation import CROSS_COLUMNS, cross_row, cross_table, format_cross_rows
from core.comparison.table_formats import find_format, format_table
from core.errors import ConfigError
from core.runs.reader import read_run

HEADER = (
    "run,model,data,split,images,skipped,accuracy,accuracy_low,accuracy_high,balanced_accuracy,macro_f1,macro_f1_low,"
    "macro_f1_high,loss,majority_accuracy,error"
)


def result(accuracy: float) -> Any:
    return {
        "split": "test",
        "images": 1200,
        "skipped": 3,
        "accuracy": accuracy,
        "balanced_accuracy": 0.5,
        "macro_f1": 0.25,
        "loss": 1.5,
        "majority_accuracy": 0.125,
        "intervals": {"accuracy": [accuracy - 0.125, accuracy + 0.125], "macro_f1": [0.125, 0.375]},
    }


@pytest.fixture
def rows(write_run: Callable[..., Path]) -> list[Row]:
    """Two runs on two data sets; one pair failed."""
    first, second = (read_run(write_run(name)) for name in ("run-1", "run-2"))
    return [
        cross_row(first, Path("a&b"), result(0.5)),
        cross_row(first, Path("c"), result(0.25)),
        cross_row(second, Path("a&b"), result(0.75)),
        cross_row(second, Path("c"), None, "c: no image"),
    ]


def test_csv_has_a_row_a_run_and_data_set(rows: list[Row]):
    header, first, *_, last = format_table(rows, "csv", CROSS_COLUMNS).splitlines()
    assert header == HEADER
    assert first == "run-1,compact,a&b,test,1200,3,0.5,0.375,0.625,0.5,0.25,0.125,0.375,1.5,0.125,"
    assert last == "run-2,compact,c,,,,,,,,,,,,,c: no image"


def test_people_read_runs_by_data_sets_with_intervals(rows: list[Row]):
    columns, table = cross_table(rows)
    assert list(columns) == ["run", "model", "a&b (test)", "c (test)"]
    assert [list(row.values()) for row in table] == [
        ["run-1", "compact", "0.5000 (0.375 to 0.625)", "0.2500 (0.125 to 0.375)"],
        ["run-2", "compact", "0.7500 (0.625 to 0.875)", None],
    ]
    markdown = format_table(table, "markdown", columns)
    assert markdown.splitlines()[0] == "| run | model | a&b (test) | c (test) |"
    latex = format_table(table, "latex", columns)
    assert r"run & model & a\&b (test) & c (test) \\" in latex
    assert r"run-2 & compact & 0.7500 (0.625 to 0.875) &  \\" in latex


def test_files_have_rows_for_programs_and_tables_for_people(rows: list[Row]):
    columns, table = cross_table(rows)
    for format_name in ("csv", "json"):
        assert format_cross_rows(rows, format_name) == format_table(rows, format_name, CROSS_COLUMNS)
    for format_name in ("markdown", "latex"):
        assert format_cross_rows(rows, format_name) == format_table(table, format_name, columns)


@pytest.mark.parametrize(
    ("name", "form"), [("a.csv", "csv"), ("a.MD", "markdown"), ("x/a.tex", "latex"), ("a.b.json", "json")]
)
def test_the_ending_of_a_file_tells_its_format(name: str, form: str):
    assert find_format(Path(name)) == form


@pytest.mark.parametrize("name", ["a", "a.txt", "a.xlsx", ".csv"])
def test_an_ending_of_no_format_is_refused(name: str):
    with pytest.raises(ConfigError, match=r"target: .*: the ending must be one of \.csv, \.md, \.tex, \.json"):
        find_format(Path(name))
