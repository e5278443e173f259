"""The destinations of log records."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.system.log import CORE, log_records_to_file, log_to_file, log_to_stderr

logger = logging.getLogger(f"{CORE}.a_test")


@pytest.fixture(autouse=True)
def untouched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Check that no handler and no level remains after a test."""
    ours = logging.getLogger(CORE)
    # pytest reports log records, and xdist can't send a name that is not UTF-8.
    monkeypatch.setattr(ours, "propagate", False)
    before = list(ours.handlers), ours.level
    yield
    assert (list(ours.handlers), ours.level) == before


def test_records_and_descriptor_2_go_to_the_file(tmp_path: Path):
    with log_to_file(tmp_path / "log.txt"):
        logger.info("epoch %s", 3)
        os.write(2, b"from C++\n")
    logger.info("too late")
    first, second = (tmp_path / "log.txt").read_text().splitlines()
    assert first.endswith("  epoch 3") and first[:4].isdecimal()
    assert second == "from C++"


def test_records_alone_go_to_the_file(tmp_path: Path):
    before = os.fstat(2).st_ino
    with log_to_file(tmp_path / "all.txt"), log_records_to_file(tmp_path / "records.txt"):
        logger.info("epoch 3")
        os.write(2, b"from C++\n")
    logger.info("too late")
    with log_records_to_file(tmp_path / "records.txt"):
        assert os.fstat(2).st_ino == before
        logger.info("epoch 4")
    lines = (tmp_path / "records.txt").read_text().splitlines()
    assert [line.split("  ")[1] for line in lines] == ["epoch 3", "epoch 4"]
    assert "epoch 3" in (tmp_path / "all.txt").read_text()


def test_a_record_is_written_once_in_blocks_within_blocks(tmp_path: Path):
    with log_to_file(tmp_path / "app.txt"), log_to_stderr():
        with log_to_file(tmp_path / "run.txt"):
            logger.info("inner")
        logger.info("outer")
    assert (tmp_path / "run.txt").read_text().count("inner") == 1
    assert [line.split("  ")[1] for line in (tmp_path / "app.txt").read_text().splitlines()] == ["outer"]


def test_blocks_of_several_threads_share_the_handler(tmp_path: Path):
    is_open, may_end = threading.Event(), threading.Event()

    def hold() -> None:
        with log_to_stderr():
            is_open.set()
            may_end.wait(30)

    with log_to_file(tmp_path / "log.txt"):
        thread = threading.Thread(target=hold)
        thread.start()
        assert is_open.wait(30)
    with log_to_file(tmp_path / "second.txt"):
        logger.info("still once")
    may_end.set()
    thread.join(30)
    assert (tmp_path / "second.txt").read_text().count("still once") == 1


def test_a_level_that_the_user_has_set_is_obeyed(tmp_path: Path):
    logging.getLogger(CORE).setLevel(logging.ERROR)
    try:
        with log_to_file(tmp_path / "log.txt"):
            logger.info("quiet")
            logger.error("loud")
    finally:
        logging.getLogger(CORE).setLevel(logging.NOTSET)
    text = (tmp_path / "log.txt").read_text()
    assert "loud" in text and "quiet" not in text


def test_a_name_that_is_not_utf8_is_written(tmp_path: Path):
    with log_to_file(tmp_path / "log.txt"):
        logger.info("%s", os.fsdecode(b"caf\xe9.png"))
    assert r"caf\udce9.png" in (tmp_path / "log.txt").read_text()
