"""Runs the scripts of this folder in child processes, the first with fewer runs."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from machines import own_network

pytestmark = [
    pytest.mark.skipif(find_spec("ray") is None, reason="Ray is missing: pip install 'fer-tui[cluster]'"),
    pytest.mark.skipif(
        not own_network(), reason="this system does not permit a private network: 'unshare --net' fails"
    ),
]


@pytest.mark.parametrize("words", [("failures.py", "2"), ("single_machine.py",)], ids=["failures", "alone"])
def test_script(words: tuple[str, ...]):
    script, *arguments = words
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name(script)), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=900,
    )
    assert done.returncode == 0, done.stderr[-3000:]
