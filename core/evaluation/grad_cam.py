"""Where on a face a model looked: Grad-CAM over the last layer that still has places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.data import images
from core.data.images import ImageError
from core.data.pipeline import evaluation_batches
from core.errors import ConfigError, DatasetError, RunError
from core.evaluation.inference import read_faces, run_classes
from core.runs.model_file import load_model

if TYPE_CHECKING:
    import keras
    import tensorflow as tf

# Height and width of a picture, in pixels.
PICTURE_SIZE = 336
# How much of the face shows through where the model looked most.
FACE_OPACITY = 0.45


@dataclass(frozen=True)
class Explanation:
    """What speaks for a class on one face.

    Attributes:
        explained: the class.
        probability: its probability.
        predicted: the likeliest class.
        face: as the model had it, mode L or RGB.
        heat: float32 of shape (height, width), 1 where most speaks for the class, 0 where nothing does.
        note: a word on how the face was found, where it needs one.
    """

    target_class: str
    probability: float
    predicted: str
    face: Image.Image
    heatmap: NDArray[np.float32]
    note: str = ""

    def picture(self) -> Image.Image:
        """The face, and beside it the same under its heat: mode RGB, PICTURE_SIZE pixels high and twice as wide."""
        face = self.face.convert("RGB").resize((PICTURE_SIZE, PICTURE_SIZE), Image.Resampling.BICUBIC)
        both = Image.new("RGB", (2 * PICTURE_SIZE, PICTURE_SIZE))
        both.paste(face, (0, 0))
        both.paste(overlay_heatmap(face, self.heatmap), (PICTURE_SIZE, 0))
        return both


def grad_cam(
    model: keras.Model, pixels: NDArray[np.uint8], targets: Sequence[int] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What on each image speaks for a class.

    The places of the last feature map are weighted by how much the class's score, before the softmax, grows with each
    of its channels; what speaks against the class is left out.

    Args:
        model: as `core.training.build.build_model` makes it.
        pixels: uint8, shape (images, height, width, 1 or 3).
        targets: the output, counted from 0, that is to be targets of each image; None for the likeliest.

    Returns:
        Heat, float32 of shape (images, size, size) where size is that of the model's input: 1 where most speaks for the
        class, and 0 all over where nothing does; and the probabilities, of shape (images, classes).

    Source:
        Selvaraju et al. 2017, Grad-CAM, arXiv:1610.02391.
    """
    import keras
    import tensorflow as tf

    _, size, _, channels = model.input_shape
    last = model.layers[-1]
    # Only the second part, which has no convolution, is differentiated; from its end on the scores are plain.
    at = _last_map(model)
    body, head = keras.Model(model.inputs, at), keras.Model(at, last.input)
    found, said, begun = [], [], 0
    for values in evaluation_batches(pixels, None, size, channels):
        feature_maps = body(values, training=False)
        with tf.GradientTape() as tape:
            tape.watch(feature_maps)
            scores = _scores(last, tf.cast(head(feature_maps, training=False), tf.float32))
            chosen = tf.argmax(scores, axis=1) if targets is None else targets[begun : begun + len(values)]
            score = tf.gather(scores, chosen, batch_dims=1)
        weights = tf.reduce_mean(tape.gradient(score, feature_maps), axis=(1, 2), keepdims=True)
        heat = tf.nn.relu(tf.reduce_sum(tf.cast(weights * feature_maps, tf.float32), axis=3, keepdims=True))
        heat = tf.image.resize(heat, (size, size))[..., 0]
        found.append(heat / tf.maximum(tf.reduce_max(heat, axis=(1, 2), keepdims=True), 1e-12))
        said.append(tf.nn.softmax(scores))
        begun += len(values)
    return np.concatenate(found), np.concatenate(said)


def _last_map(model: keras.Model) -> keras.KerasTensor:
    """The output of the last layer that has height and width."""
    for layer in reversed(model.layers):
        # A model within the model has an output of its own besides; here is meant the one in this graph.
        output = layer._inbound_nodes[-1].outputs[0]
        if len(output.shape) == 4 and min(output.shape[1:3]) > 1:
            return output
    raise RunError(f"{model.name}: has no layer whose places could be shown")


def _scores(last: keras.Layer, features: tf.Tensor) -> tf.Tensor:
    """What the last layer makes of its input before the softmax, shape (images, classes)."""
    import tensorflow as tf

    if hasattr(last, "kernel"):
        return tf.matmul(features, tf.convert_to_tensor(last.kernel)) + tf.convert_to_tensor(last.bias)
    return features


def overlay_heatmap(face: Image.Image, heat: NDArray[np.float32]) -> Image.Image:
    """A face in grey with its heat over it, from blue over green to red, as mode RGB.

    Args:
        face: of any size.
        heat: float32, shape (height, width), 0 to 1.
    """
    size = face.size
    shown = np.asarray(Image.fromarray(heat).resize(size, Image.Resampling.BILINEAR)).clip(0, 1)[..., None]
    # Three ramps that overlap, as the map `jet` has them.
    colour = (1.5 - np.abs(3.5 * shown - np.array([3.0, 2.0, 1.0]))).clip(0, 1) * 255
    grey = np.asarray(face.convert("L"), dtype=np.float32)[..., None]
    weight = (1 - FACE_OPACITY) * shown
    return Image.fromarray((grey * (1 - weight) + colour * weight).round().astype(np.uint8))


def grad_cam_overlays(model: keras.Model, faces: Sequence[Image.Image]) -> list[Image.Image]:
    """The faces under the heat of the class that a model gives them, as large as its input."""
    _, size, _, channels = model.input_shape
    fitted = [images.resize_image(face, size) for face in faces]
    heat, _ = grad_cam(model, np.stack([images.to_pixels(face, channels) for face in fitted]))
    return [overlay_heatmap(face, places) for face, places in zip(fitted, heat, strict=True)]


def explain_image(run: Path, path: Path, target_class: str | None = None, *, whole: bool = False) -> Explanation:
    """What on the largest face of an image file speaks for a class.

    Args:
        run: the run directory.
        path: of the image.
        explained: the class; None for the likeliest.
        whole: take the image for one face as it is.

    Raises:
        ConfigError: the run knows no such class.
        DatasetError: the image can't be read.
        RunError: the run has no model.
    """
    classes = run_classes(run)
    if target_class is not None and target_class not in classes:
        raise ConfigError(
            "class", f"{run.name} knows no class '{target_class}'; choose from {', '.join(sorted(classes))}"
        )
    model = load_model(run)
    _, size, _, channels = model.input_shape
    try:
        found = read_faces(path, size, channels, whole)[0]
    except ImageError as error:
        raise DatasetError(f"{path}: {error}") from None
    pixels = found.pixels
    heat, probabilities = grad_cam(model, pixels[None], None if target_class is None else [classes.index(target_class)])
    predicted = classes[int(probabilities[0].argmax())]
    shown = target_class or predicted
    face = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    probability = float(probabilities[0, classes.index(shown)])
    return Explanation(shown, probability, predicted, face, heat[0], found.note)
