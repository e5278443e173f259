"""A run's kept model at work: probabilities for images, and the evaluation of any split."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core import images
from core.dataset import Dataset, Problem, load_pixels
from core.errors import DatasetError, RunError
from core.evaluation import evaluate
from core.images import ImageError
from core.pipeline import evaluation_batches
from core.runs import read_run

if TYPE_CHECKING:
    import keras


def load_model(run: Path) -> keras.Model:
    """The kept epoch's model, in Keras's safe mode.

    Raises:
        RunError: there is none yet, or the file is damaged.
    """
    path = run / "best.keras"
    if not path.exists():
        raise RunError(f"{run.name}: no epoch of it is done, so there is no model yet; 'fer-tui resume {run.name}'")
    import keras

    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except (ValueError, TypeError, KeyError, OSError) as error:
        raise RunError(f"{path}: can't be loaded: {str(error).splitlines()[0][:200]}") from None


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
        said = (said + predict(model, np.ascontiguousarray(pixels[:, :, ::-1]))) / 2
    return said


def run_classes(run: Path) -> list[str]:
    """The classes of a run's model in the order of its outputs.

    Raises:
        RunError: environment.json does not tell.
    """
    classes = read_run(run).environment.get("classes")
    if not isinstance(classes, list) or not classes:
        raise RunError(f"{run / 'environment.json'}: names no classes; the run is damaged or never began")
    return [str(name) for name in classes]


def averages_flips(run: Path, wanted: bool | None = None) -> bool:
    """Whether mirror images are asked too: as it is wanted, else as the run's config has it."""
    return bool(read_run(run).config.get("flip_average")) if wanted is None else wanted


def evaluate_run(
    run: Path, dataset: Dataset, split: str | None, flip_average: bool | None = None
) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    """Evaluate a run's kept model on a split of any data set.

    Args:
        run: the run directory.
        dataset: with the classes of the run among its own; images of others are left out and counted.
        split: its name; None is the only split there is, else validation.
        flip_average: see `predict`; None as the run's config has it.

    Returns:
        `core.evaluation.evaluate`'s figures with `split`, `seconds` (prediction alone) and `skipped`; and the
        problems that decoding met.

    Raises:
        DatasetError: there is no such split, or no image of a known class in it.
        RunError: the run has no model.
    """
    classes = run_classes(run)
    splits = dataset.splits
    name = split or (splits[0] if len(splits) == 1 else "validation")
    if name not in splits:
        raise DatasetError(f"--split: {dataset.root} has no split '{name}'; it has {', '.join(splits)}")
    frame = dataset.split(name)
    known = frame[frame["label"].isin(classes)].reset_index(drop=True)
    if known.empty:
        raise DatasetError(f"{dataset.root}: no image of '{name}' has a class that the run knows: {', '.join(classes)}")
    model = load_model(run)
    _, size, _, channels = model.input_shape
    pixels = load_pixels(dataset, known, size, channels)
    started = time.monotonic()
    probabilities = predict(model, pixels.values, flip_average=averages_flips(run, flip_average))
    seconds = time.monotonic() - started
    result = evaluate(pixels.frame["label"].tolist(), probabilities, classes)
    problems = list(pixels.problems)
    unknown = sorted(set(frame["label"]) - set(classes))
    if unknown:
        problems.append(
            Problem(
                "unknown_class",
                f"{len(frame) - len(known):,} images of unknown classes left out: {', '.join(unknown)}",
            )
        )
    result |= {"split": name, "seconds": round(seconds, 3), "skipped": len(frame) - len(pixels.values)}
    return result, tuple(problems)


def predict_images(run: Path, paths: list[Path], flip_average: bool | None = None) -> list[dict[str, Any]]:
    """What a run's kept model says to image files.

    Args:
        run: the run directory.
        paths: of the images.
        flip_average: see `predict`; None as the run's config has it.

    Returns:
        A mapping an image: `image`; `predicted` and `probabilities` by class, most likely first; or `error`.

    Raises:
        RunError: the run has no model.
    """
    return Predictor().predict(run, paths, flip_average)


class Predictor:
    """`predict_images` again and again: the model is loaded once, for as long as its file stays as it is."""

    def __init__(self) -> None:
        self._loaded: tuple[Path, int, keras.Model] | None = None

    def predict(self, run: Path, paths: list[Path], flip_average: bool | None = None) -> list[dict[str, Any]]:
        """See `predict_images`."""
        classes, flips = run_classes(run), averages_flips(run, flip_average)
        model = self._model(run)
        _, size, _, channels = model.input_shape
        answers: list[dict[str, Any]] = []
        for path in paths:
            try:
                image = images.read_image(path)
            except ImageError as error:
                answers.append({"image": str(path), "error": str(error)})
                continue
            if max(image.size) > size or image.width != image.height:
                image = images.fit(image, size)
            shares = predict(model, images.to_pixels(image, channels)[None], flip_average=flips)[0]
            ranked = sorted(zip(classes, shares.tolist(), strict=True), key=lambda pair: -pair[1])
            answers.append({"image": str(path), "predicted": ranked[0][0], "probabilities": dict(ranked)})
        return answers

    def _model(self, run: Path) -> keras.Model:
        file = run / "best.keras"
        written = file.stat().st_mtime_ns if file.exists() else 0
        if self._loaded is None or self._loaded[:2] != (run, written):
            self._loaded = None
            self._loaded = (run, written, load_model(run))
        return self._loaded[2]
