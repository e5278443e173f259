"""Load pretrained weights for Model 1 from a file or from Keras's cache, or fail with one line."""

from __future__ import annotations

import hashlib
import shutil
import threading
import urllib.error
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.config.training_config import resolve
from core.errors import ConfigError, WeightsError
from core.models.pretrained import IMAGENET_FILE, _imagenet_file, _md5, check_weights_file, load_pretrained
from core.runs.reader import read_run
from core.runs.writer import create_run
from core.training.trainer import train

MODEL1 = {"data": "unused", "model": "model1", "image_size": 32}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Weights files of EfficientNetB2 without top, saved by Keras, with random weights and ImageNet's normalization."""
    import keras

    network = keras.applications.EfficientNetB2(include_top=False, weights=None, input_shape=(32, 32, 3))
    normalization = network.get_layer(index=2)
    normalization.set_weights([np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225]) ** 2, np.array(0)])
    normalization.finalize_state()
    folder = tmp_path_factory.mktemp("weights")
    found = {"new": folder / "new.weights.h5", "old": folder / "old.h5"}
    network.save_weights(found["new"])
    network.save(found["old"])
    return found


@pytest.fixture
def imagenet(files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Keras cache with a file that Keras accepts as the ImageNet weights."""
    from keras.src.applications import efficientnet

    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))
    (tmp_path / "models").mkdir()
    shutil.copy(files["old"], tmp_path / "models" / IMAGENET_FILE)
    found = hashlib.md5(files["old"].read_bytes()).hexdigest()
    monkeypatch.setitem(efficientnet.WEIGHTS_HASHES, "b2", ("", found))


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache and no network."""

    def unreachable(*_: Any, **__: Any) -> None:
        raise urllib.error.URLError(OSError(-2, "Name or service not known"))

    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))
    monkeypatch.setattr("core.models.pretrained.urlopen", unreachable)


def features(weights: str, pixels: np.ndarray) -> np.ndarray:
    """Return the output of our Model 1's EfficientNet for these pixels."""
    import keras

    from core.training.build import build_model

    model = build_model(resolve(MODEL1 | {"weights": weights}), 7)
    load_pretrained(model, weights)
    scaled = keras.Model(model.inputs, model.get_layer("imagenet_pixels").output)
    return np.asarray(model.get_layer("efficientnetb2")(scaled(pixels), training=False))


@pytest.mark.usefixtures("imagenet")
def test_every_source_gives_what_keras_gives_for_imagenet(files: dict[str, Path]) -> None:
    import keras

    pixels = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3)).astype("float32")
    theirs = keras.applications.EfficientNetB2(include_top=False, weights="imagenet", input_shape=(32, 32, 3))
    wanted = np.asarray(theirs(pixels, training=False))
    for source in ("imagenet", str(files["new"]), str(files["old"])):
        np.testing.assert_allclose(features(source, pixels), wanted, rtol=1e-4, atol=np.abs(wanted).max() * 1e-4)


def test_imagenet_is_downloaded_once_and_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from keras.src.applications import efficientnet

    served, asked = b"weights", []

    def serve(address: str, timeout: float) -> BytesIO:
        asked.append((address, timeout))
        return BytesIO(served)

    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(tmp_path))
    monkeypatch.setattr("core.models.pretrained.urlopen", serve)
    monkeypatch.setitem(efficientnet.WEIGHTS_HASHES, "b2", ("", hashlib.md5(b"weights").hexdigest()))
    assert _imagenet_file().read_bytes() == b"weights"
    assert _imagenet_file() == tmp_path / "models" / IMAGENET_FILE
    assert [(address.rpartition("/")[2], timeout) for address, timeout in asked] == [(IMAGENET_FILE, 20.0)]
    _imagenet_file().write_bytes(b"cut")
    served = b"something else"
    with pytest.raises(WeightsError, match="the downloaded file has a wrong checksum"):
        _imagenet_file()
    assert _md5(tmp_path / "models" / IMAGENET_FILE) == hashlib.md5(b"cut").hexdigest()


@pytest.mark.usefixtures("offline")
def test_imagenet_that_cant_be_had_ends_the_run_with_one_line(
    few_faces: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    config = resolve(MODEL1 | {"data": few_faces})
    assert config.weights == "imagenet"
    run = create_run(config, tmp_path / "runs")
    assert train(config, run, threading.Event()) == "failed"
    message = read_run(run).message
    assert message == (
        "weights: ImageNet's weights can't be downloaded ([Errno -2] Name or service not known); "
        "set weights to a weights file, or to none for random weights"
    )
    assert capfd.readouterr().out == ""


@pytest.fixture(scope="module")
def few_faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from core.data.demo import write_faces

    folder = tmp_path_factory.mktemp("data") / "faces"
    write_faces(folder, per_class=5, seed=1)
    return folder


def test_weights_of_another_network_are_refused_in_one_line(files: dict[str, Path], tmp_path: Path) -> None:
    from core.training.build import build_model

    narrow = build_model(resolve(MODEL1 | {"width": 0.25, "weights": "none"}), 2)
    (cut := tmp_path / "cut.h5").write_bytes(files["old"].read_bytes()[:10_000])
    (text := tmp_path / "text.h5").write_text("no weights")
    for path, told in ((files["old"], "not the weights of"), (cut, "can't be read"), (text, "can't be read")):
        with pytest.raises(WeightsError) as error:
            load_pretrained(narrow, str(path))
        assert str(error.value).startswith(f"weights: {path}: {told}")
        assert "\n" not in str(error.value)


def test_a_file_is_looked_for_before_there_is_a_run(tmp_path: Path) -> None:
    check_weights_file(resolve(MODEL1).weights)
    check_weights_file(resolve(MODEL1 | {"weights": "none"}).weights)
    config = resolve(MODEL1 | {"weights": str(tmp_path / "no.h5")})
    with pytest.raises(ConfigError, match=r"weights: .*/no\.h5: no such file; "):
        check_weights_file(config.weights)
    (tmp_path / "faces.csv").touch()
    with pytest.raises(ConfigError, match=r"faces\.csv: not a weights file; its name must end with \.h5 or \.keras"):
        check_weights_file(resolve(MODEL1 | {"weights": str(tmp_path / "faces.csv")}).weights)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {"model": "compact", "weights": "imagenet"},
            "weights: compact has no pretrained weights; set weights to none",
        ),
        ({"width": 0.5}, "weights: the ImageNet weights need width 1 and channels 3; else set weights to none"),
        ({"channels": 1}, "weights: the ImageNet weights need width 1 and channels 3; else set weights to none"),
        ({"normalization": "scale"}, "normalization: model1 scales pixels itself; set normalization to none"),
    ],
)
def test_what_does_not_go_together_is_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as error:
        resolve(MODEL1 | settings)
    assert str(error.value).startswith(told)


def test_a_weights_file_is_stored_with_its_whole_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve(MODEL1 | {"weights": "a.h5", "width": 0.5}).weights == str(tmp_path / "a.h5")
