"""Explain predictions with Grad-CAM heatmaps of the last layer that has height and width."""

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
# Opacity of the face, 0 to 1, where the heatmap is 1.
FACE_OPACITY = 0.45


@dataclass(frozen=True)
class Explanation:
    """A heatmap of the regions of a face that raise a class's score.

    Attributes:
        target_class: the explained class.
        probability: the probability of the explained class.
        predicted: the class with the highest probability.
        face: the face as the model's input, mode L or RGB.
        heatmap: float32, shape (height, width); 1 where the score is raised most, 0 where it is not raised.
        note: a remark on how the face was found; usually empty.
    """

    target_class: str
    probability: float
    predicted: str
    face: Image.Image
    heatmap: NDArray[np.float32]
    note: str = ""

    def picture(self) -> Image.Image:
        """Draw the face and, to its right, the face with the heatmap.

        Returns:
            Mode RGB, PICTURE_SIZE pixels high and twice as wide.
        """
        face = self.face.convert("RGB").resize((PICTURE_SIZE, PICTURE_SIZE), Image.Resampling.BICUBIC)
        both = Image.new("RGB", (2 * PICTURE_SIZE, PICTURE_SIZE))
        both.paste(face, (0, 0))
        both.paste(overlay_heatmap(face, self.heatmap), (PICTURE_SIZE, 0))
        return both


def grad_cam(
    model: keras.Model, pixels: NDArray[np.uint8], targets: Sequence[int] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Compute the Grad-CAM heatmap of a class for each image.

    Each channel of the last feature map is weighted by the mean gradient of the class's score (before the softmax).
    Negative values of the weighted sum are set to 0.

    Args:
        model: a model that `core.training.build.build_model` returned.
        pixels: uint8, shape (images, height, width, 1 or 3).
        targets: the output to explain for each image, counted from 0; None for the most likely class.

    Returns:
        The heatmaps, float32, shape (images, size, size) with the size of the model's input; the maximum of each is 1,
        or 0 if no region raises the score. And the probabilities, shape (images, classes).

    Source:
        Selvaraju et al. 2017, Grad-CAM, arXiv:1610.02391.
    """
    import keras
    import tensorflow as tf

    _, size, _, channels = model.input_shape
    last = model.layers[-1]
    # Only the part after the feature map is differentiated. The scores are computed without the last layer's softmax.
    at = _last_map(model)
    body, head = keras.Model(model.inputs, at), keras.Model(at, last.input)
    found, predicted, begun = [], [], 0
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
        predicted.append(tf.nn.softmax(scores))
        begun += len(values)
    return np.concatenate(found), np.concatenate(predicted)


def _last_map(model: keras.Model) -> keras.KerasTensor:
    """Return the output of the last layer whose output has height and width.

    Raises:
        RunError: the model has no such layer.
    """
    for layer in reversed(model.layers):
        # A nested model has several outputs. The last node's output is the one in this graph.
        output = layer._inbound_nodes[-1].outputs[0]
        if len(output.shape) == 4 and min(output.shape[1:3]) > 1:
            return output
    raise RunError(
        f"{model.name}: the model has no layer with height and width, which Grad-CAM needs; choose another run"
    )


def _scores(last: keras.Layer, features: tf.Tensor) -> tf.Tensor:
    """Return the last layer's output before the softmax, shape (images, classes)."""
    import tensorflow as tf

    if hasattr(last, "kernel"):
        return tf.matmul(features, tf.convert_to_tensor(last.kernel)) + tf.convert_to_tensor(last.bias)
    return features


def overlay_heatmap(face: Image.Image, heat: NDArray[np.float32]) -> Image.Image:
    """Draw a heatmap over a greyscale face, in colours from blue through green to red.

    Args:
        face: an image of any size and mode.
        heat: the heatmap, float32, shape (height, width), 0 to 1.

    Returns:
        An image of the face's size, mode RGB.
    """
    size = face.size
    shown = np.asarray(Image.fromarray(heat).resize(size, Image.Resampling.BILINEAR)).clip(0, 1)[..., None]
    # Three overlapping ramps, as in the colour map `jet`.
    colour = (1.5 - np.abs(3.5 * shown - np.array([3.0, 2.0, 1.0]))).clip(0, 1) * 255
    grey = np.asarray(face.convert("L"), dtype=np.float32)[..., None]
    weight = (1 - FACE_OPACITY) * shown
    return Image.fromarray((grey * (1 - weight) + colour * weight).round().astype(np.uint8))


def grad_cam_overlays(model: keras.Model, faces: Sequence[Image.Image]) -> list[Image.Image]:
    """Draw the heatmap of the predicted class over each face, at the size of the model's input."""
    _, size, _, channels = model.input_shape
    fitted = [images.resize_image(face, size) for face in faces]
    heat, _ = grad_cam(model, np.stack([images.to_pixels(face, channels) for face in fitted]))
    return [overlay_heatmap(face, places) for face, places in zip(fitted, heat, strict=True)]


def explain_image(run: Path, path: Path, target_class: str | None = None, *, whole: bool = False) -> Explanation:
    """Explain the prediction for the largest face of an image file.

    Args:
        run: the run directory.
        path: the image file.
        target_class: the class to explain; None for the most likely class.
        whole: use the whole image as one face, without face detection.

    Raises:
        ConfigError: the run has no such class.
        DatasetError: the image can't be read.
        RunError: the run has no model.
    """
    classes = run_classes(run)
    if target_class is not None and target_class not in classes:
        raise ConfigError(
            "class", f"{run.name} has no class '{target_class}'; choose from {', '.join(sorted(classes))}"
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
