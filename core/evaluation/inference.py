"""Predict images and evaluate splits with a run's kept model."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.data import images
from core.data.class_names import find_renamed, rename_probabilities, suggest_classes
from core.data.dataset import Dataset, Problem
from core.data.images import ImageError
from core.data.pipeline import evaluation_batches
from core.data.pixels import load_pixels
from core.data.readers.reader_factory import read_dataset
from core.errors import ConfigError, DatasetError, RunError
from core.evaluation.face_detection import Box, find_faces, is_cropped
from core.evaluation.metrics import EvaluationMetrics, evaluate
from core.runs.model_file import ModelCache, load_model
from core.runs.names import ENVIRONMENT
from core.runs.reader import RunSnapshot, read_run, run_path
from core.system import extras

if TYPE_CHECKING:
    import keras
    from PIL import Image


class SplitMetrics(EvaluationMetrics):
    """The metrics of a split, see `core.evaluation.metrics.evaluate`."""

    split: str  # the split's name
    seconds: float  # duration of the prediction only
    skipped: int  # number of the split's images that were not evaluated


@dataclass(frozen=True)
class FoundFace:
    """A face of an image file, prepared as a model's input.

    Attributes:
        pixels: uint8, shape (height, width, channels).
        box: the face's position on the image; None if the whole image is used as one face (see `face_detection`).
        note: a remark on how the face was found; usually empty.
    """

    pixels: NDArray[np.uint8]
    box: Box | None = None
    note: str = ""


@dataclass(frozen=True)
class FacePrediction:
    """A model's prediction for one face of an image file, or the error if the file can't be read.

    Attributes:
        image: the image file.
        box: the face's position on the image; None if the whole image is used as one face.
        predicted: the most likely class; None if the file can't be read.
        probabilities: the probability of every class, in descending order; empty if the file can't be read.
        note: a remark on how the face was found; usually empty.
        error: why the file can't be read; empty if it can be read.
    """

    image: Path
    box: Box | None = None
    predicted: str | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    error: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the mapping that `fer-tui predict --json` prints.

        If the file can't be read, the keys are `image` and `error`. Otherwise they are `image`, `box` (left, top, width
        and height in pixels, None for the whole image), `note` if it is not empty, `predicted` and `probabilities`.
        """
        if self.error:
            return {"image": str(self.image), "error": self.error}
        return {
            "image": str(self.image),
            "box": None if self.box is None else list(self.box),
            **({"note": self.note} if self.note else {}),
            "predicted": self.predicted,
            "probabilities": dict(self.probabilities),
        }


def predict(model: keras.Model, pixels: np.ndarray, *, flip_average: bool = False) -> NDArray[np.float32]:
    """Predict the class probabilities of images.

    Args:
        model: a model whose input is raw pixels of shape (batch, size, size, channels).
        pixels: uint8, shape (images, height, width, 1 or 3).
        flip_average: average the probabilities of each image and its mirror image.

    Returns:
        The probabilities, shape (images, classes), in the order of the model's outputs.
    """
    _, size, _, channels = model.input_shape
    predicted = model.predict(evaluation_batches(pixels, None, size, channels), verbose=0)
    if flip_average:
        predicted += model.predict(evaluation_batches(pixels, None, size, channels, flip=True), verbose=0)
        predicted /= 2
    return predicted


def run_classes(run: Path) -> list[str]:
    """Return the classes of a run's model in the order of its outputs.

    Raises:
        RunError: environment.json can't be read, or has no classes.
    """
    found = read_run(run)
    classes = found.environment.get("classes")
    if not classes and found.problem:
        raise RunError(f"{run}: {found.problem}; make the file readable, or use another run")
    if not classes:
        raise RunError(
            f"{run / ENVIRONMENT}: the file has no classes, so the run is damaged or never started; use another run"
        )
    return classes


def uses_flip_average(run: Path, wanted: bool | None = None) -> bool:
    """Return whether predictions are averaged with mirror images: `wanted`, or the run's setting if it is None."""
    return bool(read_run(run).config.get("flip_average")) if wanted is None else wanted


def evaluate_run(
    run: RunSnapshot | Path | str,
    dataset: Dataset | Path | str,
    split: str | None = None,
    flip_average: bool | None = None,
) -> tuple[SplitMetrics, tuple[Problem, ...]]:
    """Evaluate a run's kept model on a split of a data set.

    Args:
        run: a snapshot of the run, or its directory.
        dataset: a data set, or the path to read it from. Images of classes that the run does not have are skipped and
            counted.
        split: the name of the split. The default is the only split, or `validation` where there are several.
        flip_average: see `predict`. The default is the run's setting.

    Returns:
        The metrics, and the problems found in the images.

    Raises:
        DatasetError: there is no such split, or it has no image of one of the run's classes.
        RunError: the run has no model.

    Example:
        >>> metrics, problems = core.evaluate_run(run, "faces", "test")
        >>> metrics["accuracy"], metrics["confusion_matrix"]
    """
    run = run_path(run)
    if not isinstance(dataset, Dataset):
        dataset = read_dataset(dataset)
    classes = run_classes(run)
    splits = dataset.splits
    name = split or (splits[0] if len(splits) == 1 else "validation")
    if name not in splits:
        raise DatasetError("split", f"{dataset.root} has no split '{name}'; it has {', '.join(splits)}")
    frame = dataset.split(name)
    known = frame[frame["label"].isin(classes)].reset_index(drop=True)
    unknown = sorted(set(frame["label"]) - set(classes))
    remedy = f"rename classes with --classes {suggest_classes(unknown, classes)}" if unknown else ""
    if known.empty:
        raise DatasetError(
            f"{dataset.root}: no image of '{name}' has a class of the run: {', '.join(classes)}; {remedy}"
        )
    model = load_model(run)
    _, size, _, channels = model.input_shape
    pixels = load_pixels(dataset, known, size, channels)
    started = time.monotonic()
    probabilities = predict(model, pixels.values, flip_average=uses_flip_average(run, flip_average))
    seconds = time.monotonic() - started
    figures = evaluate(pixels.frame["label"].tolist(), probabilities, classes)
    problems = list(pixels.problems)
    if unknown:
        problems.append(
            Problem(
                "unknown_class",
                f"{len(frame) - len(known):,} images of unknown classes were skipped: {', '.join(unknown)}; {remedy}",
            )
        )
    skipped = len(frame) - len(pixels.values)
    return {**figures, "split": name, "seconds": round(seconds, 3), "skipped": skipped}, tuple(problems)


def predict_images(
    run: RunSnapshot | Path | str,
    paths: Path | str | Sequence[Path | str],
    *,
    flip_average: bool | None = None,
    whole: bool = False,
    classes: str | None = None,
) -> list[FacePrediction]:
    """Predict the expression of every face in image files with a run's kept model.

    Args:
        run: a snapshot of the run, or its directory.
        paths: the image files, or one of them.
        flip_average: see `predict`. The default is the run's setting.
        whole: whether each image is one face; by default faces are searched for in images larger than a face.
        classes: how to rename the run's classes, see `core.data.class_names.find_renamed`; None renames none.

    Returns:
        A prediction for each face, the largest face of an image first. An image that can't be read has one entry, with
        its `error`.

    Raises:
        ConfigError: `classes` can't be used, or leaves no class.
        RunError: the run has no model.

    Example:
        >>> (face,) = core.predict_images(run, "faces/validation/happy/0017.png")
        >>> face.predicted, face.probabilities[face.predicted]
    """
    directory = run_path(run)
    files = [Path(file) for file in ([paths] if isinstance(paths, Path | str) else paths)]
    renamed: Mapping[str, str] = {}
    if classes:
        names = run_classes(directory)
        renamed = find_renamed(classes, names)
        if all(renamed.get(name) == "" for name in names):
            raise ConfigError("classes", "every class of the run is left out; keep one")
    answers = Predictor().predict(directory, files, flip_average=flip_average, whole=whole)
    return [_rename(answer, renamed) for answer in answers] if renamed else answers


def _rename(answer: FacePrediction, renamed: Mapping[str, str]) -> FacePrediction:
    """Return a prediction with renamed classes; the most probable of them is the predicted one."""
    probabilities = rename_probabilities(answer.probabilities, renamed)
    return replace(answer, predicted=next(iter(probabilities), None), probabilities=probabilities)


class Predictor:
    """Predict repeatedly, like `predict_images`, with a cached model."""

    def __init__(self, models: ModelCache | None = None) -> None:
        """Create a predictor.

        Args:
            models: the cache to use; None for a new cache.
        """
        self._models = models or ModelCache()

    def predict(
        self, run: Path, paths: Sequence[Path], *, flip_average: bool | None = None, whole: bool = False
    ) -> list[FacePrediction]:
        """See `predict_images`."""
        classes, flips = run_classes(run), uses_flip_average(run, flip_average)
        model = self._models.model(run)
        _, size, _, channels = model.input_shape
        answers: list[FacePrediction] = []
        # Faces are grouped by shape, so that each batch is one array.
        faces_by_shape: dict[tuple[int, ...], list[tuple[int, NDArray[np.uint8]]]] = {}

        def find(path: Path) -> list[FoundFace] | ImageError:
            try:
                return read_faces(path, size, channels, whole)
            except ImageError as error:
                return error

        for path, found in zip(paths, images.map_in_threads(find, paths, group=8), strict=True):
            if isinstance(found, ImageError):
                answers.append(FacePrediction(path, error=str(found)))
                continue
            for face in found:
                faces_by_shape.setdefault(face.pixels.shape, []).append((len(answers), face.pixels))
                answers.append(FacePrediction(path, face.box, note=face.note))
        for group in faces_by_shape.values():
            shares = predict(model, np.stack([pixels for _, pixels in group]), flip_average=flips)
            for (at, _), row in zip(group, shares.tolist(), strict=True):
                ranked = dict(sorted(zip(classes, row, strict=True), key=lambda pair: -pair[1]))
                answers[at] = replace(answers[at], predicted=next(iter(ranked)), probabilities=ranked)
        return answers


def read_faces(path: Path, size: int, channels: int, whole: bool) -> list[FoundFace]:
    """Read the faces of an image file.

    Args:
        path: the image file.
        size: height and width of the model's input.
        channels: channels of the model's input, 1 or 3.
        whole: use the whole image as one face, without face detection.

    Returns:
        The faces, the largest first.

    Raises:
        ImageError: the file can't be read.
    """
    image, note = images.read_image(path), ""
    if not whole and not is_cropped(image, size):
        if extras.is_installed("faces"):
            boxes, note = find_faces(image), "no face was found, so the whole image is used"
        else:
            remedy = extras.install_command("faces")
            boxes, note = [], f"the whole image is used, because OpenCV, which finds faces, is not installed; {remedy}"
        if boxes:
            cut = [(box, images.resize_image(box.crop(image), size)) for box in boxes]
            return [FoundFace(images.to_pixels(face, channels), box) for box, face in cut]
    return [FoundFace(images.to_pixels(_as_input(image, size), channels), note=note)]


def _as_input(face: Image.Image, size: int) -> Image.Image:
    """Resize a face to the model's input size. A small square face is enlarged later, like a data set's images."""
    if max(face.size) > size or face.width != face.height:
        return images.resize_image(face, size)
    return face
