"""Compare the prediction speed of a run and of the package `fer`: `python benchmarks/inference.py DATA RUN FER_PYTHON`.

`fer` is a package on PyPI. FER_PYTHON is the Python of a separate environment with `fer`, because `fer` needs other
package versions than fer-tui:

    python -m venv fer-env && fer-env/bin/pip install fer 'setuptools<81'

All methods predict the same validation images of 48x48, which are decoded beforehand. They are measured in turns:
fer-tui's `predict` in large batches, with and without mirror images; `fer`'s Keras network in batches of the same
size, with oneDNN enabled as in fer-tui and with TensorFlow's default; and `fer`'s function with one image per call
and a given face box, with its Keras network and with its default, a quantized network. It takes about five minutes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

ROUNDS, BATCH, ONE_BY_ONE = 3, 256, 400
FER_CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
WAYS = {
    "ours": "compact, in batches",
    "ours flips": "compact with mirror images, in batches",
    "fer onednn": "fer's network, in batches, oneDNN",
    "fer plain": "fer's network, in batches",
    "fer keras": "fer's function, one by one, Keras",
    "fer tflite": "fer's function, one by one, quantized (default)",
}


def median_seconds(work: Callable[[], Any], rounds: int = ROUNDS) -> tuple[float, Any]:
    """Return the median seconds of the rounds, and the result of the last round."""
    seconds, answer = [], None
    for _ in range(rounds):
        began = time.perf_counter()
        answer = work()
        seconds.append(time.perf_counter() - began)
    return median(seconds), answer


def measure_ours(images: Path, run: Path, flips: bool) -> dict[str, Any]:
    """Return the images per second of fer-tui's `predict`, and the predicted classes."""
    from core.evaluation.inference import predict, run_classes
    from core.runs.model_file import load_model

    pixels = np.load(images)
    model, classes = load_model(run), run_classes(run)
    predict(model, pixels[:BATCH], flip_average=flips)
    seconds, said = median_seconds(lambda: predict(model, pixels, flip_average=flips))
    return {"rate": len(pixels) / seconds, "said": [classes[row] for row in said.argmax(axis=1)]}


def measure_network(images: Path) -> dict[str, Any]:
    """Return the same for fer's network, in fer's environment. The time to prepare its input is not measured."""
    import keras
    import tensorflow as tf

    pixels = np.load(images)
    package = Path(str(import_module("fer").__file__)).parent
    model = keras.models.load_model(package / "data" / "emotion_model.hdf5", compile=False)
    enlarged = tf.image.resize(pixels, model.input_shape[1:3]).numpy() / 127.5 - 1
    model.predict(enlarged[:BATCH], batch_size=BATCH, verbose=0)
    seconds, said = median_seconds(lambda: model.predict(enlarged, batch_size=BATCH, verbose=0))
    return {"rate": len(pixels) / seconds, "said": [FER_CLASSES[row] for row in said.argmax(axis=1)]}


def measure_call(images: Path, quantized: bool) -> dict[str, Any]:
    """Return the same for fer's function on ONE_BY_ONE evenly spaced images, in fer's environment."""
    pixels = np.load(images)
    taken = np.linspace(0, len(pixels) - 1, ONE_BY_ONE).astype(int)
    # The images are already cropped to the face. With fer's margin of 10 pixels the accuracy is 0.18 lower.
    detector = import_module("fer.fer").FER(use_tflite=quantized, offsets=(0, 0))
    side = pixels.shape[1]
    colour = [np.repeat(pixels[row], 3, axis=-1) for row in taken]
    detector.detect_emotions(colour[0], face_rectangles=[(0, 0, side, side)])

    def call() -> list[str]:
        answers = [detector.detect_emotions(image, face_rectangles=[(0, 0, side, side)])[0] for image in colour]
        return [max(answer["emotions"], key=lambda name: answer["emotions"][name]) for answer in answers]

    seconds, said = median_seconds(call, rounds=1)
    return {"rate": len(taken) / seconds, "said": said, "taken": taken.tolist()}


def main(data: Path, run: Path, fer_python: str) -> None:
    """Print the table."""
    import tempfile

    from core.config.training_config import TrainingConfig
    from core.data.pixels import load_pixels
    from core.data.readers.reader_factory import read_dataset

    dataset = read_dataset(data)
    pixels = load_pixels(dataset, dataset.split("validation"), TrainingConfig.model_fields["image_size"].default, 1)
    labels = pixels.frame["label"].tolist()
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder) / "images.npy"
        np.save(images, pixels.values)
        turns = [{way: ask(way, images, run, fer_python) for way in WAYS} for _ in range(ROUNDS)]
    rates = {way: median(turn[way]["rate"] for turn in turns) for way in WAYS}
    print(f"{len(labels):,} validation images of 48x48 pixels\n{'':48s} images/s   compact   accuracy")
    for way, title in WAYS.items():
        told = turns[0][way]
        wanted = [labels[row] for row in told.get("taken", range(len(labels)))]
        accuracy = np.mean([a == b for a, b in zip(told["said"], wanted, strict=True)])
        times = "" if way.startswith("ours") else f"{rates['ours'] / rates[way]:.2f} x"
        of = f" of {len(wanted)} images" if "taken" in told else ""
        print(f"{title:48s} {rates[way]:8.0f} {times:>9s} {accuracy:10.4f}{of}")


def ask(way: str, images: Path, run: Path, fer_python: str) -> dict[str, Any]:
    """Measure one method in a separate process."""
    python = sys.executable if way.startswith("ours") else fer_python
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    environment.pop("TF_ENABLE_ONEDNN_OPTS", None)
    if way == "fer onednn":
        environment["TF_ENABLE_ONEDNN_OPTS"] = "1"
    command = [python, __file__, "--way", way, str(images), str(run)]
    try:
        done = subprocess.run(command, check=False, env=environment, capture_output=True, text=True)
    except OSError as error:
        sys.exit(f"{python}: {error.strerror}; give the Python of an environment that has fer")
    if done.returncode:
        sys.exit(f"{way}: {python}: {(done.stderr.strip() or 'no message').splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    if sys.argv[1:2] == ["--way"]:
        _, _, way, images, run = sys.argv
        if way.startswith("ours"):
            told = measure_ours(Path(images), Path(run), flips=way == "ours flips")
        elif way in ("fer onednn", "fer plain"):
            told = measure_network(Path(images))
        else:
            told = measure_call(Path(images), quantized=way == "fer tflite")
        print(json.dumps(told))
    elif len(sys.argv) == 4:
        main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    else:
        sys.exit("usage: python benchmarks/inference.py DATA RUN FER_PYTHON")
