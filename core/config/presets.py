"""Named sets of settings to begin with; what the user says besides wins over them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import ConfigError, suggest_name

# What the presets were measured on, with FER2013's 28,709 training images.
MACHINE = "two cores of an AMD EPYC with AVX-512"


@dataclass(frozen=True)
class Preset:
    """A set of settings.

    Attributes:
        name: what users type.
        summary: what it is for, in a few words.
        settings: TrainingConfig fields to values, over the model's recipe and the protocol's settings.
        expectation: what `fer-tui train --data fer2013 --model MODEL --preset NAME` gave on MACHINE: MODEL, accuracy on
            the whole validation split (of the champion the mean of two seeds), and the time from start to table; empty
            where nobody measured it.
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
            "3 epochs on 2,000 images: does it work?",
            {"epochs": 3, "limit": 2000},
            "compact 0.338 in 17 s",
        ),
        Preset(
            "champion",
            "an hour's best on two cores, with compact",
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
            "as the article did it, flaws included",
            {"protocol": "published"},
            "model2 0.138 in 3.2 min",
        ),
        Preset(
            "repeatable",
            "the same weights from the same seed; slower",
            {"deterministic": True},
            "compact 0.625 in 9.6 min",
        ),
    )
}


def find_preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        ConfigError: there is none; the message names the nearest, or all.
    """
    if name in PRESETS:
        return PRESETS[name]
    hint = suggest_name(name, PRESETS, f"choose from {', '.join(PRESETS)}")
    raise ConfigError("preset", f"no preset is called '{name}'; {hint}")
