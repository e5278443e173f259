"""Named sets of settings to begin with; what the user says besides wins over them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import ConfigError


@dataclass(frozen=True)
class Preset:
    """A set of settings.

    Attributes:
        name: what users type.
        summary: what it is for, in a few words.
        settings: TrainingConfig fields to values, over the model's recipe and the protocol's settings.
    """

    name: str
    summary: str
    settings: Mapping[str, Any] = field(default_factory=dict)


PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("recipe", "each model's own recipe"),
        Preset("quick", "3 epochs on 2,000 images: does it work?", {"epochs": 3, "limit": 2000}),
        Preset(
            "thorough",
            "up to 100 epochs, rate falling to zero",
            {"epochs": 100, "patience": 20, "schedule": "cosine", "warmup_epochs": 1.0},
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
        ),
        Preset("published", "as the article did it, flaws included", {"protocol": "published"}),
        Preset("repeatable", "the same weights from the same seed; slower", {"deterministic": True}),
    )
}


def find_preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        ConfigError: there is none; the message names the nearest, or all.
    """
    if name in PRESETS:
        return PRESETS[name]
    near = difflib.get_close_matches(name, PRESETS, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"choose from {', '.join(PRESETS)}"
    raise ConfigError(f"--preset: no preset is called '{name}'; {hint}")
