"""pandas, as this program wants it."""

from __future__ import annotations

from typing import Any


def pandas() -> Any:
    """The package, imported when it is wanted, with text kept in Python's own strings.

    Where pyarrow is installed pandas would keep text there, which refuses names of files that are not UTF-8.
    """
    import pandas as pd

    pd.set_option("mode.string_storage", "python")
    return pd
