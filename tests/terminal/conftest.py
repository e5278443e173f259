"""Trainings are shared by all tests of a file that look at them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("installed")


@pytest.fixture(scope="session", autouse=True)
def closed() -> Iterator[None]:
    """Leave no process behind."""
    from installed import Started

    yield
    for started in Started.every:
        started.close()


def _fixture(name: str) -> Any:
    @pytest.fixture(scope="module", name=name)
    def scenario(tmp_path_factory: pytest.TempPathFactory) -> Any:
        import scenarios

        return getattr(scenarios, name)(tmp_path_factory.mktemp(name))

    return scenario


bad_images = _fixture("bad_images")
queue = _fixture("queue")
interruptions = _fixture("interruptions")
full_disk = _fixture("full_disk")
