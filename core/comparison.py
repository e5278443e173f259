"""Runs, the baselines and the article's rows in one table, and that table as CSV, Markdown, LaTeX and JSON."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core import files, published
from core.runs import RunSnapshot
from core.seeds import AVERAGED, DEVIATIONS, OF_ONE_RUN, fold, settings

COLUMNS = (
    "model",
    "protocol",
    "encoding",
    "augmentation",
    "epochs",
    "params",
    "train_accuracy",
    "val_accuracy",
    "val_loss",
    "val_balanced_accuracy",
    "val_macro_f1",
    "val_images",
    "seconds",
    "run",
    "warnings",
    "control",
    "control_val_accuracy",
    "whole_accuracy",
    "whole_accuracy_low",
    "whole_accuracy_high",
    "macro_f1_low",
    "macro_f1_high",
    "leak_free_accuracy",
    "seeds",
    "val_accuracy_sd",
    "val_macro_f1_sd",
)
FIGURES = ("train_accuracy", "val_accuracy", "val_loss", "val_balanced_accuracy", "val_macro_f1")
# What is written to four places.
MEASURED = (*AVERAGED, *OF_ONE_RUN, *DEVIATIONS)
NUMBERS = (*MEASURED, "epochs", "params", "val_images", "seconds", "seeds")
# Settings that runs of one table's row, or a run and its control, may differ in: where and how fast they compute, and
# the path of the data, which the fingerprint stands for.
APART = ("data", "time_budget", "devices", "precision", "jit_compile", "image_memory", "deterministic", "track")
# What a column is called where room is short; the others go by their own names.
HEADINGS = {
    "augmentation": "augment",
    "train_accuracy": "train acc",
    "val_accuracy": "val acc",
    "val_loss": "val loss",
    "val_balanced_accuracy": "balanced",
    "val_macro_f1": "macro F1",
    "val_images": "val images",
    "control_val_accuracy": "on noise",
    "whole_accuracy": "whole",
    "whole_accuracy_low": "95 % from",
    "whole_accuracy_high": "to",
    "macro_f1_low": "F1 from",
    "macro_f1_high": "F1 to",
    "leak_free_accuracy": "leak-free",
    "val_accuracy_sd": "acc sd",
    "val_macro_f1_sd": "F1 sd",
}
BASELINES = ("majority", "chance")
PUBLISHED = "published"

Row = Mapping[str, Any]


def compare(runs: Sequence[RunSnapshot], *, with_published: bool = True, fold_seeds: bool = False) -> list[Row]:
    """One row a run, or a setting, then the majority and chance rows of their data, then the article's.

    Args:
        runs: in the order in which they shall stand.
        with_published: whether the article's rows follow.
        fold_seeds: whether completed runs that differ in their seed alone share a row; see `core.seeds.fold`.

    Returns:
        Mappings of COLUMNS; None where a figure is not known. `warnings` is a list of codes. A run's control is one
        among `runs` with the same settings and data but for noise in place of the images.
    """
    controls = {_with_control(run): run for run in sorted(runs, key=lambda run: run.name) if is_control(run)}
    rows: list[Row] = [run_row(run, controls.get(_with_control(run))) for run in runs]
    if fold_seeds:
        rows = fold(runs, rows, *APART)
    seen: dict[str, RunSnapshot] = {}
    for run in runs:
        if run.environment.get("counts"):
            seen.setdefault(str(run.environment.get("fingerprint")), run)
    for run in seen.values():
        rows += _baselines(run.environment["counts"], several=len(seen) > 1, name=run.name)
    if len(seen) > 1:
        rows = [_with_warning(row, "different_data") if row["run"] not in BASELINES else row for row in rows]
    if with_published:
        rows += [_published_row(row) for row in published.RESULTS]
    return rows


def is_control(run: RunSnapshot) -> bool:
    """Whether a run was trained on noise in place of the images."""
    return run.config.get("control", "none") != "none"


def _with_control(run: RunSnapshot) -> tuple[str, str]:
    """What a run and its control have in common."""
    return settings(run, "control", *APART)


def run_row(run: RunSnapshot, control: RunSnapshot | None = None) -> Row:
    """A run's row: figures of its kept epoch, and over the whole split where the column says so.

    Args:
        run: the run.
        control: the run on noise that it is to be held against, if there is one; not for a control itself.
    """
    beside: Mapping[str, float] = (control.kept_epoch() or {}) if control and not is_control(run) else {}
    kept: Mapping[str, float] = run.kept_epoch() or {}
    evaluation = run.evaluation or {}
    if kept and evaluation.get("epoch", kept["epoch"]) != kept["epoch"]:
        # Of before the run went on; another epoch is kept by now.
        evaluation = {}
    warnings = [str(warning.get("code")) for warning in run.warnings]
    if run.state != "completed":
        warnings.append(run.state)
    return {
        "model": run.model,
        "protocol": run.config.get("protocol"),
        "encoding": run.config.get("encoding"),
        "augmentation": run.config.get("augmentation"),
        "epochs": len(run.history) or None,
        "params": run.environment.get("parameters"),
        "train_accuracy": _known(kept.get("accuracy")),
        "val_accuracy": _known(kept.get("val_accuracy")),
        "val_loss": _known(kept.get("val_loss")),
        "val_balanced_accuracy": _known(evaluation.get("balanced_accuracy")),
        "val_macro_f1": _known(evaluation.get("macro_f1")),
        "val_images": evaluation.get("val_images"),
        "seconds": round(run.seconds, 1) if run.history else None,
        "run": run.name,
        "warnings": warnings,
        "control": run.config.get("control") if is_control(run) else None,
        "control_val_accuracy": _known(beside.get("val_accuracy")),
        "whole_accuracy": _known(evaluation.get("accuracy")),
        **_interval(evaluation, "accuracy", "whole_accuracy"),
        **_interval(evaluation, "macro_f1", "macro_f1"),
        "leak_free_accuracy": _known(evaluation.get("leak_free_accuracy")),
        "seeds": 1 if kept else None,
        **dict.fromkeys(DEVIATIONS),
    }


def _interval(evaluation: Mapping[str, Any], figure: str, column: str) -> dict[str, float | None]:
    """Both ends of a figure's interval; None where a run was evaluated before there were any."""
    ends = evaluation.get("intervals", {}).get(figure, ())
    low, high = ends if len(ends) == 2 else (None, None)
    return {f"{column}_low": _known(low), f"{column}_high": _known(high)}


def _known(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 6)


def _with_warning(row: Row, code: str) -> Row:
    return {**row, "warnings": [*row["warnings"], code]}


def _baselines(counts: Mapping[str, Mapping[str, int]], *, several: bool, name: str) -> list[Row]:
    """What always saying train's commonest class scores in validation, and what guessing evenly does.

    Args:
        counts: split -> class -> images.
        several: whether there are baselines of other data too, so that the rows must say whose they are.
        name: a run on these data.
    """
    train = {label: count for label, count in counts.get("train", {}).items() if count}
    # A class that train lacks is no output of the models, and its images are not evaluated.
    validation = {label: count for label, count in counts.get("validation", {}).items() if count and label in train}
    images, present = sum(validation.values()), list(validation.values())
    if not images:
        return []
    majority = max(sorted(train), key=lambda label: train[label])
    share = validation.get(majority, 0) / images
    even = 1 / len(train)
    # Precision of even guessing is a class's share, recall 1/classes; F1 is their harmonic mean.
    chance_f1 = sum(2 * (c / images) * even / (c / images + even) for c in present) / len(present)
    blank = dict.fromkeys(COLUMNS) | {
        "val_images": images,
        "warnings": [f"data of {name}"] if several else [],
    }
    train_images = sum(train.values())
    return [
        blank
        | {
            "model": f"always '{majority}'",
            "train_accuracy": round(train[majority] / train_images, 6),
            "val_accuracy": round(share, 6),
            "val_balanced_accuracy": round((1 if share else 0) / len(present), 6),
            "val_macro_f1": round(2 * share / (1 + share) / len(present), 6),
            "run": "majority",
        },
        blank
        | {
            "model": "even guessing",
            "train_accuracy": round(even, 6),
            "val_accuracy": round(even, 6),
            "val_loss": round(math.log(len(train)), 6),
            "val_balanced_accuracy": round(even, 6),
            "val_macro_f1": round(chance_f1, 6),
            "run": "chance",
        },
    ]


def _published_row(row: published.PublishedRow) -> Row:
    return dict.fromkeys(COLUMNS) | {
        "model": row.model,
        "protocol": "published",
        "epochs": row.epoch,
        "train_accuracy": row.train_accuracy,
        "val_accuracy": row.val_accuracy,
        "val_loss": row.val_loss,
        "val_images": published.VALIDATION_IMAGES[row.model],
        "run": PUBLISHED,
        "warnings": [],
    }


def write_table(rows: Iterable[Row], form: str) -> str:
    """The rows as `csv`, `markdown`, `latex` or `json`."""
    return {"csv": _csv, "markdown": _markdown, "latex": _latex, "json": _json}[form](list(rows))


def cell(column: str, value: Any) -> str:
    """A value as people read it: four places, thousands separated, blank where it is not known."""
    if value is None:
        return ""
    if column == "warnings":
        return "; ".join(value)
    if column in MEASURED:
        return f"{value:.4f}"
    if column == "seconds":
        return f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def model_cell(row: Row) -> str:
    """The model as people read it, where a row of the article or a control's must not be taken for a run's."""
    told = "article" if row["run"] == PUBLISHED else row["control"]
    return f"{row['model']} ({told})" if told else row["model"]


def _csv(rows: list[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_safe(";".join(row[c]) if c == "warnings" else row[c]) for c in COLUMNS])
    return text.getvalue()


def _safe(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula, made harmless by a leading apostrophe."""
    if not isinstance(value, str):
        return value
    # Up to Python 3.12 the csv module quotes no carriage return, which ends a row for who reads it.
    text = value.replace("\r", " ")
    return f"'{text}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _json(rows: list[Row]) -> str:
    return files.to_json(list(rows))


_MARKDOWN = str.maketrans({"\\": r"\\", "|": r"\|", "<": r"\<", "*": r"\*", "`": r"\`", "\n": " ", "\r": " "})


def _markdown(rows: list[Row]) -> str:
    lines = [
        COLUMNS,
        ["--:" if c in NUMBERS else "---" for c in COLUMNS],
    ]
    lines += [[cell(c, row[c]).translate(_MARKDOWN) for c in COLUMNS] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


_LATEX = str.maketrans(
    {
        **{c: rf"\{c}" for c in "&%$#_{}"},
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        # At the start of a row it would be taken for an argument of the \\ before.
        "[": "{[}",
        "\n": " ",
        "\r": " ",
    }
)


def _latex(rows: list[Row]) -> str:
    """A booktabs table."""
    layout = "".join("r" if c in NUMBERS else "l" for c in COLUMNS)
    lines = [" & ".join(c.replace("_", " ") for c in COLUMNS) + r" \\"]
    body = [" & ".join(cell(c, row[c]).translate(_LATEX) for c in COLUMNS) + r" \\" for row in rows]
    return "\n".join(
        [
            rf"\begin{{tabular}}{{{layout}}}",
            r"\toprule",
            *lines,
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            "",
        ]
    )
