from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A folder that must not change."""
    folder = tmp_path / "canary"
    (folder / "sub").mkdir(parents=True)
    (folder / "file").write_text("theirs")
    (folder / "sub" / "file").write_text("theirs")
    return folder


@pytest.fixture
def whole_run(tmp_path: Path) -> Path:
    """A complete run directory."""
    from whole_run import write_whole_run

    return write_whole_run(tmp_path)
