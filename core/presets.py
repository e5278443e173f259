"""Named sets of settings to begin with; what the user says besides wins over them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.errors import ConfigError

# What the presets were measured on, with FER2013's 28,709 training images.
MACHINE = "two cores of an AMD EPYC with AVX-512"


@dataclass(frozen=True)
class Preset:
    """A set of settings.

    Attributes:
        name: what users type.
        summary: what it is for, in a few words.
        model: the model that it was measured with.
        minutes: what `fer-tui train --data fer2013 --model MODEL --preset NAME` took on MACHINE, from its start to the
            table.
        accuracy: that it then had on the whole validation split (champion: mean of two seeds; the rest: seed 23).
        settings: TrainingConfig fields to values, over the model's recipe and the protocol's settings.
    """

    name: str
    summary: str
    model: str
    minutes: float
    accuracy: float
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def expectation(self) -> str:
        """What to expect of it, in a few words."""
        return f"{self.model} {self.accuracy:.3f} in {self.minutes:g} min"


PRESETS: Mapping[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("recipe", "each model's own recipe", "compact", 9.3, 0.628),
        Preset(
            "quick",
            "3 epochs on 2,000 images: does it work?",
            "compact",
            0.3,
            0.338,
            {"epochs": 3, "limit": 2000},
        ),
        Preset(
            "champion",
            "an hour's best on two cores, with compact",
            "compact",
            16,
            0.668,
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
        Preset(
            "published",
            "as the article did it, flaws included",
            "model2",
            3.2,
            0.138,
            {"protocol": "published"},
        ),
        Preset(
            "repeatable",
            "the same weights from the same seed; slower",
            "compact",
            9.6,
            0.625,
            {"deterministic": True},
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
    near = difflib.get_close_matches(name, PRESETS, n=1)
    hint = f"did you mean '{near[0]}'?" if near else f"choose from {', '.join(PRESETS)}"
    raise ConfigError(f"--preset: no preset is called '{name}'; {hint}")
