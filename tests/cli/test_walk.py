"""Go from an empty folder to an exported table, once with the keyboard only and once with the mouse only.

The user knows the goal and reads the keys and buttons from the screen.
"""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path

import pytest
from hands import KeyboardUser, MouseUser
from terminal_app import SIZES, TerminalApp

from core.comparison.columns import COLUMNS

MODELS = ("compact", "model2")
IMAGES = 280  # a fifth of the 1,400 drawn faces


# Each takes two minutes, so the keyboard is tested at one size and the mouse at the other.
@pytest.mark.parametrize(("hand", "size"), zip((KeyboardUser, MouseUser), SIZES, strict=True))
def test_from_an_empty_folder_to_a_table_on_disk(
    tmp_path: Path, hand: type[KeyboardUser | MouseUser], size: tuple[int, int]
):
    (tmp_path / "empty").mkdir()
    places = {f"XDG_{name.upper()}_HOME": str(tmp_path / name) for name in ("config", "state", "data", "cache")}
    hand.write_settings(tmp_path / "config")
    screen = TerminalApp(size=size, cwd=tmp_path / "empty", env=places, in_new_process=hand is KeyboardUser)
    person = hand(screen)

    person.choose("Draw faces")
    person.accept("Draw")
    screen.wait_for(f"{5 * IMAGES:,} images   7 classes   no findings")

    person.choose("Train")
    for model in MODELS:
        person.mark(model)
        screen.wait_for(f"[x]  {model}")
    person.set_fast_settings()
    person.choose("Start")
    screen.wait_for(lambda text: all(re.search(rf"{model} +completed +2/2 ", text) for model in MODELS))

    person.choose("Compare")
    screen.wait_for(lambda text: all(re.search(rf"^ {model} .*0\.\d{{4}}", text, re.MULTILINE) for model in MODELS))
    person.choose("Export")
    person.accept("Export")
    screen.wait_for("Written")
    person.choose("Quit")
    answer = screen.wait()

    assert answer.status == 0
    check_table(tmp_path / "empty" / "comparison.csv")


def check_table(path: Path) -> None:
    """Check the exported file: two runs with plausible metrics, then the baselines and the article's rows."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
        file.seek(0)
        assert file.readline().rstrip() == ",".join(COLUMNS)
    ours = [row for row in rows if (path.parent / "runs" / row["run"]).is_dir()]
    assert sorted(row["model"] for row in ours) == sorted(MODELS)
    for row in ours:
        assert (row["protocol"], row["encoding"], row["epochs"], row["val_images"]) == ("sound", "label", "2", "280")
        assert int(row["params"]) > 1000
        assert float(row["seconds"]) > 0
        assert 0 < float(row["val_loss"]) < math.inf
        for share in ("train_accuracy", "val_accuracy", "val_balanced_accuracy", "val_macro_f1"):
            assert 0 <= float(row[share]) <= 1
        # Every class has the same number of drawn faces.
        assert float(row["val_accuracy"]) == pytest.approx(float(row["val_balanced_accuracy"]), abs=1e-6)
        right = float(row["val_accuracy"]) * IMAGES
        assert right == pytest.approx(round(right), abs=0.01)
    others = [row["run"] for row in rows if row not in ours]
    assert others == ["majority", "chance", *["published"] * 4]
