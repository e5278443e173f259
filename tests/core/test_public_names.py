"""The names that core hands on to notebooks."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys

import pytest

import core


@pytest.mark.parametrize("name", core.__all__)
def test_a_name_is_handed_on(name: str):
    assert getattr(core, name) is not None
    assert name in dir(core)


def test_nothing_is_imported_before_it_is_used():
    code = "import core, sys; print(sorted(name for name in sys.modules if name.startswith('core')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['core']"


def test_using_a_name_imports_no_heavy_library():
    code = """
import core, sys
for name in core.__all__:
    getattr(core, name)
print(sorted({"tensorflow", "keras", "pandas", "sklearn"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", [name for name in core.__all__ if inspect.isfunction(getattr(core, name))])
def test_a_public_function_documents_its_arguments(name: str):
    function = getattr(core, name)
    for parameter in inspect.signature(function).parameters:
        assert re.search(rf"^ +\W*{parameter}: ", function.__doc__, re.MULTILINE), parameter


def test_the_table_has_every_name():
    assert sorted(core.__all__) == sorted(core._MODULES)
    with pytest.raises(AttributeError, match="module 'core' has no attribute 'nothing'"):
        getattr(core, "noth" + "ing")


def test_importing_a_module_changes_nothing_in_the_process():
    code = """
import os, socket, sys, warnings
import numpy, PIL.Image, pydantic
before = dict(os.environ), socket.getdefaulttimeout(), list(warnings.filters)
import core.training.trainer, core.jobs.search, core.jobs.notebook
import core.data.images, core.models.pretrained, core.data.dataset
after = dict(os.environ), socket.getdefaulttimeout(), list(warnings.filters)
import logging
assert before == after, (before, after)
assert not logging.getLogger("core").handlers and not logging.getLogger().handlers
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
