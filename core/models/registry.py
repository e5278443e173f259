"""The properties of each model, for menus and for the trainer. This module does not import TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from core.errors import suggest_name


@dataclass(frozen=True)
class ModelSpec:
    """The properties of a model.

    Attributes:
        name: the name on the command line.
        title: a few words for a menu.
        builder: `module:function` of the body. It is imported when the model is built (see `core.training.build`).
        image_size: the default width and height of the input, in pixels.
        channels: the default number of input channels: 1 (grey) or 3 (colour).
        parameters: the number of weights, trainable or not, at width 1 with seven classes and this input.
        source: the publication that the model comes from.
        recipe: TrainingConfig fields whose best values for this model differ from the general defaults.
        macs: the multiply-accumulate operations of a forward pass for one image, at width 1 with this input.
        min_image_size: the smallest width and height that the layers can process, in pixels.
        augments: whether the extended augmentation is the first layer. It is active in training only.
        scales_pixels: whether the model scales pixels of 0-255 itself; its normalization must then be none.
        takes_weights: whether pretrained weights can be loaded into the model.
        has_conv_head: whether the last layer is a convolution with global average pooling, and not a dense layer.
        published_divisor: the divisor of the number of images that gives the published protocol's steps per epoch.
        published_epoch: the epoch that the article reports; None if it reports none.
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
        """Return the TrainingConfig fields that this model sets: its input and its recipe."""
        return {"image_size": self.image_size, "channels": self.channels, **self.recipe}

    @property
    def supports_xla(self) -> bool:
        """Whether XLA can compile the model. XLA lacks an operation that Keras's augmentation layers use."""
        return not self.augments

    def load_builder(self) -> Any:
        """Return the function that builds all layers except input, preprocessing and the last; imports TensorFlow."""
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
        # The model's first layer augments.
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
    """Return the model with this name.

    Raises:
        ValueError: no model has this name. The message suggests a similar name, or lists all.
    """
    if name in MODELS:
        return MODELS[name]
    hint = suggest_name(name, MODELS, f"choose from {', '.join(MODELS)}")
    raise ValueError(f"no model is called '{name}'; {hint}")


IMAGENET = "imagenet"
