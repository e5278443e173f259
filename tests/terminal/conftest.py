"""Trainings begin in the background with the first test, two at a time, and are shared by all that look at them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))
pytest.register_assert_rewrite("installed")


@pytest.fixture(scope="session", autouse=True)
def begun(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Any]]]:
    """The scenarios that the chosen tests ask for, under way."""
    import scenarios
    from installed import ENDING, Started

    wanted = {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
    pool = ThreadPoolExecutor(2)
    yield {
        name: pool.submit(scenario, tmp_path_factory.mktemp(name))
        for name, scenario in scenarios.EVERY.items()
        if name in wanted
    }
    ENDING.set()
    pool.shutdown(wait=False, cancel_futures=True)
    for started in Started.every:
        started.close()


def _fixture(name: str) -> Any:
    @pytest.fixture(scope="session", name=name)
    def scenario(begun: dict[str, Future[Any]]) -> Any:
        return begun[name].result()

    return scenario


bad_images = _fixture("bad_images")
queue = _fixture("queue")
interruptions = _fixture("interruptions")
full_disk = _fixture("full_disk")
