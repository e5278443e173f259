"""Pretrained weights for Model 1's EfficientNetB2: the ImageNet weights, or a weights file."""

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
REMEDY = "set weights to a weights file, or to none for random weights"
CONNECT_SECONDS = 20.0


def check_weights_file(weights: str | None) -> None:
    """Check, before a run is created, that the weights file of its config exists.

    Args:
        weights: "imagenet", the path of a file, or None for random weights.

    Raises:
        ConfigError: the file does not exist, or its name does not end with one of SUFFIXES.
    """
    if weights is None or weights == IMAGENET:
        return
    if not Path(weights).is_file():
        raise ConfigError(
            "weights", f"{weights}: no such file; give a weights file of EfficientNetB2, {IMAGENET} or none"
        )
    if not weights.endswith(SUFFIXES):
        raise ConfigError("weights", f"{weights}: not a weights file; its name must end with {' or '.join(SUFFIXES)}")


def load_pretrained(model: keras.Model, weights: str) -> None:
    """Load weights into the model's EfficientNetB2. The layers after it do not change.

    Args:
        model: Model 1, from `core.training.build`.
        weights: "imagenet", or the path of a weights file of EfficientNetB2 without top, saved by Keras's
            `save_weights` or downloaded by Keras. "imagenet" downloads the file into Keras's cache
            (`$KERAS_HOME/models`, else `~/.keras/models`) if the cache does not have it.

    Raises:
        WeightsError: the weights can't be downloaded or read, or do not fit.
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
    """Return the file of the ImageNet weights in Keras's cache. Download it if the cache does not have it.

    Keras's own download has no timeout, except the process's default for all sockets.
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
                    raise OSError("the downloaded file has a wrong checksum")
    except (OSError, HTTPException) as error:
        logger.error("%s: %s", type(error).__name__, error)
        reason = getattr(error, "reason", error)
        raise WeightsError("weights", f"ImageNet's weights can't be downloaded ({reason}); {REMEDY}") from None
    return path


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _short_reason(error: Exception) -> str:
    """Return the first 120 characters of the error's first line."""
    return first_line(error)[:120]
