"""Write a model card in Markdown: a model's architecture, data, recipe, results and limitations."""

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
    ("majority_accuracy", "accuracy of always predicting the most common class, for comparison"),
)
FLIPS = "the results are means over an image and its mirror image"
LIMITS = """\
- The results are from the validation split, which also selected the epoch. Expect slightly lower accuracy on other
  images. Evaluate the model on your own images before you rely on it (`fer-tui evaluate`).
- The model predicts one of the classes above for every image, even for an image without a face.
- Labels of facial expressions are opinions. On FER2013, human accuracy is 65 ± 5 % (Goodfellow et al. 2013,
  arXiv:1307.0414). Faces from the web do not represent any population. Evaluate each group separately if that matters.
- A facial expression does not show what a person feels. Do not use the model for decisions about people."""
LICENCE = """\
The code that trained the model is under the MIT licence. The weights are derived from the images, so the data set's
terms apply to anyone who distributes the model. FER2013's images were collected from the web for research. Their rights
belong to others."""


def model_card(run: RunSnapshot, form: str, file: str, difference: float, origin: str) -> str:
    """Return the model card of a run's exported model.

    Args:
        run: the run; its evaluation may be missing.
        form: the format's title.
        file: the exported file's name.
        difference: the largest difference between the probabilities of the exported and the original model.
        origin: a description of the images on which the difference was measured.

    Source:
        M. Mitchell et al. 2019, Model Cards for Model Reporting, arXiv:1810.03993.
    """
    spec = MODELS.get(run.model)
    environment, figures = run.environment, run.metrics
    size, channels = run.config.get("image_size"), run.config.get("channels")
    colour = "grey, 1 channel" if channels == 1 else f"{channels} channels"
    parts = [
        f"# {_text(run.model)}: {_text(spec.title if spec else 'a model of another version')}",
        f"`{_text(file)}` is the kept epoch's model of the fer-tui run `{_text(run.name)}`, exported as {form}. Its "
        f"probabilities differ from the original's by up to {difference:.2g} on {origin}.",
        "## Model",
        _list(
            ("source", spec.source if spec else None),
            ("weights", _count(environment.get("parameters"))),
            (
                "input",
                f"pixels of 0 to 255, shape (batch, {size}, {size}, {channels}), {colour}; the model normalizes them",
            ),
            ("output", f"probabilities, in this order: {', '.join(environment.get('classes', ()))}"),
            ("flips", FLIPS if run.config.get("flip_average") else None),
        ),
        "## Data",
        _list(
            (
                "data set",
                f"{Path(environment.get('data', '?')).name}, fingerprint {environment.get('fingerprint', 'unknown')}",
            ),
            ("trained on", _count(environment.get("train_images"), " images")),
            ("validated on", _count(environment.get("validation_images"), " images")),
            (
                "left out",
                _count(environment.get("skipped"), " images that can't be decoded")
                if environment.get("skipped")
                else None,
            ),
        ),
        "## Recipe",
        f"```\n{_command(run)}\n```",
        f"Kept epoch: {figures.get('epoch', 'unknown')}. " + _versions(environment),
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
    """Return the command that trains the model again. DATA replaces the data set's path, which may be private."""
    try:
        config = TrainingConfig.model_validate(dict(run.config))
    except ValueError:
        return "not available: config.json was written by another version of fer-tui"
    words = shlex.split(train_command(config))
    words[words.index("--data") + 1] = "DATA"
    return shlex.join(words)


def _versions(environment: EnvironmentFile) -> str:
    versions = environment.get("versions")
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
    """Format a metric and its interval if there is one; empty if the metric is not known."""
    value, intervals = figures.get(name), figures.get("intervals")
    if value is None:
        return ""
    ends = intervals[name] if intervals and name in ("accuracy", "macro_f1") else ()
    return f"{value:.4f}" + (f" (95 %: {ends[0]:.3f} to {ends[1]:.3f})" if len(ends) == 2 else "")


def _text(value: object) -> str:
    """Format a value on one line and escape Markdown's table and code characters."""
    return " ".join(str(value).split()).replace("|", r"\|").replace("`", "'")
