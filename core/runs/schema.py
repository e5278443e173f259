"""What the JSON files of a run hold, as far as readers use it; a value of another type is left out of what is read.

Run directories come from other versions, other programs and other people; here, once, is seen to it that what the
tables and the screens take for a number is one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

NUMBER = (int, float)
COUNTS = {str: int}
# A type or several; a list with the shape of its items; a mapping from any key, or, with `...`, with these at least.
Shape = Any

WARNINGS: Shape = [{...: {"code": str}}]
SHAPES: Mapping[str, Mapping[str, Shape]] = {
    "config": {
        **dict.fromkeys(("model", "protocol", "encoding", "augmentation", "monitor", "keep", "control"), str),
        **dict.fromkeys(("epochs", "image_size", "channels"), int),
        **dict.fromkeys(("learning_rate", "validation_share"), NUMBER),
        **dict.fromkeys(("exclude", "relabel", "fold"), (str, type(None))),
        "flip_average": bool,
    },
    "status": {
        **dict.fromkeys(("state", "host", "birth"), (str, type(None))),
        **dict.fromkeys(("pid", "epoch", "epochs", "batch", "batches"), (int, type(None))),
        **dict.fromkeys(("started", "heartbeat"), (*NUMBER, type(None))),
    },
    "environment": {
        **dict.fromkeys(("data", "fingerprint", "host"), str),
        **dict.fromkeys(("parameters", "train_images", "validation_images", "val_images"), int),
        "classes": [str],
        "validation_classes": [str],
        "counts": {str: COUNTS},
        "batches": {str: (*NUMBER, type(None))},
        "versions": {str: str},
        "problems": [{...: {"kind": str, "message": str, "paths": [str]}}],
        "warnings": WARNINGS,
    },
    "evaluation": {
        **dict.fromkeys(
            ("accuracy", "balanced_accuracy", "macro_f1", "majority_accuracy", "leak_free_accuracy"),
            (*NUMBER, type(None)),
        ),
        **dict.fromkeys(("images", "val_images", "leaked_images", "epoch"), int),
        "intervals": {...: {"accuracy": [NUMBER], "macro_f1": [NUMBER]}},
        "classes": [str],
        "confusion_matrix": [[int]],
        "per_class": {str: {str: (*NUMBER, type(None))}},
        "val_counts": COUNTS,
        "warnings": WARNINGS,
    },
}


def fitting(content: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """What of a file's content has the type that readers expect; what they do not know stays as it is.

    Args:
        content: the file's object.
        kind: of SHAPES.
    """
    shapes = SHAPES[kind]
    found = {name: value for name, value in content.items() if name not in shapes or _fits(value, shapes[name])}
    if kind == "evaluation" and not is_square(found.get("confusion_matrix", ()), found.get("classes", ())):
        found.pop("confusion_matrix", None)
    return found


def _fits(value: Any, shape: Shape) -> bool:
    if isinstance(shape, list):
        return isinstance(value, list) and all(_fits(item, shape[0]) for item in value)
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return False
        if ... in shape:
            return all(name in value and _fits(value[name], inner) for name, inner in shape[...].items())
        (inner,) = shape.values()
        return all(_fits(item, inner) for item in value.values())
    # True is an int to Python, and 1e999 a float to JSON.
    if isinstance(value, bool):
        return shape is bool
    return isinstance(value, shape) and not (isinstance(value, float) and not math.isfinite(value))


def is_square(matrix: Sequence[Sequence[Any]], classes: Sequence[str]) -> bool:
    """Whether a confusion matrix has a row and a column a class."""
    return len(matrix) == len(classes) and all(len(row) == len(classes) for row in matrix)
