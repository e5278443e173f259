"""Limits that end TensorFlow are named before it is loaded."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys

import pytest

from core.errors import FerError
from core.system import limits
from core.system.limits import can_end_process, check_limits, describe_signal

CHECK = "from core.system.limits import can_end_process, check_limits; print(can_end_process()); check_limits()"


def test_without_limits_nothing_is_said() -> None:
    check_limits()


@pytest.mark.parametrize(("name", "flag"), [(resource.RLIMIT_AS, "-v"), (resource.RLIMIT_DATA, "-d")])
def test_a_low_limit_of_memory_is_named(name: int, flag: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHECK],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(name, (2_000_000 * 1024, resource.RLIM_INFINITY)),
    )
    assert done.stdout == "True\n"
    assert f"the limit of memory 'ulimit {flag}' is 2000000; TensorFlow needs at least" in done.stderr.splitlines()[-1]


def test_a_low_limit_of_processes_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "_threads_left", lambda: -3)
    with pytest.raises(FerError, match="'ulimit -u' leaves 0 threads"):
        check_limits()


def test_no_limit_can_end_this_process() -> None:
    assert can_end_process() == any(
        resource.getrlimit(name)[0] != resource.RLIM_INFINITY
        for name in (resource.RLIMIT_AS, resource.RLIMIT_DATA, resource.RLIMIT_CPU)
    )


@pytest.mark.parametrize(
    ("number", "named"),
    [
        (signal.SIGABRT, "its process was ended by SIGABRT; log.txt has the rest; a limit of memory or processes"),
        (signal.SIGKILL, "its process was ended by SIGKILL; log.txt has the rest; a common cause is a lack of memory"),
        (signal.SIGXCPU, "ulimit -t"),
        (signal.SIGUSR1, "its process was ended by SIGUSR1; log.txt has the rest"),
        (63, "its process was ended by signal 63; log.txt"),
    ],
)
def test_a_signal_is_named_with_a_likely_cause(number: int, named: str) -> None:
    assert named in describe_signal(number)


def test_a_limit_of_cpu_time_is_named_for_a_kill(monkeypatch: pytest.MonkeyPatch):
    assert "ulimit -t" not in describe_signal(signal.SIGKILL)
    monkeypatch.setattr("resource.getrlimit", lambda _: (60, 60))
    assert "ulimit -t" in describe_signal(signal.SIGKILL)
