"""The columns of a comparison are the union of what its rows tell, whatever runs there are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from core.comparison.columns import COLUMNS
from core.comparison.table import compare
from core.comparison.table_formats import format_table
from core.runs.history import HISTORY_COLUMNS
from core.runs.reader import read_run

COUNTS = {"train": {"a": 6, "b": 3}, "validation": {"a": 2, "b": 1}}
KINDS: dict[str, dict[str, Any]] = {
    "queued": {"status": {"state": "queued"}},
    "trained": {
        "environment": {"counts": COUNTS, "fingerprint": "f1", "parameters": 5},
        "history": [dict.fromkeys(HISTORY_COLUMNS, 1.0)],
        "evaluation": {"accuracy": 0.5, "epoch": 1, "warnings": []},
    },
    "another seed": {"config": {"seed": 7}, "history": [dict.fromkeys(HISTORY_COLUMNS, 1.0)]},
    "control": {"config": {"control": "noise"}, "history": [dict.fromkeys(HISTORY_COLUMNS, 1.0)]},
    "other data": {"environment": {"counts": COUNTS, "fingerprint": "f2"}},
    "failed": {"status": {"state": "failed", "message": "?"}},
}


def test_no_run_takes_a_column_away(write_run: Callable[..., Path]):
    runs = {kind: read_run(write_run(f"20260101-compact-{place}", **KINDS[kind])) for place, kind in enumerate(KINDS)}

    @given(st.lists(st.sampled_from(sorted(KINDS)), unique=True), st.booleans(), st.booleans())
    def check(kinds: list[str], with_published: bool, average_seeds: bool):
        chosen = [runs[kind] for kind in kinds]
        filled: set[str] = set()
        for count in range(len(chosen) + 1):
            rows = compare(chosen[:count], with_published=with_published, average_seeds=average_seeds)
            assert all(list(row) == list(COLUMNS) for row in rows)
            assert format_table(rows, "csv").partition("\n")[0] == ",".join(COLUMNS)
            told = {name for row in rows for name, value in row.items() if value not in (None, [])}
            assert filled <= told, "a column that had figures has none once there is another run"
            filled = told

    check()
