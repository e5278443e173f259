"""Build the table of runs, the baselines of their data, and the article's results."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from core.comparison import article
from core.comparison.columns import BASELINES, COLUMNS, PUBLISHED_RUN, Row, blank_row, is_reference
from core.comparison.seeds import average_over_seeds, comparison_key
from core.config import protocol
from core.runs.codes import DIFFERENT_DATA
from core.runs.history import is_lower_better
from core.runs.reader import RunSnapshot, read_run
from core.runs.schema import EvaluationFile

# Settings in which the runs of one row, or a run and its control, may differ: where and how fast they train, and the
# path of the data, because the fingerprint identifies the data.
IGNORED_SETTINGS = (
    "data",
    "format",
    "time_budget",
    "devices",
    "precision",
    "feed",
    "jit_compile",
    "image_memory",
    "deterministic",
    "track",
)


def compare(
    runs: Sequence[RunSnapshot | Path | str], *, with_published: bool = True, average_seeds: bool = False
) -> list[Row]:
    """Compare runs: a row for each run, then the baselines of their data, then the article's rows.

    Args:
        runs: snapshots or run directories, in the order of their rows.
        with_published: whether the article's rows follow.
        average_seeds: whether completed runs that differ only in the seed share a row; see
            `core.comparison.seeds.average_over_seeds`.

    Returns:
        A mapping for each row, from the names of `core.comparison.columns.COLUMNS` to values; None where a value is
        unknown. `warnings` is a list of codes. The control of a run is another of `runs` with the same settings and
        data, trained on noise instead of the images. A run that can't be read has a row without metrics.

    Example:
        >>> rows = core.compare(core.list_runs("runs"), with_published=False)
        >>> pandas.DataFrame(rows)[["model", "epochs", "val_accuracy"]]
    """
    return _rows(
        [run if isinstance(run, RunSnapshot) else read_run(run) for run in runs], with_published, average_seeds
    )


def _rows(runs: Sequence[RunSnapshot], with_published: bool, average_seeds: bool) -> list[Row]:
    controls = {_with_control(run): run for run in sorted(runs, key=lambda run: run.name) if is_control(run)}
    rows: list[Row] = [run_row(run, controls.get(_with_control(run))) for run in runs]
    if average_seeds:
        rows = average_over_seeds(runs, rows, *IGNORED_SETTINGS)
    seen: dict[str, RunSnapshot] = {}
    for run in runs:
        if run.environment.get("counts"):
            seen.setdefault(str(run.environment.get("fingerprint")), run)
    for run in seen.values():
        rows += _baselines(run.environment.get("counts", {}), several=len(seen) > 1, name=run.name)
    if len(seen) > 1:
        # Baselines need no warning, because each one names its data. The article's rows are added later.
        rows = [row if is_reference(row) else _with_warning(row, DIFFERENT_DATA) for row in rows]
    if with_published:
        rows += [_published_row(row) for row in article.RESULTS]
    return rows


def is_control(run: RunSnapshot) -> bool:
    """Return whether a run was trained on noise in place of the images."""
    return run.config.get("control", "none") != "none"


def _with_control(run: RunSnapshot) -> tuple[str, str]:
    """Return a key that is equal for a run and its control."""
    return comparison_key(run, "control", *IGNORED_SETTINGS)


def run_row(run: RunSnapshot, control: RunSnapshot | None = None) -> Row:
    """Build a run's row from the history's row of its kept epoch and from its evaluation over the whole split.

    Args:
        run: the run.
        control: the run on noise to compare with; None without one. It is ignored if `run` is a control itself.
    """
    beside: Mapping[str, float] = (control.kept_epoch() or {}) if control and not is_control(run) else {}
    kept: Mapping[str, float] = run.kept_epoch() or {}
    evaluation = run.metrics
    if kept and evaluation.get("epoch", kept["epoch"]) != kept["epoch"]:
        # The evaluation is outdated: the run was resumed and now keeps another epoch.
        evaluation = EvaluationFile()
    warnings = [warning["code"] for warning in run.warnings]
    if run.state != "completed":
        warnings.append(run.state)
    return blank_row() | {
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
    }


def _interval(
    evaluation: EvaluationFile, figure: Literal["accuracy", "macro_f1"], column: str
) -> dict[str, float | None]:
    """Return the columns for both ends of a figure's interval; None for old runs, which have no intervals."""
    intervals = evaluation.get("intervals")
    ends = intervals[figure] if intervals else ()
    low, high = ends if len(ends) == 2 else (None, None)
    return {f"{column}_low": _known(low), f"{column}_high": _known(high)}


def _known(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else round(value, 6)


def _with_warning(row: Row, code: str) -> Row:
    return {**row, "warnings": [*row["warnings"], code]}


def _baselines(counts: Mapping[str, Mapping[str, int]], *, several: bool, name: str) -> list[Row]:
    """Build the rows for always predicting train's most common class, and for predicting classes uniformly at random.

    Args:
        counts: the number of images, by split and class.
        several: whether the table has baselines of several data sets, so that the rows must name their data.
        name: the name of a run that uses the data.
    """
    train = {label: count for label, count in counts.get("train", {}).items() if count}
    # Models have no output for a class that is missing in train, so its images are not evaluated.
    validation = {label: count for label, count in counts.get("validation", {}).items() if count and label in train}
    images, present = sum(validation.values()), list(validation.values())
    if not images:
        return []
    majority = max(sorted(train), key=lambda label: train[label])
    share = validation.get(majority, 0) / images
    even = 1 / len(train)
    # For uniform random predictions, precision is the class's share and recall is 1 / classes.
    chance_f1 = sum(2 * (c / images) * even / (c / images + even) for c in present) / len(present)
    blank = blank_row() | {
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


def _published_row(row: article.PublishedRow) -> Row:
    return blank_row() | {
        "model": row.model,
        "protocol": protocol.PUBLISHED.name,
        "epochs": row.epoch,
        "train_accuracy": row.train_accuracy,
        "val_accuracy": row.val_accuracy,
        "val_loss": row.val_loss,
        "val_images": article.VALIDATION_IMAGES[row.model],
        "run": PUBLISHED_RUN,
    }


def best_figures(rows: Sequence[Row]) -> dict[str, float]:
    """Return the best figure of each judged column among our runs, without controls."""
    ours = [row for row in rows if not is_reference(row) and not row["control"]]
    best: dict[str, float] = {}
    for column in COLUMNS.values():
        figures = [row[column.name] for row in ours if row[column.name] is not None]
        if column.is_judged and figures:
            best[column.name] = min(figures) if is_lower_better(column.name) else max(figures)
    return best


def is_higher_better(column: str) -> bool:
    """Return whether the highest value of a column is the best one, which is sorted first."""
    return COLUMNS[column].is_number and not is_lower_better(column)


def sort_rows(rows: Sequence[Row], column: str | None, *, descending: bool) -> list[Row]:
    """Sort the rows by a column, unknown values last. Without a column, the order does not change."""
    if column is None:
        return list(rows)

    def value(row: Row) -> Any:
        figure = row[column]
        return ";".join(figure) if isinstance(figure, list) else figure

    known = [row for row in rows if value(row) not in (None, "")]
    unknown = [row for row in rows if value(row) in (None, "")]
    return sorted(known, key=value, reverse=descending) + unknown


def best_of_models(rows: Sequence[Row]) -> dict[str, Row]:
    """Return each model's row with the highest validation accuracy; models without one are left out."""
    best: dict[str, Row] = {}
    for row in rows:
        known = best.get(row["model"])
        if row["val_accuracy"] is not None and (known is None or row["val_accuracy"] > known["val_accuracy"]):
            best[row["model"]] = row
    return best


def models_in_order(rows: Sequence[Row]) -> list[str]:
    """Return the models without baselines: the article's models in its order, then the others by name."""
    of_article = [result.model for result in article.RESULTS]
    models = {str(row["model"]) for row in rows if row["run"] not in BASELINES}
    return [name for name in of_article if name in models] + sorted(models - set(of_article))
