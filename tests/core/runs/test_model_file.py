"""Reject malicious files in place of a run's model."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.config.training_config import resolve
from core.errors import RunError
from core.models.registry import MODELS
from core.runs.model_file import foreign_part, load_model


def archive(run: Path, config: Any, *more: str) -> None:
    with zipfile.ZipFile(run / "best.keras", "w") as file:
        file.writestr("metadata.json", "{}")
        file.writestr("config.json", config if isinstance(config, str) else json.dumps(config))
        file.writestr("model.weights.h5", b"")
        for name in more:
            file.writestr(name, b"theirs")


def part(module: Any, name: Any, **more: Any) -> dict[str, Any]:
    return {"module": module, "class_name": name, "config": {}, **more}


def model(*layers: dict[str, Any]) -> dict[str, Any]:
    return part("keras.src.models.functional", "Functional", config={"layers": list(layers)})


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("keras.layers", "Lambda"),
        ("keras.layers", "TFSMLayer"),
        ("keras.layers", "StringLookup"),
        ("os", "system"),
        ("builtins", "eval"),
        ("builtins", "function"),
        ("keras.utils", "get_file"),
        ("keras.saving", "load_model"),
        ("keras.src.utils.torch_utils", "TorchModuleWrapper"),
        ("core.data.augmentation_layers", "SmallCrop"),
        (None, "Lambda"),
        (None, "anything"),
        ([], {}),
    ],
)
def test_what_our_models_are_not_made_of_is_not_loaded(tmp_path: Path, module: Any, name: Any):
    archive(
        tmp_path, model(part("keras.layers", "Dense"), part("keras.layers", "Dense", a=[{"b": part(module, name)}]))
    )
    with pytest.raises(RunError, match=r"which no model of fer-tui contains; the file was not loaded$"):
        load_model(tmp_path)


@pytest.mark.parametrize("name", ["../../evil", "/etc/evil", "assets/vocabulary.txt", "x.py"])
def test_an_archive_with_other_files_is_not_loaded(tmp_path: Path, name: str):
    archive(tmp_path, model(), name)
    with pytest.raises(RunError, match=r"which no model of fer-tui contains$"):
        load_model(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["best.keras"]


@pytest.mark.parametrize("content", ["", "null", "5", "[" * 100_000, '{"class_name": null}', "{"])
def test_a_config_of_anything_is_a_damaged_model(tmp_path: Path, content: str):
    archive(tmp_path, content)
    with pytest.raises(RunError, match=r"best\.keras: "):
        load_model(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x89HDF\r\n\x1a\n", b"PK\x03\x04", b"x" * 1000])
def test_what_is_no_archive_is_told(tmp_path: Path, content: bytes):
    (tmp_path / "best.keras").write_bytes(content)
    with pytest.raises(RunError, match="is not a valid Keras model"):
        load_model(tmp_path)


def test_nothing_in_the_place_of_a_model_is_opened(tmp_path: Path):
    (tmp_path / "best.keras").mkdir()
    with pytest.raises(RunError, match="is not a valid Keras model"):
        load_model(tmp_path)


def test_code_in_a_real_keras_file_does_not_run(tmp_path: Path):
    import keras

    witness = tmp_path / "witness"
    code = keras.layers.Lambda(eval(f"lambda x: (open({str(witness)!r}, 'w'), x)[1]"))
    inputs = keras.Input((4, 4, 1))
    keras.Model(inputs, code(inputs)).save(tmp_path / "best.keras")
    witness.unlink(missing_ok=True)
    with pytest.raises(RunError, match=r"contains keras\.layers\.Lambda"):
        load_model(tmp_path)
    assert not witness.exists()
    assert "keras" in sys.modules


@pytest.mark.parametrize("augmentation", ["none", "strong"])
@pytest.mark.parametrize("name", MODELS)
def test_every_model_of_ours_is_made_of_what_is_known(name: str, augmentation: str):
    import keras

    from core.training.build import build_model

    settings = {"data": "/faces", "model": name, "width": 0.05, "weights": "none", "augmentation": augmentation}
    # Model 1 has no such setting, because it always scales its pixels.
    normalization = {} if name == "model1" else {"normalization": "per_image"}
    for more in ({}, {**normalization, "l2": 1e-4, "output_bias": "prior"}):
        built = build_model(resolve({**settings, **more}), 7, prior=[1 / 7] * 7)  # type: ignore[arg-type]
        assert not foreign_part(keras.saving.serialize_keras_object(built))


def test_a_loaded_model_predicts_without_xla(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import keras
    import tensorflow as tf

    inputs = keras.Input((2,), name="pixels")
    keras.Model(inputs, keras.layers.Dense(2)(inputs)).save(tmp_path / "best.keras")
    # On a GPU, Keras enables XLA by default.
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda *_: [SimpleNamespace(device_type="GPU")])
    assert keras.saving.load_model(tmp_path / "best.keras", compile=False).jit_compile is True
    assert load_model(tmp_path).jit_compile is False
