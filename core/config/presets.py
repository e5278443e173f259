"""Named sets of settings. The user's other settings override a preset's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import ConfigError, suggest_name

# The hardware for every `expectation` below, with FER2013's 28,709 training images.
MACHINE = "two cores of an AMD EPYC with AVX-512"


@dataclass(frozen=True)
class Preset:
    """A set of settings.

    Attributes:
        name: the name on the command line.
        summary: the purpose, in a few words.
        settings: TrainingConfig fields and values. They override the model's recipe and the protocol's settings.
        expectation: the measured result of `fer-tui train --data fer2013 --model MODEL --preset NAME` on MACHINE: the
            model, its accuracy on the whole validation split (for `champion`, the mean of two seeds) and the total
            time; empty if not measured.
    """

    name: str
    summary: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    expectation: str = ""


PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("recipe", "each model's own recipe", expectation="compact 0.628 in 9.3 min"),
        Preset(
            "quick",
            "3 epochs on 2,000 images, as a check",
            {"epochs": 3, "limit": 2000},
            "compact 0.338 in 17 s",
        ),
        Preset(
            "champion",
            "the highest accuracy on two cores, with compact",
            {
                "epochs": 44,
                "patience": None,
                "keep": "last",
                "augmentation": "strong",
                "schedule": "cosine",
                "warmup_epochs": 1.0,
                "ema": 0.998,
                "label_smoothing": 0.1,
                "class_weights": "sqrt_balanced",
                "flip_average": True,
            },
            "compact 0.668 in 16 min",
        ),
        Preset(
            "published",
            "the article's training, flaws included",
            {"protocol": "published"},
            "model2 0.138 in 3.2 min",
        ),
        Preset(
            "repeatable",
            "same seed, same weights; slower",
            {"deterministic": True},
            "compact 0.625 in 9.6 min",
        ),
    )
}


def find_preset(name: str) -> Preset:
    """Return the preset with this name.

    Raises:
        ConfigError: no preset has this name. The message suggests a similar name, or lists all.
    """
    if name in PRESETS:
        return PRESETS[name]
    hint = suggest_name(name, PRESETS, f"choose from {', '.join(PRESETS)}")
    raise ConfigError("preset", f"no preset is called '{name}'; {hint}")
