"""One contract for every registered model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.config import TrainingConfig, resolve
from core.models.registry import MODELS, find_model

WIDTH = 0.125


def config(name: str, **settings: Any) -> TrainingConfig:
    """A narrow model's config, without pretrained weights."""
    return resolve({"data": "unused", "model": name, "width": WIDTH, "weights": "none", **settings})


@pytest.mark.parametrize("name", MODELS)
def test_registry_tells_the_weights(name: str) -> None:
    from core.models.build import count_parameters

    assert count_parameters(resolve({"data": "unused", "model": name}), classes=7) == MODELS[name].parameters


@pytest.mark.parametrize("name", MODELS)
def test_recipe_is_a_valid_config(name: str) -> None:
    resolved = resolve({"data": "unused", "model": name})
    for field, value in MODELS[name].defaults().items():
        assert getattr(resolved, field) == value


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("size", "channels", "classes"), [(48, 1, 2), (48, 3, 10), (64, 1, 7), (96, 3, 7)])
def test_builds_at_every_size(name: str, size: int, channels: int, classes: int) -> None:
    from core.models.build import build_model

    model = build_model(config(name, image_size=size, channels=channels), classes)
    pixels = np.random.default_rng(0).integers(0, 256, (2, size, size, channels)).astype("float32")
    shares = np.asarray(model(pixels))
    assert shares.shape == (2, classes)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_one_step_changes_every_trainable_weight(name: str) -> None:
    from core.models.build import build_model, compile_model

    settings = config(name, image_size=48, learning_rate=0.05, dropout=0.0, schedule="constant")
    model = build_model(settings, 3)
    compile_model(model, settings, steps=1)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (16, 48, 48, settings.channels)).astype("float32")
    before = [np.array(weight) for weight in model.trainable_weights]
    model.train_on_batch(pixels, np.eye(3, dtype="float32")[np.arange(16) % 3])
    unchanged = [
        weight.path
        for weight, old in zip(model.trainable_weights, before, strict=True)
        if np.array_equal(np.array(weight), old)
    ]
    assert unchanged == []


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("normalization", ["none", "scale", "per_image", "dataset"])
def test_saved_model_takes_raw_pixels_in_a_fresh_process(name: str, normalization: str, tmp_path: Path) -> None:
    from core.models.build import PixelStatistics, build_model

    settings = config(name, image_size=48, normalization=normalization)
    statistics = PixelStatistics((120.0,) * settings.channels, (3000.0,) * settings.channels)
    model = build_model(settings, 4, statistics=statistics)
    pixels = np.random.default_rng(1).integers(0, 256, (3, 48, 48, settings.channels)).astype("float32")
    np.save(tmp_path / "pixels.npy", pixels)
    model.save(tmp_path / "model.keras")
    code = (
        "import sys, keras, numpy as np\n"
        "folder = sys.argv[1]\n"
        "model = keras.saving.load_model(folder + '/model.keras', compile=False, safe_mode=True)\n"
        "np.save(folder + '/shares.npy', model.predict(np.load(folder + '/pixels.npy'), verbose=0))\n"
        "assert not any(name.split('.')[0] in ('core', 'fer_tui') for name in sys.modules)\n"
    )
    if normalization != "scale":  # the process costs seconds: one normalization a model goes through it
        shares = _loaded(tmp_path, pixels)
    else:
        subprocess.run([sys.executable, "-I", "-c", code, str(tmp_path)], check=True, capture_output=True)
        shares = np.load(tmp_path / "shares.npy")
    np.testing.assert_allclose(shares, model.predict(pixels, verbose=0), rtol=1e-4, atol=1e-6)


def _loaded(folder: Path, pixels: np.ndarray) -> np.ndarray:
    import keras

    model = keras.saving.load_model(folder / "model.keras", compile=False, safe_mode=True)
    return model.predict(pixels, verbose=0)


@pytest.mark.parametrize(
    ("normalization", "low", "high"), [("none", 0, 255), ("scale", 0, 1), ("per_image", -4, 4), ("dataset", -4, 4)]
)
def test_normalization(normalization: str, low: float, high: float) -> None:
    import keras

    from core.models.build import build_model, pixel_statistics

    pixels = np.random.default_rng(2).integers(0, 256, (8, 48, 48, 1)).astype("uint8")
    settings = config("compact", normalization=normalization)
    model = build_model(settings, 2, statistics=pixel_statistics(pixels, 1))
    inner = keras.Model(model.inputs, model.layers[1 if normalization != "none" else 0].output)
    values = np.asarray(inner(pixels.astype("float32")))
    assert low <= values.min() < values.max() <= high
    if normalization == "per_image":
        np.testing.assert_allclose(values.mean(axis=(1, 2, 3)), 0, atol=1e-4)
        np.testing.assert_allclose(values.std(axis=(1, 2, 3)), 1, atol=1e-3)
    if normalization == "dataset":
        np.testing.assert_allclose([values.mean(), values.std()], [0, 1], atol=1e-3)


def test_pixel_statistics_in_chunks_are_numpys() -> None:
    from core.models.build import pixel_statistics

    pixels = np.random.default_rng(3).integers(0, 256, (10, 5, 4, 3)).astype("uint8")
    found = pixel_statistics(pixels, 3, chunk=3)
    np.testing.assert_allclose(found.mean, pixels.mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(found.variance, pixels.astype(float).var(axis=(0, 1, 2)))


def test_output_bias_prior_starts_at_the_shares() -> None:
    from core.models.build import build_model

    prior = np.array([0.7, 0.2, 0.1], dtype="float32")
    model = build_model(config("compact", output_bias="prior"), 3, prior=prior)
    np.testing.assert_allclose(np.asarray(model.layers[-1].bias), np.log(prior), rtol=1e-6)


def test_width_scales_the_weights() -> None:
    from core.models.build import count_parameters

    counts = [count_parameters(resolve({"data": "x", "model": "compact", "width": w}), 7) for w in (0.5, 1.0, 2.0)]
    assert 3 < counts[1] / counts[0] < 4.5
    assert 3 < counts[2] / counts[1] < 4.5


def test_compact_is_compact() -> None:
    assert 200_000 <= find_model("compact").parameters <= 800_000


def test_unknown_model_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'compact'"):
        find_model("compakt")
