"""What README and docs say is so: commands parse, links lead somewhere, warnings and keys are named."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from textual.binding import Binding

import core
from core.config.presets import PRESETS
from core.config.training_config import resolve
from core.runs import run_audit
from fer_tui.app import SCREENS, FerApp
from fer_tui.commands.group import app

ROOT = Path(__file__).parent.parent
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
GUIDE = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
FENCE = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"^ {4,}(\S.*)$", re.MULTILINE)
INLINE = re.compile(r"`([^`\n]+)`")
COMMAND = re.compile(r"(?:[A-Z_]+=\S+ |ssh -L \S+ \S+ |\.venv/bin/)?(fer-tui(?: .*)?)")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
KIND = re.compile(r'(?:Problem|_Kind)\(\s*"(\w+)"|kind = "(\w+)" if .* else "(\w+)"')
EAGER = {"--help", "--version", "--install-completion"}
SECTIONS = {"data": "1 Data", "train": "2 Train", "runs": "3 Runs", "compare": "4 Compare", "inspect": "5 Inspect"}


def commands(page: Path) -> Iterator[tuple[str, bool]]:
    """Every `fer-tui …` of a page, continued lines joined, and whether it is meant to be typed as it stands."""
    text = page.read_text(encoding="utf-8")
    blocks = "\n".join(FENCE.findall(text)).replace("\\\n", " ").splitlines()
    prose = FENCE.sub("", text)
    for is_whole, found in ((True, [*blocks, *INDENTED.findall(prose)]), (False, INLINE.findall(prose))):
        for line in found:
            command = COMMAND.fullmatch(line.split(" > ")[0].strip())
            if command:
                yield command[1], is_whole


EVERY = sorted({(page.name, *found) for page in PAGES for found in commands(page)})


def parsed(words: list[str]) -> dict[str, Any]:
    """The options and arguments of the command that the words call, by its own parser."""
    command: Any = typer.main.get_command(app)
    context: Any = None
    while True:
        context = command.make_context(command.name, list(words), parent=context)
        words = [*getattr(context, "_protected_args", ()), *context.args]
        if not words or not hasattr(command, "get_command"):
            return context.params
        command = command.get_command(context, words.pop(0))
        assert command is not None, "there is no such command"


def test_the_pages_have_commands():
    assert {name for name, *_ in EVERY} >= {"README.md", "guide.md", "search.md", "settings.md", "reproduction.md"}
    assert sum(is_whole for *_, is_whole in EVERY) >= 30


@pytest.mark.parametrize(("page", "line", "is_whole"), EVERY, ids=str)
def test_a_command_parses(page: str, line: str, is_whole: bool):
    words = [word for word in shlex.split(line, comments=True)[1:] if word not in ("…", *EAGER)]
    try:
        given = parsed(words)
    except Exception as error:
        # Prose names a command without what it needs.
        assert not is_whole and type(error).__name__ == "MissingParameter", f"{page}: {error}"
        return
    if words and words[0] == "train":
        flags = {name: value for name, value in given.items() if value is not None and name in settings_of_a_run()}
        resolve({"data": "faces", "model": "compact", **flags, **model_of(given)})
        assert given["preset"] is None or given["preset"] in PRESETS


def settings_of_a_run() -> set[str]:
    from core.config.training_config import TrainingConfig

    return set(TrainingConfig.model_fields) - {"model"}


def model_of(given: dict[str, Any]) -> dict[str, str]:
    return {"model": given["model"][0]} if given["model"] else {}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path):
    text = page.read_text(encoding="utf-8")
    for target in LINK.findall(FENCE.sub("", text)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_picture_is_shown_and_loads_nothing():
    pictures = sorted((ROOT / "docs" / "images").glob("*.svg"))
    assert len(pictures) >= 8
    for picture in pictures:
        drawn = picture.read_text(encoding="utf-8")
        assert f"images/{picture.name}" in GUIDE
        assert len(drawn) < 150_000
        assert re.findall(r"[a-z]+://[^\"' )]*", drawn) == ["http://www.w3.org/2000/svg"]
        assert not re.search(r"@font-face|@import|url\(|/tmp|/home|/root|/Users", drawn)


def test_the_guide_names_every_warning():
    codes = list(run_audit.DETECTORS)
    assert len(codes) == 8
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "core").rglob("*.py"))
    kinds = {kind for found in KIND.findall(sources) for kind in found if kind}
    assert kinds >= {"undecodable", "blank", "hidden_file", "foreign_file", "held_out", "imbalance"}
    for code in (*codes, *kinds, "different_data"):
        assert f"`{code}`" in GUIDE, code


def test_the_notebook_page_runs_as_a_script(faces: Path, tmp_path: Path):
    script = "".join(PYTHON.findall((ROOT / "docs" / "notebook.md").read_text(encoding="utf-8")))
    assert all(f"core.{name}" in script for name in core.__all__ if name not in ("TrainingConfig", "__version__"))
    (tmp_path / "faces").symlink_to(faces)
    ours = {**os.environ, "PYTHONPATH": str(ROOT)}
    ours.pop("FER_TUI_RUNS", None)
    done = subprocess.run(
        [sys.executable, "-P", "-c", script], cwd=tmp_path, env=ours, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"  epoch \d/\d  loss ", done.stdout)) == 5
    assert "epochs: input should be greater than" in done.stdout.splitlines()[-1]
    assert (tmp_path / "model.keras").is_file()


def section(title: str) -> str:
    """The guide from a heading to the next one of its level."""
    return GUIDE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def named(binding: Binding) -> str:
    """A key as the guide writes it."""
    words = {"left_square_bracket": "[", "right_square_bracket": "]", "question_mark": "?", "slash": "/"}
    key = binding.key_display or binding.key.split(",")[0]
    return words.get(key, key)


@pytest.mark.parametrize("mode", SCREENS)
def test_the_guide_names_every_key_of_a_screen(mode: str):
    screen: Any = SCREENS[mode]()
    text = section(SECTIONS[mode])
    bindings = [binding for binding in type(screen).BINDINGS if not (binding.key == "escape" and not binding.show)]
    assert len(bindings) >= 5
    for binding in bindings:
        row = next((line for line in text.splitlines() if line.startswith("|") and f"`{named(binding)}`" in line), None)
        assert row is not None, f"{mode}: {binding.id} ({named(binding)})"
        assert not binding.show or binding.description in row, f"{mode}: '{binding.description}' is not in: {row}"


def test_the_guide_names_the_keys_that_work_everywhere():
    text = section("Keys that work everywhere")
    for binding in FerApp.BINDINGS:
        assert isinstance(binding, Binding) and f"`{named(binding)}`" in text
