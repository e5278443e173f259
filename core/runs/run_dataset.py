"""Read the data set that a run was trained and validated on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.config.setting_syntax import READING_SETTINGS
from core.data.dataset import Dataset, ImageSource, fingerprint
from core.data.images import DECODING
from core.data.readers.reader_factory import read_dataset
from core.data.splits import apply_corrections, apply_splits
from core.errors import ConfigError, DatasetError, RunError
from core.runs.names import ENVIRONMENT
from core.runs.reader import RunSnapshot
from core.runs.schema import EnvironmentFile

if TYPE_CHECKING:
    from PIL import Image


def read_run_dataset(run: RunSnapshot) -> Dataset:
    """Read the data set that a run's environment.json names, in its current state.

    Raises:
        RunError: environment.json names no data set.
        DatasetError: the data set no longer exists or can't be read.
    """
    place = run.environment.get("data")
    if place is None:
        raise RunError(f"{run.path / ENVIRONMENT}: the file names no data set, so the faces can't be shown")
    try:
        return apply_corrections(read_dataset(Path(place), **read_options(run)), run.config)
    except (ConfigError, DatasetError) as error:
        advice = f"; {moved_data_advice(run.path)}" if is_missing(Path(place)) else ""
        raise DatasetError(f"The faces can't be shown: {error}{advice}") from None


def is_missing(data: Path) -> bool:
    """Return whether nothing lies at the path of a data set; false if that can't be known."""
    try:
        data.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        pass
    return False


def moved_data_advice(run: Path) -> str:
    """Return how to tell a run where its data set is now."""
    return f"if it has moved, give its new path: 'fer-tui resume {run.name} --data PATH'"


def read_options(run: RunSnapshot) -> dict[str, Any]:
    """Return the keyword arguments with which `read_dataset` reads a run's data set as the run did."""
    config: Mapping[str, Any] = run.config
    settings = {name: value for name in READING_SETTINGS if (value := config.get(name)) is not None}
    return {**settings, "decoding": run_decoding(run.environment)}


def run_decoding(environment: EnvironmentFile) -> int:
    """Return the version of the image decoder of a run, or the newest version for a run that has not started."""
    return environment.get("decoding", 1 if "fingerprint" in environment else DECODING)


def has_changed(run: RunSnapshot, dataset: Dataset, check: Callable[[], None]) -> bool:
    """Return whether a data set's images, classes or splits differ from those of a run; false if they are not known.

    The function reads every image.

    Args:
        run: the run, whose fingerprint is compared.
        dataset: the data set that `read_run_dataset` returned.
        check: called before each image; an exception that it raises stops the reading.
    """
    was, share = run.environment.get("fingerprint"), run.config.get("validation_share")
    if was is None or share is None:
        return False
    try:
        split = apply_splits(dataset, run.config)
    except (DatasetError, ValueError):
        return True
    return fingerprint(replace(split, source=_Checked(dataset.source, check))) != was


@dataclass(frozen=True)
class _Checked:
    """An image source that calls `check` before it reads an image."""

    source: ImageSource
    check: Callable[[], None]

    def content(self, path: str) -> bytes:
        self.check()
        return self.source.content(path)

    def decode(self, content: bytes) -> Image.Image:
        return self.source.decode(content)
