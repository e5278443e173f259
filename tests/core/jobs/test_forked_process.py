from __future__ import annotations

import sys
import threading

import pytest

from core.jobs.forked_process import can_fork


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process as a command is at its start: on Linux, without other threads and TensorFlow."""
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)


def test_a_command_at_its_start_can_fork() -> None:
    assert can_fork()


def test_a_process_with_threads_can_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threading, "active_count", lambda: 2)
    assert not can_fork()


def test_a_process_with_tensorflow_can_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", sys)
    assert not can_fork()


def test_macos_can_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not can_fork()
