"""Weights for Model 1's EfficientNetB2: those trained on ImageNet, or a file's."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from core.errors import ConfigError, WeightsError, first_line
from core.models.model1 import BACKBONE
from core.models.registry import IMAGENET
from core.system import log

if TYPE_CHECKING:
    import keras

SUFFIXES = (".h5", ".keras")
IMAGENET_FILE = f"{BACKBONE}_notop.h5"
REMEDY = "give --weights PATH, or --weights none to start at random"
CONNECT_SECONDS = 20.0


def check_weights_file(weights: str | None) -> None:
    """Look for the weights file that a config names, before there is a run.

    Args:
        weights: "imagenet", a file, or None for random weights.

    Raises:
        ConfigError: there is no such file, or its name does not say that it holds weights.
    """
    if weights is None or weights == IMAGENET:
        return
    if not Path(weights).is_file():
        raise ConfigError(f"--weights: {weights}: no such file; name EfficientNetB2's weights, {IMAGENET} or none")
    if not weights.endswith(SUFFIXES):
        raise ConfigError(f"--weights: {weights}: no weights file; its name ends with {' or '.join(SUFFIXES)}")


def load_pretrained(model: keras.Model, weights: str) -> None:
    """Load weights into the model's EfficientNetB2; the layers after it stay as they are.

    Args:
        model: Model 1, as `core.training.build` gives it.
        weights: "imagenet", which Keras downloads into its cache (`$KERAS_HOME/models`, else `~/.keras/models`) unless
            the file is there; or a file of EfficientNetB2 without top, as Keras's `save_weights` or its download has.

    Raises:
        WeightsError: they can't be had, or do not fit.
    """
    path = _imagenet_file() if weights == IMAGENET else Path(weights)
    backbone = model.get_layer(BACKBONE)
    try:
        backbone.load_weights(path)
    except OSError as error:
        raise WeightsError(f"--weights: {path}: can't be read ({_said(error)}); {REMEDY}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            f"--weights: {path}: not the weights of EfficientNetB2 without top at this width ({_said(error)}); {REMEDY}"
        ) from None


def _imagenet_file() -> Path:
    """The ImageNet weights on disk, downloaded where they are not there yet."""
    import keras
    from keras.src.applications.efficientnet import BASE_WEIGHTS_PATH, WEIGHTS_HASHES

    _, without_top = WEIGHTS_HASHES["b2"]
    try:
        with _download():
            found = keras.utils.get_file(
                IMAGENET_FILE, BASE_WEIGHTS_PATH + IMAGENET_FILE, cache_subdir="models", file_hash=without_top
            )
    # Keras raises a bare Exception for a download that fails.
    except Exception as error:
        log.say(f"{type(error).__name__}: {error}")
        raise WeightsError(f"--weights: ImageNet's weights can't be downloaded ({_said(error)}); {REMEDY}") from None
    return Path(found)


@contextlib.contextmanager
def _download() -> Iterator[None]:
    """A time limit for connections that are silently dropped, and Keras's progress to the log and not to stdout."""
    import keras

    limit, interactive = socket.getdefaulttimeout(), keras.config.is_interactive_logging_enabled()
    socket.setdefaulttimeout(CONNECT_SECONDS)
    keras.config.disable_interactive_logging()
    try:
        yield
    finally:
        socket.setdefaulttimeout(limit)
        if interactive:
            keras.config.enable_interactive_logging()


def _said(error: Exception) -> str:
    """The first line of an error; of a failed download what Keras says after the address."""
    return first_line(error).rpartition(" -- ")[2][:120]
