"""What each model is, known without TensorFlow: the menu reads this, the trainer builds from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from core.errors import suggest_name


@dataclass(frozen=True)
class ModelSpec:
    """A model of the menu.

    Attributes:
        name: what users type.
        title: a few words for a menu.
        builder: `module:function` of the body, imported when the model is built (see `core.training.build`).
        image_size: width and height of its input, pixels.
        channels: 1 grey, 3 colour.
        parameters: weights at width 1 with seven classes and this input, non-trainable ones included.
        source: where it comes from.
        recipe: TrainingConfig fields that it trains best with, where they differ from the general defaults.
        macs: multiply-accumulates of one forward pass of one image at width 1 with this input.
        min_image_size: the least width and height that its layers leave something of, pixels.
        augments: whether the extended augmentation is its first layer, active in training only.
        scales_pixels: whether it scales pixels of 0-255 itself, so that its normalization must be none.
        takes_weights: whether pretrained weights can be loaded into it.
        has_conv_head: whether its last layer is a convolution, whose scores are averaged over the image, and not dense.
        published_divisor: images a step by which the published protocol counts its steps.
        published_epoch: the epoch that the article reports, where it does.
    """

    name: str
    title: str
    builder: str
    image_size: int
    channels: int
    parameters: int
    macs: int
    source: str
    recipe: Mapping[str, Any] = field(default_factory=dict)
    min_image_size: int = 16
    augments: bool = False
    scales_pixels: bool = False
    takes_weights: bool = False
    has_conv_head: bool = False
    published_divisor: int = 64
    published_epoch: int | None = None

    def defaults(self) -> dict[str, Any]:
        """The TrainingConfig fields that this model sets: its input and its recipe."""
        return {"image_size": self.image_size, "channels": self.channels, **self.recipe}

    @property
    def supports_xla(self) -> bool:
        """Whether XLA can compile it; Keras's augmentation layers resample images by an operation that XLA lacks."""
        return not self.augments

    def load_builder(self) -> Any:
        """The function that builds all but the input, preprocessing and last layer; imports TensorFlow."""
        module, _, name = self.builder.partition(":")
        return getattr(import_module(module), name)


_SPECS = (
    ModelSpec(
        name="compact",
        title="Compact residual network",
        builder="core.models.compact:body",
        image_size=48,
        channels=1,
        parameters=363_815,
        macs=27_796_352,
        source="fer-tui, after He et al. 2016 (arXiv:1603.05027)",
        recipe={"normalization": "per_image", "learning_rate": 2e-3, "schedule": "cosine", "warmup_epochs": 0.5},
    ),
    ModelSpec(
        name="model1",
        title="Article's Model 1, EffNetB2",
        builder="core.models.model1:body",
        image_size=96,
        channels=3,
        parameters=9_408_128,
        macs=136_463_344,
        source="M. Thumiki 2023, after S. Eslamifar",
        recipe={"learning_rate": 1e-3, "normalization": "none", "weights": "imagenet"},
        min_image_size=32,
        scales_pixels=True,
        takes_weights=True,
        published_epoch=2,
    ),
    ModelSpec(
        name="model2",
        title="Article's Model 2",
        builder="core.models.model2:body",
        image_size=96,
        channels=3,
        parameters=1_732_679,
        macs=76_089_600,
        source="M. Thumiki 2023, its author's code",
        recipe={"learning_rate": 1e-4},
        min_image_size=22,
        published_epoch=3,
    ),
    ModelSpec(
        name="model3",
        title="Article's Model 3",
        builder="core.models.model3:model3",
        image_size=96,
        channels=3,
        parameters=173_430_151,
        macs=27_909_852_032,
        source="M. Thumiki 2023",
        recipe={"learning_rate": 1e-3},
        published_divisor=128,
        published_epoch=2,
    ),
    ModelSpec(
        name="model4",
        title="Article's Model 4",
        builder="core.models.model3:model4",
        image_size=96,
        channels=3,
        parameters=178_005_895,
        macs=38_984_682_368,
        source="M. Thumiki 2023",
        # Its own first layer augments.
        recipe={"learning_rate": 1e-4, "augmentation": "none"},
        augments=True,
        published_divisor=128,
        published_epoch=3,
    ),
    ModelSpec(
        name="mini_xception",
        title="Small reference of 2017",
        builder="core.models.mini_xception:body",
        image_size=48,
        channels=1,
        parameters=58_423,
        macs=5_520_448,
        source="Arriaga et al. 2017 (arXiv:1710.07557)",
        recipe={"batch_size": 32, "learning_rate": 1e-3, "l2": 0.01, "schedule": "plateau"},
        has_conv_head=True,
    ),
    ModelSpec(
        name="vgg",
        title="VGG for a GPU, 73 % class",
        builder="core.models.vgg:body",
        image_size=48,
        channels=1,
        parameters=40_380_359,
        macs=504_147_968,
        source="Khaireddin and Chen 2021 (arXiv:2105.03588)",
        recipe={
            "epochs": 300,
            "optimizer": "sgd",
            "learning_rate": 0.01,
            "l2": 5e-5,
            "schedule": "plateau",
            "monitor": "val_accuracy",
            "patience": 30,
        },
    ),
)

MODELS: dict[str, ModelSpec] = {spec.name: spec for spec in _SPECS}


def find_model(name: str) -> ModelSpec:
    """The model of that name.

    Raises:
        ValueError: there is none; the message names the nearest, or all.
    """
    if name in MODELS:
        return MODELS[name]
    hint = suggest_name(name, MODELS, f"choose from {', '.join(MODELS)}")
    raise ValueError(f"no model is called '{name}'; {hint}")


IMAGENET = "imagenet"
