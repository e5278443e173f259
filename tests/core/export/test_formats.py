"""Export a trained run to every format, and predict with each format's own runtime."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core.config.training_config import resolve
from core.errors import ConfigError, RunError
from core.export import formats as export
from core.export.formats import CHECKED, FORMATS, export_run
from core.export.model_card import model_card
from core.runs.model_file import load_model
from core.runs.reader import read_run
from core.runs.writer import create_run
from core.training.trainer import train_run


@pytest.fixture(scope="module")
def run(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """mini_xception has every kind of layer that may be difficult to export."""
    config = resolve({"data": faces, "model": "mini_xception", "width": 0.25, "epochs": 1, "flip_average": True})
    path = create_run(config, tmp_path_factory.mktemp("runs"))
    assert train_run(config, path, threading.Event()) == "completed"
    return path


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_says_what_the_original_says(name: str, run: Path, tmp_path: Path):
    output = tmp_path / f"model{FORMATS[name].suffix}"
    done = export_run(run, name, output)
    assert (done.images, done.origin) == (CHECKED, f"{CHECKED} images of its data set")
    assert done.difference < 1e-5
    # Different images from those of the check, and a different number of images.
    pixels = np.random.default_rng(1).integers(0, 256, (5, 48, 48, 1)).astype(np.float32)
    told = FORMATS[name].predict(output, pixels)
    np.testing.assert_allclose(told, np.asarray(load_model(run)([pixels], training=False)), atol=1e-5)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([output.name, done.card.name])


def test_the_card_tells_data_recipe_results_and_limits(run: Path, tmp_path: Path):
    card = export_run(run, "keras", tmp_path / "model.keras").card.read_text()
    snapshot = read_run(run)
    assert snapshot.evaluation is not None
    low, high = snapshot.evaluation["intervals"]["accuracy"]
    for words in (
        "# mini_xception",
        "arXiv:1710.07557",
        "fer-tui train --data DATA --model mini_xception",
        "--flip-average",
        "means over an image and its mirror image",
        f"| accuracy | {snapshot.evaluation['accuracy']:.4f} (95 %: {low:.3f} to {high:.3f}) |",
        f"fingerprint {snapshot.environment['fingerprint']}",
        "| surprise | ",
        "## Limits",
        "## Licence",
        *(str(warning["message"]) for warning in snapshot.warnings),
    ):
        assert words in card
    assert str(snapshot.environment["data"]) not in card


def test_the_card_names_no_place_of_the_data_set(run: Path):
    snapshot = read_run(run)
    kept = replace(snapshot, config={**snapshot.config, "data": "/home/some one/my faces"})
    card = model_card(kept, "Keras", "model.keras", 0.0, "nothing")
    assert "--data DATA --model" in card
    assert not [word for word in ("some one", "one/my", "my faces") if word in card]


def test_without_its_data_set_a_model_is_checked_on_noise(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def gone(_: object) -> None:
        raise RunError("gone")

    monkeypatch.setattr(export, "read_run_dataset", gone)
    assert "noise" in export_run(run, "keras", tmp_path / "model.keras").origin


def test_what_differs_is_not_written(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(export, "TOLERANCE", -1.0)
    with pytest.raises(RunError, match="model differ from the original's by up to 0 on 64 images"):
        export_run(run, "keras", tmp_path / "model.keras")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "output", "said"),
    [
        ("pickle", "model", "format: there is no format 'pickle'; choose from keras, savedmodel, onnx, litert"),
        ("keras", "model", "output: {}/model: Keras loads only files that end in .keras; use this suffix"),
        ("keras", "there.keras", "output: {}/there.keras already exists; choose another path, or delete it"),
        ("savedmodel", "", "output: {} already exists; choose another path, or delete it"),
        ("keras", "carded.keras", "output: {}/carded.keras.md already exists; choose another path, or delete it"),
        (
            "keras",
            "no/such/model.keras",
            "output: {}/no/such/model.keras: No such file or directory; choose a writable path",
        ),
    ],
)
def test_what_cannot_be_done_is_one_line(name: str, output: str, said: str, run: Path, tmp_path: Path):
    (tmp_path / "there.keras").touch()
    (tmp_path / "carded.keras.md").touch()
    with pytest.raises(ConfigError) as error:
        export_run(run, name, tmp_path / output)
    assert str(error.value).startswith(said.format(tmp_path))


def test_a_missing_package_is_named(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("core.system.extras.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match="onnx needs tf2onnx and onnxruntime: pip install 'fer-tui"):
        export_run(run, "onnx", tmp_path / "model.onnx")
