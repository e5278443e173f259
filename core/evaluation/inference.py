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
from core.data.class_names import find_renamed, rename_probabilities, suggest_classes
from core.data.dataset import Dataset, Problem
from core.data.images import ImageError
from core.data.pipeline import evaluation_batches
from core.data.pixels import load_pixels
from core.errors import ConfigError, DatasetError, RunError
from core.evaluation.face_detection import Box, find_faces, is_cropped
from core.evaluation.metrics import EvaluationMetrics, evaluate
from core.runs.model_file import ModelCache, load_model
from core.runs.names import ENVIRONMENT
from core.runs.reader import read_run
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
    run: Path, dataset: Dataset, split: str | None, flip_average: bool | None = None
) -> tuple[SplitMetrics, tuple[Problem, ...]]:
    """Evaluate a run's kept model on a split of any data set.

    Args:
        run: the run directory.
        dataset: with the classes of the run among its own; images of others are left out and counted.
        split: its name; None is the only split there is, else validation.
        flip_average: see `predict`; None as the run's config has it.

    Returns:
        The figures, and the problems that decoding met.

    Raises:
        DatasetError: there is no such split, or no image of a known class in it.
        RunError: the run has no model.
    """
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
            f"{dataset.root}: no image of '{name}' has a class that the run knows: {', '.join(classes)}; {remedy}"
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
                f"{len(frame) - len(known):,} images of unknown classes left out: {', '.join(unknown)}; {remedy}",
            )
        )
    skipped = len(frame) - len(pixels.values)
    return {**figures, "split": name, "seconds": round(seconds, 3), "skipped": skipped}, tuple(problems)


def predict_images(
    run: Path,
    paths: Sequence[Path],
    *,
    flip_average: bool | None = None,
    whole: bool = False,
    classes: str | None = None,
) -> list[FacePrediction]:
    """What a run's kept model says to the faces in image files.

    Args:
        run: the run directory.
        paths: of the images.
        flip_average: see `predict`; None as the run's config has it.
        whole: take every image for one face as it is, and look for none on it.
        classes: how to rename the run's classes, see `core.data.class_names.find_renamed`; None renames none.

    Returns:
        One for each face, the largest of an image first; one for an image that can't be read.

    Raises:
        ConfigError: `classes` can't be used, or leaves no class.
        RunError: the run has no model.
    """
    run_names = run_classes(run)
    renamed = find_renamed(classes, run_names) if classes else {}
    if all(renamed.get(name) == "" for name in run_names):
        raise ConfigError("classes", "every class of the run is left out; keep one")
    answers = Predictor().predict(run, paths, flip_average=flip_average, whole=whole)
    return [_rename(answer, renamed) for answer in answers] if renamed else answers


def _rename(answer: FacePrediction, renamed: Mapping[str, str]) -> FacePrediction:
    """A prediction with other names of classes; the most probable of them is the predicted one."""
    shares = rename_probabilities(answer.probabilities, renamed)
    return replace(answer, predicted=next(iter(shares), None), probabilities=shares)


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
