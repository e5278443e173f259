"""What a run writes into history.csv is what is read from it."""

from __future__ import annotations

import tempfile
import threading
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from core.runs.history import HISTORY_COLUMNS, read_history
from core.runs.writer import RunWriter

FIGURES = st.fixed_dictionaries(dict.fromkeys(HISTORY_COLUMNS[1:], st.floats()))


@given(st.lists(FIGURES, max_size=5), st.integers(0, 5))
def test_a_history_is_read_as_it_was_written_and_cut_after_an_epoch(figures: list[dict[str, float]], epochs: int):
    written = [{"epoch": float(number), **row} for number, row in enumerate(figures, start=1)]
    with tempfile.TemporaryDirectory() as folder:
        writer = RunWriter(Path(folder), threading.Event())
        for row in written:
            writer.append_epoch(row)
        file = Path(folder) / "history.csv"
        assert read(file) == [comparable(row) for row in written]
        writer.truncate_history(epochs)
        assert read(file) == [comparable(row) for row in written[:epochs]]


def read(file: Path) -> list[dict[str, str]]:
    history = read_history(file)
    rows = [comparable(dict(row)) for row in history]
    columns = {name: [repr(value + 0.0) for value in history.column(name)] for name in HISTORY_COLUMNS}
    assert columns == {name: [row[name] for row in rows] for name in HISTORY_COLUMNS}
    return rows


def comparable(row: dict[str, float]) -> dict[str, str]:
    """The figures as text: NaN equals NaN, and -0 equals 0."""
    return {name: repr(value + 0.0) for name, value in row.items()}
