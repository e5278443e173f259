"""Compare the layers of the article's models, at width 1, with the tables in article_models.txt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from core.config.training_config import resolve
from core.models.registry import MODELS

TABLE_FILE = Path(__file__).with_name("article_models.txt")
# The article's text and code differ only in Models 3 and 4.
TABLES = {
    "model1": ("model1", "text"),
    "model2": ("model2", "text"),
    "model3 text": ("model3", "text"),
    "model3 code": ("model3", "code"),
    "model4 text": ("model4", "text"),
    "model4 code": ("model4", "code"),
}
# The layer arguments in the tables, other than the size, by their Keras names.
DETAILS = ("kernel_size", "activation", "pool_size", "padding", "groups", "rate", "negative_slope", "factor")


def outlined(name: str, variant: str, **settings: Any) -> Any:
    from core.training.build import build_symbolic_model

    return build_symbolic_model(
        resolve({"data": "x", "model": name, "variant": variant, "protocol": "published", **settings}), 7
    )


def described(model: Any) -> list[str]:
    """Return a line per layer: its type, arguments, output shape and number of weights."""
    return [
        f"{_kind(layer):58} {'x'.join(map(str, layer.output.shape[1:])):>10} {layer.count_params():>11,}"
        for layer in model.layers
    ]


def _kind(layer: Any) -> str:
    name = type(layer).__name__
    if name == "Sequential":
        return " ".join(type(inner).__name__.removeprefix("Random") for inner in layer.layers)
    if name == "Functional":
        return layer.name
    settings = layer.get_config()
    told = [_word(settings[detail]) for detail in DETAILS if settings.get(detail) not in (None, "linear", 1)]
    return " ".join([name, *told])


def _word(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def written(table: str) -> list[str]:
    """Return the lines of a table in article_models.txt."""
    _, _, rest = TABLE_FILE.read_text("utf-8").partition(f"[{table}]\n")
    return rest.partition("\n\n")[0].splitlines()


@pytest.mark.parametrize("table", TABLES)
def test_layers_are_those_of_the_written_table(table: str) -> None:
    assert described(outlined(*TABLES[table])) == written(table)


def test_model1_has_keras_efficientnetb2() -> None:
    import keras
    import tensorflow as tf

    ours = outlined("model1", "text").get_layer("efficientnetb2")
    with tf.Graph().as_default():
        theirs = keras.applications.EfficientNetB2(include_top=False, weights=None, input_shape=(96, 96, 3))
    assert [layer.name for layer in ours.layers[3:]] == [layer.name for layer in theirs.layers[3:]]
    assert [weight.shape for weight in ours.weights] == [weight.shape for weight in theirs.weights]


@pytest.mark.parametrize("name", ["model3", "model4"])
@pytest.mark.parametrize("width", [0.05, 0.3, 0.77])
def test_groups_divide_the_channels_at_every_width(name: str, width: float) -> None:
    assert outlined(name, "text", width=width).output.shape == (None, 7)


def test_only_model4_augments_inside() -> None:
    assert [name for name, spec in MODELS.items() if spec.augments] == ["model4"]
    crops = written("model4 text")[1], described(outlined("model4", "text", protocol="sound"))[1]
    assert ["Crop" in line for line in crops] == [True, False]
