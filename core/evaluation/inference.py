"""A run's kept model at work: probabilities for images, and the evaluation of any split."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.data import images
from core.data.dataset import Dataset, Problem
from core.data.images import ImageError
from core.data.pipeline import evaluation_batches
from core.data.pixels import load_pixels
from core.data.readers.reader_factory import read_dataset
from core.errors import DatasetError, RunError
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
    """`core.evaluation.metrics.evaluate`'s figures of a split."""

    split: str  # its name
    seconds: float  # that prediction alone took
    skipped: int  # images of the split that were left out


@dataclass(frozen=True)
class FoundFace:
    """A face on an image file, as a model takes it.

    Attributes:
        pixels: uint8, shape (height, width, channels).
        box: where it is on the image; None where the whole image is taken for one face (see `face_detection`).
        note: how it was found, where that needs a word.
    """

    pixels: NDArray[np.uint8]
    box: Box | None = None
    note: str = ""


@dataclass(frozen=True)
class FacePrediction:
    """What a model says to one face on an image file, or why the file can't be read.

    Attributes:
        image: the file.
        box: as FoundFace has it, as is `note`.
        predicted: the likeliest class; None where the file can't be read.
        probabilities: of every class, likeliest first; empty where the file can't be read.
        error: why the file can't be read; empty where it can.
    """

    image: Path
    box: Box | None = None
    predicted: str | None = None
    probabilities: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    error: str = ""

    def as_json(self) -> dict[str, Any]:
        """The mapping that `fer-tui predict --json` prints.

        `image` and `error` of a file that can't be read; else `image`, `box` (left, top, width and height in pixels,
        None for the whole image), `note` where there is one, `predicted` and `probabilities`.
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
    """Probabilities of every image.

    Args:
        model: input of shape (batch, size, size, channels), raw pixels.
        pixels: uint8, shape (images, height, width, 1 or 3).
        flip_average: give the mean of what the model says to an image and to its mirror image.

    Returns:
        Shape (images, classes), in the order of the model's outputs.
    """
    _, size, _, channels = model.input_shape
    said = model.predict(evaluation_batches(pixels, None, size, channels), verbose=0)
    if flip_average:
        said += model.predict(evaluation_batches(pixels, None, size, channels, flip=True), verbose=0)
        said /= 2
    return said


def run_classes(run: Path) -> list[str]:
    """The classes of a run's model in the order of its outputs.

    Raises:
        RunError: environment.json does not tell.
    """
    classes = read_run(run).environment.get("classes")
    if not classes:
        raise RunError(f"{run / ENVIRONMENT}: names no classes; the run is damaged or never began")
    return classes


def uses_flip_average(run: Path, wanted: bool | None = None) -> bool:
    """Whether mirror images are asked too: as it is wanted, else as the run's config has it."""
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
    if known.empty:
        raise DatasetError(f"{dataset.root}: no image of '{name}' has a class that the run knows: {', '.join(classes)}")
    model = load_model(run)
    _, size, _, channels = model.input_shape
    pixels = load_pixels(dataset, known, size, channels)
    started = time.monotonic()
    probabilities = predict(model, pixels.values, flip_average=uses_flip_average(run, flip_average))
    seconds = time.monotonic() - started
    figures = evaluate(pixels.frame["label"].tolist(), probabilities, classes)
    problems = list(pixels.problems)
    unknown = sorted(set(frame["label"]) - set(classes))
    if unknown:
        problems.append(
            Problem(
                "unknown_class",
                f"{len(frame) - len(known):,} images of unknown classes left out: {', '.join(unknown)}",
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
) -> list[FacePrediction]:
    """Predict the expression of every face in image files with a run's kept model.

    Args:
        run: a snapshot of the run, or its directory.
        paths: the image files, or one of them.
        flip_average: see `predict`. The default is the run's setting.
        whole: whether each image is one face; by default faces are searched for in images larger than a face.

    Returns:
        A prediction for each face, the largest face of an image first. An image that can't be read has one entry, with
        its `error`.

    Raises:
        RunError: the run has no model.

    Example:
        >>> (face,) = core.predict_images(run, "faces/validation/happy/0017.png")
        >>> face.predicted, face.probabilities[face.predicted]
    """
    files = [paths] if isinstance(paths, Path | str) else paths
    return Predictor().predict(run_path(run), [Path(file) for file in files], flip_average=flip_average, whole=whole)


class Predictor:
    """`predict_images` again and again: the model is loaded once, for as long as its file stays as it is."""

    def __init__(self, models: ModelCache | None = None) -> None:
        """`models`: where the last one is kept; a cache of its own where none is given."""
        self._models = models or ModelCache()

    def predict(
        self, run: Path, paths: Sequence[Path], *, flip_average: bool | None = None, whole: bool = False
    ) -> list[FacePrediction]:
        """See `predict_images`."""
        classes, flips = run_classes(run), uses_flip_average(run, flip_average)
        model = self._models.model(run)
        _, size, _, channels = model.input_shape
        answers: list[FacePrediction] = []
        # Faces by the size of their pixels, so that a batch is one array.
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
    """The faces on an image file, the largest first.

    Args:
        path: of the image.
        size: height and width of the model's input.
        channels: of the model's input, 1 or 3.
        whole: take the image for one face as it is, and look for none on it.

    Raises:
        ImageError: the file can't be read.
    """
    image, note = images.read_image(path), ""
    if not whole and not is_cropped(image, size):
        if extras.is_installed("faces"):
            boxes, note = find_faces(image), "no face was found on it, and all of it taken for one"
        else:
            remedy = extras.install_command("faces")
            boxes, note = [], f"all of it is taken for one face: OpenCV, which finds faces, is missing; {remedy}"
        if boxes:
            cut = [(box, images.resize_image(box.crop(image), size)) for box in boxes]
            return [FoundFace(images.to_pixels(face, channels), box) for box, face in cut]
    return [FoundFace(images.to_pixels(_as_input(image, size), channels), note=note)]


def _as_input(face: Image.Image, size: int) -> Image.Image:
    """A face as large as the model's input; a small one is enlarged later, as a data set's images are."""
    if max(face.size) > size or face.width != face.height:
        return images.resize_image(face, size)
    return face
