"""Fixtures whose trainings are shared by all tests of a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

pytest.register_assert_rewrite("installed")


@pytest.fixture(scope="session", autouse=True)
def closed() -> Iterator[None]:
    """Close all started commands after the tests, so that no process remains."""
    from installed import RunningCommand

    yield
    for started in RunningCommand.every:
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
