from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.config.training_config import resolve
from core.errors import ConfigError
from core.evaluation.grad_cam import Explanation, explain_image, grad_cam, overlay_heatmap
from core.evaluation.inference import predict
from core.training.build import build_model

SIZE = 6


@pytest.fixture(scope="module")
def plain_model() -> Any:
    """A model with two channels, the pixels and 255 minus the pixels, which are averaged and weighted by class."""
    import keras

    inputs = keras.Input((SIZE, SIZE, 1))
    places = keras.layers.Conv2D(2, 1, name="places")(inputs)
    outputs = keras.layers.Dense(3, activation="softmax", name="probabilities")(
        keras.layers.GlobalAveragePooling2D()(places)
    )
    model = keras.Model(inputs, outputs)
    model.get_layer("places").set_weights([np.array([[[[1.0, -1.0]]]]), np.array([0.0, 255.0])])
    # Bright pixels raise the first class, dark pixels the second. No pixel raises the third.
    model.get_layer("probabilities").set_weights([np.array([[0.1, 0, -0.1], [0, 0.1, -0.1]]), np.array([0, 0, 0.5])])
    return model


@pytest.fixture
def spots() -> np.ndarray:
    """An image with a bright spot on black, and one with a dark spot on white."""
    images = np.zeros((2, SIZE, SIZE, 1), np.uint8)
    images[0, 1, 4], images[1] = 250, 255
    images[1, 3, 2] = 0
    return images


def test_heat_is_where_the_class_is_seen(plain_model: Any, spots: np.ndarray):
    heat, shares = grad_cam(plain_model, spots, [0, 1])
    assert heat.shape == (2, SIZE, SIZE)
    # A channel has one weight for all positions, so the heatmap is the channel divided by its maximum.
    np.testing.assert_allclose(heat[0], spots[0, ..., 0] / 250, atol=1e-6)
    np.testing.assert_allclose(heat[1], (255.0 - spots[1, ..., 0]) / 255, atol=1e-6)
    np.testing.assert_allclose(shares, plain_model.predict(spots.astype(np.float32), verbose=0), atol=1e-6)


def test_the_likeliest_class_is_explained_where_none_is_named(plain_model: Any, spots: np.ndarray):
    likeliest = plain_model.predict(spots.astype(np.float32), verbose=0).argmax(axis=1).tolist()
    assert likeliest == [1, 0]
    np.testing.assert_array_equal(grad_cam(plain_model, spots)[0], grad_cam(plain_model, spots, likeliest)[0])


def test_where_nothing_speaks_for_a_class_all_is_cold(plain_model: Any, spots: np.ndarray):
    assert grad_cam(plain_model, spots, [2, 2])[0].max() == 0


def test_many_images_are_explained_as_one_by_one(plain_model: Any):
    images = np.random.default_rng(0).integers(0, 256, (300, SIZE, SIZE, 1), dtype=np.uint8)
    # The batches start with different classes.
    explained = [number % 3 for number in range(300)]
    heat, shares = grad_cam(plain_model, images, explained)
    for at in (0, 255, 256, 299):
        alone = grad_cam(plain_model, images[at : at + 1], [explained[at]])
        np.testing.assert_allclose(heat[at], alone[0][0], atol=1e-5)
        np.testing.assert_allclose(shares[at], alone[1][0], atol=1e-5)


@pytest.mark.parametrize("name", ["compact", "model1", "model3", "mini_xception", "vgg"])
def test_every_kind_of_model_can_be_explained(name: str):
    config = resolve({"data": Path(), "model": name, "width": 0.1, "weights": None})
    model = build_model(config, 7)
    images = np.random.default_rng(0).integers(0, 256, (3, 48, 48, 1), dtype=np.uint8)
    heat, shares = grad_cam(model, images)
    assert heat.shape == (3, config.image_size, config.image_size)
    assert heat.min() >= 0 and (heat.max(axis=(1, 2)) <= 1).all() and np.isfinite(heat).all()
    # The heatmap differs between positions.
    assert heat.std(axis=(1, 2)).max() > 0.01
    np.testing.assert_allclose(shares, predict(model, images), atol=1e-4)


def test_a_heated_face_is_grey_where_it_is_cold_and_red_where_it_is_hot():
    face = Image.new("L", (4, 4), 128)
    heat = np.zeros((4, 4), np.float32)
    heat[:, 2:] = 1
    pixels = np.asarray(overlay_heatmap(face, heat)).astype(int)
    assert pixels[0, 0].tolist() == [128] * 3
    red, green, blue = pixels[0, 3]
    assert red > 128 > green and green == blue


def test_a_picture_has_the_face_beside_its_heat():
    found = Explanation("happy", 0.9, "happy", Image.new("L", (48, 48), 100), np.ones((48, 48), np.float32))
    picture = found.picture()
    assert picture.size == (672, 336)
    assert picture.getpixel((10, 10)) == (100, 100, 100)
    assert picture.getpixel((662, 10)) != (100, 100, 100)


def test_a_class_that_the_run_does_not_know(write_run: Any):
    run = write_run(environment={"classes": ["happy", "sad"]})
    with pytest.raises(ConfigError, match=r"^class: .* has no class 'angry'; choose from happy, sad"):
        explain_image(run, Path("x.png"), "angry")
