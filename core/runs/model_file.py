"""Loading a run's kept model: nothing of a file is let near Keras that a model of ours does not have."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from core.errors import RunError, first_line
from core.runs.names import CHECKPOINT, KEPT
from core.system import files
from core.system.program import set_up_tensorflow

if TYPE_CHECKING:
    import keras

MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
# Where the parts of a model come from. Keras's safe mode, which holds besides, keeps out code that is stored in the
# file; what it let through in the past were functions of Keras's own that read and write files.
MODULES = {"keras", "keras.layers", "keras.initializers", "keras.regularizers", "keras.src.models.functional"}
# Layers that hold code, or name files or programs to be read.
BARRED = {
    *("Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "Wrapper"),
    *("StringLookup", "IntegerLookup", "TextVectorization"),
}


def load_model(run: Path) -> keras.Model:
    """The kept epoch's model, in Keras's safe mode.

    Raises:
        RunError: there is none yet, or the file is damaged, or holds what no model of fer-tui has.
    """
    path = run / KEPT
    if not path.exists():
        raise RunError(f"{run.name}: no epoch of it is done, so there is no model yet; 'fer-tui resume {run.name}'")
    _check(path)
    set_up_tensorflow()
    import keras

    try:
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        # Damage shows itself anywhere in Keras, HDF5 and TensorFlow.
        reason = first_line(error)[:200]
        raise RunError(f"{path}: can't be loaded: {reason}") from None
    # On a GPU Keras would compile `predict` with XLA, and once more for the last, smaller batch.
    model.jit_compile = False
    return model


class ModelCache:
    """The kept model of the run that was asked for last, loaded once for as long as its file stays as it is."""

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
    """See that a file is a Keras archive of parts that our models are made of.

    Raises:
        RunError: it is not.
    """
    try:
        with files.open_to_read(path) as file, zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
            if not names <= MEMBERS:
                raise RunError(f"{path}: holds {sorted(names - MEMBERS)[0]!r}, which no model of fer-tui does")
            content = json.loads(archive.read("config.json"))
    except (OSError, ValueError, KeyError, RecursionError, zipfile.BadZipFile, NotImplementedError) as error:
        copy = path.parent / CHECKPOINT / KEPT
        raise RunError(f"{path}: is no whole Keras model ({error}); put {copy} in its place, a copy") from None
    foreign = foreign_part(content)
    if foreign:
        raise RunError(f"{path}: holds {foreign}, which no model of fer-tui does; it is not loaded")


def foreign_part(content: Any) -> str:
    """What a model's config has that no model of ours does; empty where there is no such thing."""
    for part in _parts(content):
        module, name = (str(part.get(told)) for told in ("module", "class_name"))
        is_known = module in MODULES or (module == "None" and name == "__keras_tensor__")
        if not is_known or name in BARRED:
            return f"{module}.{name}"
    return ""


def _parts(value: Any) -> Iterator[dict[str, Any]]:
    """Every object of a model's config that says what it is made from."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if "class_name" in one:
                yield one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one
