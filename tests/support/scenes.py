"""Every screen and dialog in each of its states, with the keys that open it and the data it shows."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import worlds
from textual.pilot import Pilot

from core.comparison.cross_evaluation import cross_row
from core.data.readers.reader_factory import read_dataset

Step = str | Callable[[Pilot[Any]], None]


@dataclass(frozen=True)
class Scene:
    """A screen to take a snapshot of.

    Attributes:
        name: the picture's.
        steps: keys to press, things to do, and `see:...`, words to wait for.
        world: writes the run directories.
        data: the data set that is named at the start, in the folder that the test works in.
        has_damaged_faces: whether some of the faces can't be read.
        styled: whether the picture has the styles of the cells in both themes, besides the text, where it is wide.
    """

    name: str
    steps: tuple[Step, ...]
    world: Callable[..., None] = worlds.nothing
    data: str | None = None
    has_damaged_faces: bool = False
    styled: bool = False


def open_data(pilot: Pilot[Any]) -> None:
    """Pretend that the app has read a data set, with the same path on every machine."""
    app: Any = pilot.app
    app.data, app.counts = Path("/data/faces"), worlds.COUNTS


def be_busy(pilot: Pilot[Any]) -> None:
    """Pretend that the app trains a run."""
    app: Any = pilot.app
    app.queue.current = Path("runs") / worlds.RUNNING


def damage_export(pilot: Pilot[Any]) -> None:
    """Pretend that the user has entered a folder for the export."""
    app: Any = pilot.app
    app.state_store.update(export=replace(app.state_store.state.export, path="runs"))


def show_evaluations(pilot: Pilot[Any]) -> None:
    """Pretend that the runs were evaluated on two data sets; one run can't be evaluated on the second one."""
    screen: Any = pilot.app.screen
    datasets = {Path(name): read_dataset("faces") for name in ("faces", "/data/ckplus")}
    intervals = {"accuracy": [0.5934, 0.6644], "macro_f1": [0.5094, 0.5844]}
    figures: Any = {"accuracy": 0.6294, "balanced_accuracy": 0.5794, "macro_f1": 0.5494, "intervals": intervals}
    evaluated = []
    for number, data in enumerate(datasets):
        for run in screen.runs:
            if number and run.model == "model2":
                row = cross_row(run, data, None, f"{data}: no image of 'test' has a class of the run: happy, sad")
            else:
                result: Any = {**figures, "images": 707, "split": ("validation", "test")[number]}
                row = cross_row(run, data, result)
            screen.rows[run.name, data] = row
            evaluated.append(screen.Evaluated(0, run, data, row, []))
    for message in (screen.DatasetsRead(datasets, datasets, ""), *evaluated):
        screen.post_message(message)


def fill_form(settings: str) -> Callable[[Pilot[Any]], None]:
    """Fill in the Train form."""

    def fill(pilot: Pilot[Any]) -> None:
        screen: Any = pilot.app.screen
        screen.form.set_values(json.loads(settings))

    return fill


TYPED = '{"epochs": "30", "learning_rate": "0.0005", "augmentation": "strong"}'
WRONG = '{"epochs": "many", "learning_rate": "-1"}'
TO_COMPACT = ("3", "see:waiting", "see:no GPU", *"jjjj", f"see:completed  {worlds.COMPACT}", "i")

SCENES = (
    Scene("data-empty", ("1", "see:No data set is open")),
    Scene("data-full", ("1", "see:no findings"), data="faces"),
    Scene(
        "data-findings",
        ("1", "see:findings", "f", "see:undecodable"),
        data="faces",
        has_damaged_faces=True,
        styled=True,
    ),
    Scene("data-missing", ("1", "see:missing"), data="missing"),
    Scene("train-empty", ("2", "see:open a data set first")),
    Scene(
        "train-full", ("2", open_data, "see:/data/faces", "space", "j", "space", fill_form(TYPED), "see:Start 2 runs")
    ),
    Scene(
        "train-failed", ("2", open_data, "see:/data/faces", "space", fill_form(WRONG), "see:✗ fix", "e"), styled=True
    ),
    Scene("train-menu", ("2", open_data, "see:/data/faces", "e", "enter", "see:enter chooses")),
    Scene("runs-empty", ("3", "see:No runs yet in")),
    Scene("runs-full", ("3", "see:waiting", "see:no GPU", "j", "see:310/450"), worlds.write_typical_runs, styled=True),
    Scene(
        "runs-log",
        ("3", "see:waiting", "see:no GPU", "j", "see:310/450", "o", "see:epoch 5:"),
        worlds.write_typical_runs,
    ),
    Scene("runs-warned", ("3", "see:waiting", "see:no GPU", *"jjj", "w", "see:nearly pure"), worlds.write_typical_runs),
    Scene(
        "runs-overlay",
        ("3", "see:waiting", "see:no GPU", "j", "space", "j", "space", *"jj", "space", "see:v validation"),
        worlds.write_typical_runs,
    ),
    Scene(
        "runs-filter", ("3", "see:waiting", "see:no GPU", "slash", *"compact", "see:2 of 5"), worlds.write_typical_runs
    ),
    Scene("runs-failed", ("3", *"jjjj", "see:out of memory", "see:no GPU"), worlds.write_failed_runs),
    Scene("runs-diverged", ("3", *"jjj", "see:not a number", "see:no GPU"), worlds.write_failed_runs),
    Scene("runs-damaged", ("3", "j", f"see:interrupted  {worlds.DAMAGED}", "see:no GPU"), worlds.write_failed_runs),
    Scene("compare-empty", ("4", "see:Nothing to compare yet")),
    Scene("compare-full", ("4", "see:always"), worlds.write_typical_runs, styled=True),
    Scene("compare-graph", ("4", "see:always", "g"), worlds.write_typical_runs),
    Scene("compare-failed", ("4", "see:always"), worlds.write_failed_runs),
    Scene("inspect-empty", ("5", "see:nothing to inspect")),
    Scene("inspect-full", (*TO_COMPACT, "see:7 mistakes"), worlds.write_typical_runs),
    Scene(
        "inspect-cell",
        (*TO_COMPACT, "see:7 mistakes", "s", "down", "see:predicted as"),
        worlds.write_typical_runs,
        styled=True,
    ),
    Scene("inspect-failed", ("3", *"jjjj", "see:out of memory", "i", "see:This run failed"), worlds.write_failed_runs),
    Scene("inspect-damaged", ("3", "j", "i", "see:missing or damaged"), worlds.write_failed_runs),
    Scene("inspect-missing", ("5", "see:predictions.csv"), worlds.write_failed_runs),
    Scene("dialog-export", ("4", "see:always", "e", "see:LaTeX"), worlds.write_typical_runs, styled=True),
    Scene(
        "dialog-export-failed",
        ("4", "see:always", damage_export, "e", "enter", "see:is a folder"),
        worlds.write_typical_runs,
    ),
    Scene(
        "dialog-on-data",
        ("4", "see:always", "v", "see:Press Enter", show_evaluations, "see:no image of"),
        worlds.write_typical_runs,
        styled=True,
    ),
    Scene(
        "dialog-quit",
        ("3", "see:waiting", "see:no GPU", be_busy, "q", "see:Stop it after its batch"),
        worlds.write_typical_runs,
        styled=True,
    ),
    Scene(
        "dialog-leaving",
        ("3", "see:waiting", "see:no GPU", be_busy, "q", "y", "see:Quit at once"),
        worlds.write_typical_runs,
    ),
    Scene(
        "dialog-delete",
        ("3", "see:waiting", "see:no GPU", *"jjjj", "delete", "see:This cannot be undone"),
        worlds.write_typical_runs,
    ),
    Scene(
        "dialog-epochs",
        ("3", "see:waiting", "see:no GPU", *"jjjj", "r", "see:Train to how many"),
        worlds.write_typical_runs,
        styled=True,
    ),
    Scene(
        "dialog-draw",
        ("1", "see:No data set", "d", "see:expressions into", "backspace", "s", "see:faces/"),
        styled=True,
    ),
    Scene(
        "dialog-run", (*TO_COMPACT, "see:7 mistakes", "r", "see:enter chooses"), worlds.write_typical_runs, styled=True
    ),
    Scene(
        "dialog-review",
        (*TO_COMPACT, "see:7 mistakes", "d", "see:suggested", "x", "see:2 of"),
        worlds.write_typical_runs,
        styled=True,
    ),
    Scene(
        "dialog-predict",
        (*TO_COMPACT, "see:7 mistakes", "p", "see:press Enter"),
        worlds.write_typical_runs,
        styled=True,
    ),
    Scene("help-train", ("2", "see:open a data set", "question_mark", "see:closes")),
    Scene(
        "help-runs",
        ("3", "see:waiting", "see:no GPU", "question_mark", "see:closes"),
        worlds.write_typical_runs,
        styled=True,
    ),
    Scene(
        "palette", ("3", "see:waiting", "see:no GPU", "ctrl+p", "see:Search for commands"), worlds.write_typical_runs
    ),
    Scene(
        "palette-found",
        ("3", "see:waiting", "see:no GPU", "ctrl+p", "see:Search for commands", *"b2c4", "see:Run 2026"),
        worlds.write_typical_runs,
        styled=True,
    ),
)
