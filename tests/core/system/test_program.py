"""What our programs change in the whole process."""

from __future__ import annotations

import os
import sys
import warnings

import pytest

from core.system.program import set_up_program, set_up_tensorflow

NAME = "TF_ENABLE_ONEDNN_OPTS"


def test_onednn_is_on_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.delenv(NAME, raising=False)
    set_up_tensorflow()
    assert os.environ[NAME] == "1"
    monkeypatch.setenv(NAME, "0")
    set_up_tensorflow()
    assert os.environ[NAME] == "0"


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
