from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_tui.widgets.line_plot import row_ticks, tick_texts


@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.integers(2, 60), st.booleans())
def test_labels_lie_on_lines_at_equal_distances(low: float, extent: float, rows: int, log: bool):
    low = abs(low) + 1e-3 if log else low
    high = low + extent
    values = row_ticks(low, high, rows, log=log)
    assert 2 <= len(values) <= 7 and values[0] == low
    of_range = [math.log(v / low) / math.log(high / low) if log else (v - low) / (high - low) for v in values]
    lines = [place * (rows - 1) for place in of_range]
    assert lines == pytest.approx([round(line) for line in lines], abs=1e-3)
    assert len({round(after - before) for before, after in pairwise(lines)}) == 1


@pytest.mark.parametrize(("low", "high", "rows", "log"), [(1, 1, 9, False), (1, 2, 1, False), (0, 2, 9, True)])
def test_without_a_range_there_are_no_labels(low: float, high: float, rows: int, log: bool):
    assert row_ticks(low, high, rows, log=log) == []


def test_the_ends_have_labels_where_the_lines_allow_it():
    assert row_ticks(0.0, 1.0, 13) == pytest.approx([0, 1 / 6, 1 / 3, 1 / 2, 2 / 3, 5 / 6, 1])
    assert row_ticks(0.0, 8.0, 9) == [0, 2, 4, 6, 8]


def test_labels_have_as_many_decimals_as_tell_them_apart():
    assert tick_texts([0.29, 1.0125, 1.735]) == ["0.29", "1.01", "1.74"]
    assert tick_texts([0.0, 50.0, 100.0]) == ["0", "50", "100"]
    assert tick_texts([0.1, 0.102]) == ["0.1000", "0.1020"]
