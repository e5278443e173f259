"""Weights for Model 1's EfficientNetB2: those trained on ImageNet, or a file's."""

from __future__ import annotations

import hashlib
import logging
import shutil
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

from core.errors import ConfigError, WeightsError, first_line
from core.models.model1 import BACKBONE
from core.models.registry import IMAGENET
from core.system import files

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

SUFFIXES = (".h5", ".keras")
IMAGENET_FILE = f"{BACKBONE}_notop.h5"
REMEDY = "set weights to a file of them, or to none to start at random"
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
        raise ConfigError("weights", f"{weights}: no such file; name EfficientNetB2's weights, {IMAGENET} or none")
    if not weights.endswith(SUFFIXES):
        raise ConfigError("weights", f"{weights}: no weights file; its name ends with {' or '.join(SUFFIXES)}")


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
        raise WeightsError("weights", f"{path}: can't be read ({_short_reason(error)}); {REMEDY}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise WeightsError(
            "weights",
            f"{path}: not the weights of EfficientNetB2 without top at this width ({_short_reason(error)}); {REMEDY}",
        ) from None


def _imagenet_file() -> Path:
    """The ImageNet weights in Keras's cache, downloaded if they are not there yet.

    Keras's own download knows no time limit but the one of all sockets of the process.
    """
    from keras.src.applications.efficientnet import BASE_WEIGHTS_PATH, WEIGHTS_HASHES
    from keras.src.backend.config import keras_home

    path = Path(keras_home()) / "models" / IMAGENET_FILE
    _, without_top = WEIGHTS_HASHES["b2"]
    try:
        if not path.exists() or _md5(path) != without_top:
            path.parent.mkdir(parents=True, exist_ok=True)
            with (
                urlopen(BASE_WEIGHTS_PATH + IMAGENET_FILE, timeout=CONNECT_SECONDS) as answer,
                files.atomic_replace(path) as temporary,
            ):
                with temporary.open("wb") as file:
                    shutil.copyfileobj(answer, file)
                if _md5(temporary) != without_top:
                    raise OSError("what came is not the file that Keras names")
    except (OSError, HTTPException) as error:
        logger.error("%s: %s", type(error).__name__, error)
        reason = getattr(error, "reason", error)
        raise WeightsError("weights", f"ImageNet's weights can't be downloaded ({reason}); {REMEDY}") from None
    return path


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _short_reason(error: Exception) -> str:
    """The first line of an error, cut to what a line has room for."""
    return first_line(error)[:120]
