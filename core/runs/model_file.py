"""Load a run's kept model. A file with anything that fer-tui's models do not use is rejected before Keras reads it."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import RunError, first_line
from core.runs.names import CHECKPOINT, KEPT
from core.system import files
from core.system.limits import check_limits
from core.system.program import set_up_tensorflow

if TYPE_CHECKING:
    import keras

MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
# The modules that fer-tui's models use. Keras's safe mode, which is also on, rejects code stored in the file. In the
# past it accepted Keras functions that read and write files, so other modules are rejected here.
MODULES = {"keras", "keras.layers", "keras.initializers", "keras.regularizers", "keras.src.models.functional"}
# Layers that contain code or refer to files or programs.
BARRED = {
    *("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "Wrapper"),
    *("StringLookup", "IntegerLookup", "TextVectorization"),
}


def load_model(run: Path) -> keras.Model:
    """Load the kept epoch's model in Keras's safe mode.

    Raises:
        RunError: there is no model yet, the file is damaged, or it contains a part that fer-tui's models do not use.
    """
    path = run / KEPT
    if not path.exists():
        raise RunError(
            f"{run.name}: there is no model yet, because no epoch has ended; run 'fer-tui resume {run.name}'"
        )
    _check(path)
    check_limits()
    set_up_tensorflow()
    import keras

    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        # A damaged file can raise any error of Keras, HDF5 or TensorFlow.
        reason = first_line(error)[:200]
        raise RunError(f"{path}: can't be loaded: {reason}") from None
    # Otherwise Keras compiles `predict` with XLA on a GPU, once more for the last, smaller batch.
    model.jit_compile = False
    return model


class ModelCache:
    """A cache of one model: the kept model of the most recently requested run, loaded again if its file changes."""

    def __init__(self) -> None:
        self._loaded: tuple[Path, int, keras.Model] | None = None

    def model(self, run: Path) -> keras.Model:
        """See `load_model`."""
        file = run / KEPT
        written = file.stat().st_mtime_ns if file.exists() else 0
        if self._loaded is None or self._loaded[:2] != (run, written):
            self._loaded = None
            self._loaded = (run, written, load_model(run))
        return self._loaded[2]


def _check(path: Path) -> None:
    """Check that a file is a Keras archive that contains only parts that fer-tui's models use.

    Raises:
        RunError: the file is damaged or contains another part.
    """
    try:
        with files.open_to_read(path) as file, zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
            if not names <= MEMBERS:
                raise RunError(
                    f"{path}: the file contains {sorted(names - MEMBERS)[0]!r}, which no model of fer-tui contains"
                )
            content = json.loads(archive.read("config.json"))
    except (OSError, ValueError, KeyError, RecursionError, zipfile.BadZipFile, NotImplementedError) as error:
        copy = path.parent / CHECKPOINT / KEPT
        raise RunError(
            f"{path}: the file is not a valid Keras model ({error}); replace it with the copy {copy}"
        ) from None
    foreign = foreign_part(content)
    if foreign:
        raise RunError(
            f"{path}: the file contains {foreign}, which no model of fer-tui contains; the file was not loaded"
        )


def foreign_part(content: Any) -> str:
    """Return the first part of a model's config that fer-tui's models do not use; empty if there is none."""
    for part in _parts(content):
        module, name = (str(part.get(key)) for key in ("module", "class_name"))
        is_known = module in MODULES or (module == "None" and name == "__keras_tensor__")
        if not is_known or name in BARRED:
            return f"{module}.{name}"
    return ""


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    """Yield each object of a model's config that has a `class_name`."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if "class_name" in one:
                yield one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
