"""Every kind of problem that `data check` reports is in the guide's table, and the messages say what to do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DATA = ROOT / "core" / "data"
# The modules that all readers share, and the checks.
MODULES = ("audit", "class_folders", "dataset", "pixels", "readers/reader_factory")
FILES = [DATA / f"{module}.py" for module in MODULES]
REMEDY = re.compile(
    r"[;:] (?:\S+ )?(?:add|check|choose|convert|correct|expected|give|keep|make|move|name|nothing to do|put|remove|"
    r"rename|replace|restore|unpack|use)\b"
)


def texts(node: ast.AST) -> str:
    """The fixed parts of all texts below a node."""
    return " ".join(
        each.value for each in ast.walk(node) if isinstance(each, ast.Constant) and isinstance(each.value, str)
    )


def problems(file: Path) -> Iterator[tuple[str, str]]:
    """The kind of each problem that a module creates, and the texts of its message."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef):
            continue
        for call in ast.walk(function):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Problem"):
                continue
            kind, message = call.args[:2]
            if isinstance(kind, ast.Constant):
                # A message in a variable is one of the function's texts.
                yield str(kind.value), texts(function if isinstance(message, ast.Name) else message)


FOUND = sorted({(file.name, *found) for file in FILES for found in problems(file)})


def test_the_modules_have_problems():
    assert {"blank", "undecodable", "class_in_one_split", "not_classes", "foreign_file"} <= {
        kind for _, kind, _ in FOUND
    }


@pytest.mark.parametrize(("module", "kind", "message"), FOUND, ids=lambda value: value[:20])
def test_the_message_of_a_problem_says_what_to_do(module: str, kind: str, message: str):
    assert REMEDY.search(message), f"{module}: {kind}: {message}"


def test_what_is_left_out_has_a_remedy():
    from core.data.left_out import _KINDS

    assert {kind.problem for kind in _KINDS.values()} >= {"archive", "label_list", "unread_format", "hidden_file"}
    assert all(REMEDY.search(f"; {kind.remedy}") for kind in _KINDS.values())


def test_the_guide_says_what_to_do_about_every_kind():
    from core.data.left_out import _KINDS

    table = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8").partition("\n### About data\n")[2]
    rows = [line.split(" | ") for line in table.partition("\n## ")[0].splitlines() if line.startswith("| `")]
    told = {kind: row[2] for row in rows for kind in re.findall(r"`(\w+)`", row[0])}
    kinds = {kind for _, kind, _ in FOUND} | {kind.problem for kind in _KINDS.values()}
    assert kinds <= told.keys()
    assert all(told[kind].strip(" |") for kind in kinds)
