"""A model card: what a model was made of, what it is worth, and what it is not fit for, in Markdown."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from core.config.command_line import train_command
from core.config.training_config import TrainingConfig
from core.models.registry import MODELS
from core.runs.reader import RunSnapshot
from core.runs.schema import EnvironmentFile, EvaluationFile

CardMetric = Literal["accuracy", "balanced_accuracy", "macro_f1", "loss", "majority_accuracy"]
FIGURES: tuple[tuple[CardMetric, str], ...] = (
    ("accuracy", "accuracy"),
    ("balanced_accuracy", "balanced accuracy (mean recall)"),
    ("macro_f1", "macro F1"),
    ("loss", "cross-entropy, nats"),
    ("majority_accuracy", "always the commonest class, for comparison"),
)
FLIPS = "its figures are means over an image and its mirror image"
LIMITS = """\
- The figures are of the validation split, which also chose the epoch: expect a little less elsewhere, and measure on
  images of your own before you rely on it (`fer-tui evaluate`).
- It knows the classes above and names one of them for any image, whether there is a face on it or not.
- Labels of facial expressions are opinions: on FER2013, people agree with them in 65 ± 5 % of the images (Goodfellow et
  al. 2013, arXiv:1307.0414). Faces from the web stand for no population: measure by group where that matters.
- An expression is not what somebody feels. It is unfit for decisions about people."""
LICENCE = """\
The code that made it is under the MIT licence. The weights come from the images: the terms of the data set bind
whoever passes the model on. FER2013's images were gathered from the web for research; their rights lie with others."""


def model_card(run: RunSnapshot, form: str, file: str, difference: float, origin: str) -> str:
    """The card of a run's kept model, written beside an export.

    Args:
        run: with its evaluation, where there is one.
        form: the format's title.
        file: the exported file's name.
        difference: the largest between its probabilities and the original's.
        origin: on which images.

    Source:
        M. Mitchell et al. 2019, Model Cards for Model Reporting, arXiv:1810.03993.
    """
    spec = MODELS.get(run.model)
    told, figures = run.environment, run.metrics
    size, channels = run.config.get("image_size"), run.config.get("channels")
    colour = "grey, 1 channel" if channels == 1 else f"{channels} channels"
    parts = [
        f"# {_text(run.model)}: {_text(spec.title if spec else 'a model of another version')}",
        f"`{_text(file)}` is the kept epoch of the fer-tui run `{_text(run.name)}` as {form}. Its probabilities differ "
        f"from the original's by up to {difference:.2g} on {origin}.",
        "## Model",
        _list(
            ("source", spec.source if spec else None),
            ("weights", _count(told.get("parameters"))),
            (
                "input",
                f"pixels of 0 to 255, shape (batch, {size}, {size}, {channels}), {colour}; the model normalizes them",
            ),
            ("output", f"probabilities, in this order: {', '.join(told.get('classes', ()))}"),
            ("flips", FLIPS if run.config.get("flip_average") else None),
        ),
        "## Data",
        _list(
            ("data set", f"{Path(told.get('data', '?')).name}, fingerprint {told.get('fingerprint', 'unknown')}"),
            ("trained on", _count(told.get("train_images"), " images")),
            ("validated on", _count(told.get("validation_images"), " images")),
            ("left out", _count(told.get("skipped"), " images that can't be decoded") if told.get("skipped") else None),
        ),
        "## Recipe",
        f"```\n{_command(run)}\n```",
        f"Kept epoch: {figures.get('epoch', 'unknown')}. " + _versions(told),
        "## Results on the validation split",
        _table(
            ("figure", "value"),
            [(title, value) for name, title in FIGURES if (value := _figure(figures, name))],
        )
        or "The run has no evaluation.",
        _per_class(figures),
        "## Warnings",
        "\n".join(f"- {_text(warning.get('message', ''))}" for warning in run.warnings) or "None.",
        "## Limits",
        LIMITS,
        "## Licence",
        LICENCE,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _command(run: RunSnapshot) -> str:
    """What trains it again; DATA stands for the data set, whose place is nobody else's business."""
    try:
        config = TrainingConfig.model_validate(dict(run.config))
    except ValueError:
        return "its config.json is of another version"
    words = shlex.split(train_command(config))
    words[words.index("--data") + 1] = "DATA"
    return shlex.join(words)


def _versions(told: EnvironmentFile) -> str:
    versions = told.get("versions")
    return "" if versions is None else ", ".join(f"{name} {each}" for name, each in versions.items()) + "."


def _per_class(figures: EvaluationFile) -> str:
    rows = figures.get("per_class", {})
    return _table(
        ("class", "precision", "recall", "F1", "images"),
        [
            (_text(name), f"{row['precision']:.4f}", f"{row['recall']:.4f}", f"{row['f1']:.4f}", f"{row['support']:,}")
            for name, row in rows.items()
        ],
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = [heads, ["---", *["---:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _list(*items: tuple[str, str | None]) -> str:
    return "\n".join(f"- {name}: {_text(value)}" for name, value in items if value)


def _count(value: int | None, unit: str = "") -> str | None:
    return None if value is None else f"{value:,}{unit}"


def _figure(figures: EvaluationFile, name: CardMetric) -> str:
    """A figure, with its interval where it has one; nothing where it is not known."""
    value, intervals = figures.get(name), figures.get("intervals")
    if value is None:
        return ""
    ends = intervals[name] if intervals and name in ("accuracy", "macro_f1") else ()
    return f"{value:.4f}" + (f" (95 %: {ends[0]:.3f} to {ends[1]:.3f})" if len(ends) == 2 else "")


def _text(value: object) -> str:
    """On one line, and harmless in a table."""
    return " ".join(str(value).split()).replace("|", r"\|").replace("`", "'")
