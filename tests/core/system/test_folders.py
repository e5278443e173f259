"""Folders of a user without a home folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from core.system.folders import user_folder
from fer_tui.settings_file import example, load_settings, settings_path
from fer_tui.state.app_state import StateStore, state_path


@pytest.fixture
def homeless(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No HOME, no entry in /etc/passwd, and no XDG variable."""
    for name in list(os.environ):
        if name == "HOME" or name.startswith("XDG_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("kind", ["cache", "config", "log", "state"])
def test_without_a_home_there_is_no_folder(homeless: None, kind: Any) -> None:
    assert user_folder(kind) is None


def test_an_xdg_variable_replaces_the_home(homeless: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert user_folder("cache") == Path("/somewhere/fer-tui")


def test_settings_and_state_are_done_without(homeless: None, tmp_path: Path) -> None:
    assert (settings_path(), state_path()) == (None, None)
    assert load_settings().theme is None
    assert "set HOME" in example()
    store = StateStore(state_path())
    store.update(theme="fer-light")
    store.close()
    assert store.state.theme == "fer-light"
    assert list(tmp_path.iterdir()) == []
