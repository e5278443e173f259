"""Export a run's kept model to other formats, and check that it predicts the same as the original model."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.data.pixels import load_pixels
from core.errors import ConfigError, FerError, RunError
from core.export.model_card import model_card
from core.runs.model_file import load_model
from core.runs.reader import RunSnapshot, read_run, run_path
from core.runs.run_dataset import read_run_dataset
from core.system import extras, files

if TYPE_CHECKING:
    import keras

CHECKED = 64
# The largest accepted difference of a probability. Runtimes differ a little because they add in another order.
TOLERANCE = 1e-3
Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Format:
    """A model file format.

    Attributes:
        title: the format's name.
        keras_name: the format's name in Keras's `export`; empty for Keras's own format.
        suffix: the file name suffix that Keras or the runtime requires.
        packages: the required packages besides TensorFlow.
        predict: a function that loads an exported model from a path and returns its probabilities for pixels, shape
            (images, classes).
    """

    title: str
    keras_name: str
    suffix: str
    packages: tuple[str, ...]
    predict: Callable[[Path, Pixels], Pixels]


def _predict(model: keras.Model, pixels: Pixels) -> Pixels:
    # A saved model takes a list of inputs, even of one input.
    return np.asarray(model([pixels], training=False))


def _ask_keras(path: Path, pixels: Pixels) -> Pixels:
    import keras

    return _predict(keras.saving.load_model(path, compile=False, safe_mode=True), pixels)


def _ask_saved_model(path: Path, pixels: Pixels) -> Pixels:
    import tensorflow as tf

    # The variables exist only as long as `loaded`.
    loaded = tf.saved_model.load(str(path))
    return np.asarray(loaded.serve(tf.constant(pixels)))


def _ask_onnx(path: Path, pixels: Pixels) -> Pixels:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, {session.get_inputs()[0].name: pixels})[0])


def _ask_litert(path: Path, pixels: Pixels) -> Pixels:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    index = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(index, pixels.shape)
    interpreter.allocate_tensors()
    interpreter.set_tensor(index, pixels)
    interpreter.invoke()
    return np.asarray(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


FORMATS: Mapping[str, Format] = {
    "keras": Format("Keras", "", ".keras", (), _ask_keras),
    "savedmodel": Format("TensorFlow SavedModel", "tf_saved_model", "", (), _ask_saved_model),
    "onnx": Format("ONNX", "onnx", ".onnx", ("tf2onnx", "onnxruntime"), _ask_onnx),
    "litert": Format("LiteRT", "litert", ".tflite", ("ai_edge_litert",), _ask_litert),
}


@dataclass(frozen=True)
class Exported:
    """The result of an export.

    Attributes:
        card: the file of the model card.
        difference: the largest difference between the probabilities of the exported and the original model.
        images: the number of images that both models predicted.
        origin: a description of these images.
    """

    card: Path
    difference: float
    images: int
    origin: str


def export_run(run: RunSnapshot | Path | str, name: str, output: Path | str) -> Exported:
    """Write a run's kept model in another format, and its model card beside it.

    Args:
        run: a snapshot of the run, or its directory.
        name: the format, a key of FORMATS.
        output: the file to write, or the folder of a SavedModel. Neither it nor its card may exist.

    Returns:
        The card's path, and the largest difference between the probabilities of the two models.

    Raises:
        ConfigError: the format is unknown, its packages are missing, or `output` can't be written.
        RunError: the run has no model, or the written model predicts something else.

    Example:
        >>> core.export_run(run, "keras", "model.keras").difference
        0.0
    """
    run, output = run_path(run), Path(output)
    form = _format(name)
    card = output.parent / f"{output.name}.md"
    for place in (output, card):
        if place.exists() or place.is_symlink():
            raise ConfigError("output", f"{place} already exists; choose another path, or delete it")
    if name == "keras" and output.suffix != form.suffix:
        raise ConfigError("output", f"{output}: Keras loads only files that end in {form.suffix}; use this suffix")
    model = load_model(run)
    pixels, origin = _images(run, model)
    try:
        with tempfile.TemporaryDirectory(dir=output.parent, prefix=".export-") as folder:
            written = Path(folder) / f"model{form.suffix}"
            _write(model, form, written)
            difference = float(np.abs(form.predict(written, pixels) - _predict(model, pixels)).max())
            if not difference <= TOLERANCE:
                raise RunError(
                    f"{run.name}: the probabilities of the {form.title} model differ from the original's by up to "
                    f"{difference:.2g} on {origin}; nothing was written: choose another format"
                )
            content = files.to_utf8(model_card(read_run(run), form.title, output.name, difference, origin))
            shutil.move(written, output)
        files.write_output(card, content)
    except OSError as error:
        raise ConfigError("output", f"{output}: {error.strerror or error}; choose a writable path") from None
    return Exported(card, difference, len(pixels), origin)


def _format(name: str) -> Format:
    if name not in FORMATS:
        raise ConfigError("format", f"there is no format '{name}'; choose from {', '.join(FORMATS)}")
    missing = extras.missing_packages(FORMATS[name].packages)
    if missing:
        raise ConfigError("format", f"{name} needs {' and '.join(missing)}: {extras.install_command('export')}")
    return FORMATS[name]


def _write(model: keras.Model, form: Format, path: Path) -> None:
    import keras

    if not form.keras_name:
        model.save(path)
        return
    # A saved model's input is a list of one tensor. Rebuild it, so that the exported model takes a tensor.
    rebuilt = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    rebuilt(np.zeros((1, *model.input_shape[1:]), np.float32))
    rebuilt.export(path, format=form.keras_name, verbose=False)


def _images(run: Path, model: keras.Model) -> tuple[Pixels, str]:
    """Return up to CHECKED images as the model's input, and their description.

    The images come from the run's data set. If it can't be read, they are noise.
    """
    from core.data.pipeline import evaluation_batches

    _, size, _, channels = model.input_shape
    origin: str
    values: Any
    try:
        dataset = read_run_dataset(read_run(run))
        frame = dataset.frame.iloc[:: max(len(dataset.frame) // CHECKED, 1)][:CHECKED].reset_index(drop=True)
        values, origin = load_pixels(dataset, frame, size, channels).values, "{} images of its data set"
    except FerError:
        noise = np.random.default_rng(0).integers(0, 256, (CHECKED, size, size, channels), dtype=np.uint8)
        values, origin = noise, "{} images of noise, because its data set can't be read"
    batches = evaluation_batches(values, None, size, channels, batch=CHECKED)
    pixels = np.asarray(next(iter(batches)))
    return pixels, origin.format(len(pixels))
