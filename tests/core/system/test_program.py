"""The process-wide settings of our programs."""

from __future__ import annotations

import os
import sys
import warnings

import pytest

from core.system.program import set_up_program, set_up_tensorflow

NAME = "TF_ENABLE_ONEDNN_OPTS"


@pytest.mark.parametrize(
    ("name", "ours", "users"),
    [
        (NAME, "1", "0"),
        ("CUDA_DEVICE_ORDER", "PCI_BUS_ID", "FASTEST_FIRST"),
        ("TF_FORCE_GPU_ALLOW_GROWTH", "true", "false"),
    ],
)
def test_tensorflow_is_set_up_unless_the_user_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, name: str, ours: str, users: str
):
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.delenv(name, raising=False)
    set_up_tensorflow()
    assert os.environ[name] == ours
    monkeypatch.setenv(name, users)
    set_up_tensorflow()
    assert os.environ[name] == users


def test_after_tensorflow_is_imported_nothing_changes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "tensorflow", sys)
    monkeypatch.delenv(NAME, raising=False)
    set_up_tensorflow()
    assert NAME not in os.environ


def test_a_program_hears_no_warnings_of_pillow(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(NAME, "1")
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        set_up_program()
        warnings.warn_explicit("a bomb", UserWarning, "images.py", 1, module="PIL.Image")
        warnings.warn_explicit("a fault", UserWarning, "images.py", 1, module="core.data.images")
    assert [str(each.message) for each in heard] == ["a fault"]
