from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from core.errors import DatasetError
from core.system import log
from core.training.failures import explain_error


class ResourceExhaustedError(Exception):
    """An error with the class name of TensorFlow's error."""


def system(number: int, place: str | None = "/runs/a/history.csv") -> OSError:
    return OSError(number, os.strerror(number), place)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (DatasetError("/faces: no such folder"), "/faces: no such folder"),
        (DatasetError("split", "there is no 'test'"), "split: there is no 'test'"),
        (system(errno.ENOSPC), "/runs/a/history.csv: the disk is full; free some space"),
        (system(errno.EDQUOT), "/runs/a/history.csv: the disk is full; free some space"),
        (system(errno.ENOSPC, None), "/runs/a: the disk is full; free some space"),
        (system(errno.EROFS), "/runs/a/history.csv: the file system has become read-only; make it writable"),
        (system(errno.EACCES), "/runs/a/history.csv: permission denied; make it writable"),
        (
            system(errno.ELOOP),
            "/runs/a/history.csv: this is a symbolic link, but must be a regular file; remove the link",
        ),
        (system(errno.EIO), "/runs/a/history.csv: Input/output error; see log.txt"),
        (
            MemoryError(),
            "out of memory; close other programs and resume, or start a new run with a smaller batch size, ",
        ),
        (ResourceExhaustedError("OOM when\nallocating"), "the device is out of memory; free it and resume, or start"),
        (ValueError("odd\nthings"), "ValueError: odd; the traceback is in log.txt"),
        (RuntimeError(), "RuntimeError: no message; the traceback is in log.txt"),
    ],
)
def test_an_error_is_one_line_that_says_what_to_do(error: Exception, told: str, tmp_path: Path):
    with log.log_to_file(tmp_path / "log.txt"):
        try:
            raise error
        except Exception as caught:
            message = explain_error(caught, Path("/runs/a"))
    assert message.startswith(told)
    assert "\n" not in message
    has_traceback = "Traceback" in (tmp_path / "log.txt").read_text()
    assert has_traceback is not isinstance(error, DatasetError)
