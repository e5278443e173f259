"""Properties of every registered model."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from core.config.training_config import TrainingConfig, resolve
from core.errors import ConfigError
from core.models.registry import MODELS, find_model

WIDTH = 0.125


def config(model: str, **settings: Any) -> TrainingConfig:
    """Return the config of a narrow model without pretrained weights."""
    return resolve({"data": "unused", "model": model, "width": WIDTH, "weights": "none", **settings})


@pytest.mark.parametrize("name", MODELS)
def test_recipe_is_a_valid_config(name: str) -> None:
    resolved = resolve({"data": "unused", "model": name})
    for field, value in MODELS[name].defaults().items():
        assert getattr(resolved, field) == value


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize(("size", "channels", "classes"), [(48, 1, 10), (96, 3, 2)])
def test_builds_at_every_size(name: str, size: int, channels: int, classes: int) -> None:
    from core.training.build import build_model

    model = build_model(config(name, image_size=size, channels=channels), classes)
    pixels = np.random.default_rng(0).integers(0, 256, (2, size, size, channels)).astype("float32")
    shares = np.asarray(model(pixels))
    assert shares.shape == (2, classes)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("name", MODELS)
def test_one_step_changes_every_trainable_weight(name: str) -> None:
    from core.training.build import build_model, compile_model

    settings = config(name, image_size=48, learning_rate=0.05, dropout=0.0, schedule="constant")
    model = build_model(settings, 3)
    compile_model(model, settings, steps_per_epoch=1)
    # Eager execution saves the tracing, which would take most of the time.
    model.run_eagerly = True
    rng = np.random.default_rng(0)
    # The batch size is odd, as the last batch's may be: some operations use a different kernel then.
    pixels = rng.integers(0, 256, (15, 48, 48, settings.channels)).astype("float32")
    before = [np.array(weight) for weight in model.trainable_weights]
    model.train_on_batch(pixels, np.eye(3, dtype="float32")[np.arange(15) % 3])
    unchanged = [
        weight.path
        for weight, old in zip(model.trainable_weights, before, strict=True)
        if np.array_equal(np.array(weight), old)
    ]
    assert unchanged == []


LOAD_ALL = """
import pathlib, sys, keras, numpy as np
pixels = np.load(sys.argv[1] + "/pixels.npz")
shares = {}
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.keras")):
    model = keras.saving.load_model(path, compile=False, safe_mode=True)
    shares[path.stem] = np.asarray(model(pixels[str(model.input_shape[-1])], training=False))
np.savez(sys.argv[1] + "/loaded.npz", **shares)
assert not any(name.split(".")[0] in ("core", "fer_tui") for name in sys.modules)
"""

SAVED: dict[str, dict[str, Any]] = {
    **{name: {"model": name} for name in MODELS},
    **{kind: {"model": "compact", "normalization": kind} for kind in ("none", "per_image", "dataset")},
    "model3 code": {"model": "model3", "variant": "code"},
    "model4 published code": {"model": "model4", "variant": "code", "protocol": "published"},
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return each SAVED model's predictions for raw pixels, in this process and after loading in a fresh process."""
    from core.training.build import PixelStatistics, build_model

    folder = tmp_path_factory.mktemp("saved")
    rng = np.random.default_rng(1)
    pixels = {str(c): rng.integers(0, 256, (3, 48, 48, c)).astype("float32") for c in (1, 3)}
    np.savez(folder / "pixels.npz", **pixels)  # pyright: ignore[reportArgumentType]
    here = {}
    for case, settings in SAVED.items():
        wanted = config(image_size=48, **settings)
        statistics = PixelStatistics((120.0,) * wanted.channels, (3000.0,) * wanted.channels)
        model = build_model(wanted, 4, statistics=statistics)
        model.save(folder / f"{case}.keras")
        here[case] = np.asarray(model(pixels[str(wanted.channels)], training=False))
    code = [sys.executable, "-I", "-c", LOAD_ALL, str(folder)]
    done = subprocess.run(code, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(folder / "loaded.npz") as loaded:
        return {case: (here[case], loaded[case]) for case in SAVED}


@pytest.mark.parametrize("case", SAVED)
def test_saved_model_takes_raw_pixels_in_a_fresh_process(case: str, answers: Any) -> None:
    here, loaded = answers[case]
    np.testing.assert_allclose(loaded, here, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_registry_tells_weights_and_work(name: str) -> None:
    from core.training.build import build_symbolic_model, count_macs

    model = build_symbolic_model(resolve({"data": "unused", "model": name}), classes=7)
    assert (model.count_params(), count_macs(model)) == (MODELS[name].parameters, MODELS[name].macs)


def test_macs_by_hand() -> None:
    import keras

    from core.training.build import count_macs

    inner = keras.Sequential([keras.Input((5, 5, 2)), keras.layers.DepthwiseConv2D(3), keras.layers.Flatten()])
    layers = [keras.layers.Conv2D(2, 2, strides=2), inner, keras.layers.Dense(7)]
    # Conv: 5x5 positions, 2 filters of 2x2x3 weights. Depthwise: 3x3 positions, 2 channels of 3x3 weights.
    assert count_macs(keras.Sequential([keras.Input((10, 10, 3)), *layers])) == 25 * 24 + 9 * 18 + 18 * 7


@pytest.mark.parametrize("name", MODELS)
def test_too_small_an_image_is_refused_and_the_smallest_is_built(name: str) -> None:
    from core.training.build import build_symbolic_model

    smallest = MODELS[name].min_image_size
    assert build_symbolic_model(config(name, image_size=smallest), 2).output.shape == (None, 2)
    if smallest > 16:
        with pytest.raises(ConfigError, match=f"^image_size: {name} needs {smallest} or more"):
            config(name, image_size=smallest - 1)
        with pytest.raises(ValueError, match=r"[Nn]egative|at least"):
            build_symbolic_model(config(name).model_copy(update={"image_size": smallest - 1}), 2)


def test_random_layers_within_layers_draw_by_seed_and_epoch() -> None:
    import keras

    from core.training.build import build_model
    from core.training.loop import random_states, seed_random_layers

    model = build_model(config("model4", image_size=32, channels=1), 2)
    # Three dropout layers and six augmentation layers.
    assert len(random_states(model)) == 9
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 1)).astype("float32")
    inner = keras.Model(model.inputs, model.get_layer("augmentation").output)

    def drawn(seed: int, epoch: int) -> np.ndarray:
        seed_random_layers(model, seed, epoch)
        return np.asarray(inner(pixels, training=True))

    first = drawn(23, 4)
    np.testing.assert_array_equal(drawn(23, 4), first)
    assert np.abs(drawn(23, 5) - first).max() > 1
    assert np.abs(drawn(24, 4) - first).max() > 1
    assert len({tuple(np.asarray(state)) for state in random_states(model)}) == 9


@pytest.mark.parametrize(
    ("normalization", "low", "high"), [("none", 0, 255), ("scale", 0, 1), ("per_image", -4, 4), ("dataset", -4, 4)]
)
def test_normalization(normalization: str, low: float, high: float) -> None:
    import keras

    from core.training.build import build_model, pixel_statistics

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
    from core.training.build import pixel_statistics

    pixels = np.random.default_rng(3).integers(0, 256, (10, 5, 4, 3)).astype("uint8")
    found = pixel_statistics(pixels, 3, chunk=3)
    np.testing.assert_allclose(found.mean, pixels.mean(axis=(0, 1, 2)))
    np.testing.assert_allclose(found.variance, pixels.astype(float).var(axis=(0, 1, 2)))


def test_output_bias_prior_starts_at_the_shares() -> None:
    from core.training.build import build_model

    prior = np.array([0.7, 0.2, 0.1], dtype="float32")
    model = build_model(config("compact", output_bias="prior"), 3, prior=prior)
    np.testing.assert_allclose(np.asarray(model.layers[-1].bias), np.log(prior), rtol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_output_bias_prior_lowers_the_loss_before_the_first_step(name: str) -> None:
    import keras

    from core.training.build import build_model

    # As in FER2013, the most common class has sixteen times the images of the rarest.
    counts = [2, 8, 32]
    targets = np.eye(3, dtype="float32")[np.repeat(np.arange(3), counts)]
    prior = targets.mean(axis=0)
    pixels = np.random.default_rng(4).integers(0, 256, (sum(counts), 48, 48, 1)).astype("float32")
    losses: dict[str, list[float]] = {"prior": [], "zero": []}
    # With a single seed, an untrained network may predict the most common class by chance.
    for seed in range(2):
        keras.utils.set_random_seed(seed)
        model = build_model(config(name, image_size=48, channels=1, output_bias="prior"), 3, prior=prior)
        (last,) = [layer for layer in model.layers if layer.name in ("scores", "probabilities") and layer.weights]
        for bias, found in losses.items():
            if bias == "zero":
                last.bias.assign(np.zeros(3))
            found.append(float(np.mean(keras.losses.categorical_crossentropy(targets, model(pixels)))))
    assert np.mean(losses["prior"]) < np.mean(losses["zero"]) - 0.1


@pytest.mark.parametrize("name", MODELS)
def test_l2_of_every_kernel_is_in_the_loss(name: str) -> None:
    from core.training.build import build_model, compile_model

    pixels = np.random.default_rng(5).integers(0, 256, (4, 48, 48, 1)).astype("float32")
    targets = np.eye(2, dtype="float32")[[0, 1, 0, 1]]
    plain_settings = config(name, image_size=48, channels=1, l2=0.0)
    plain = build_model(plain_settings, 2)
    settings = plain_settings.model_copy(update={"l2": 0.01})
    model = build_model(settings, 2)
    model.set_weights(plain.get_weights())
    losses = []
    for each, its in ((plain, plain_settings), (model, settings)):
        compile_model(each, its, steps_per_epoch=1)
        each.run_eagerly = True
        losses.append(each.evaluate(pixels, targets, verbose=0, return_dict=True)["loss"])
    kernels = [weight for weight in model.trainable_weights if "kernel" in weight.name]
    assert len(kernels) > 3
    if name == "mini_xception":
        kernels = kernels[:2]  # only these have a penalty in the model's source
    penalty = 0.01 * sum(np.square(np.asarray(kernel, dtype="float64")).sum() for kernel in kernels)
    np.testing.assert_allclose(losses[1] - losses[0], penalty, rtol=1e-3)


def test_mini_xception_goes_past_every_other_place() -> None:
    from core.training.build import build_model

    model = build_model(config("mini_xception"), 7)
    past = [layer for layer in model.layers if getattr(layer, "pool_size", None) == (1, 1)]
    assert [layer.strides for layer in past] == [(2, 2)] * 4
    pixels = np.arange(25, dtype="float32").reshape(1, 5, 5, 1)
    np.testing.assert_array_equal(np.asarray(past[0](pixels))[0, ..., 0], pixels[0, ::2, ::2, 0])


def test_a_class_has_the_same_initial_weights_in_every_order() -> None:
    import keras

    from core.training.build import build_model

    kernels = {}
    for names in (("a", "b", "c", "d"), ("c", "a", "d", "b")):
        keras.utils.set_random_seed(3)
        model = build_model(config("model2", image_size=48, channels=1), 4, names=names)
        kernels[names] = dict(zip(names, np.asarray(model.layers[-1].kernel).T, strict=True))
    one, other = kernels.values()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])
    assert not np.array_equal(one["a"], one["b"])


def test_width_scales_the_weights() -> None:
    from core.training.build import count_parameters

    counts = [count_parameters(resolve({"data": "x", "model": "compact", "width": w}), 7) for w in (0.5, 1.0, 2.0)]
    assert 3 < counts[1] / counts[0] < 4.5
    assert 3 < counts[2] / counts[1] < 4.5


def test_compact_is_compact() -> None:
    assert 200_000 <= find_model("compact").parameters <= 800_000


def test_unknown_model_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean 'compact'"):
        find_model("compakt")
