"""Giving back what a Keras training leaves in its process; docs/memory.md has the measurements."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import sys
from collections.abc import Iterator, MutableMapping
from typing import Any


@contextlib.contextmanager
def release_on_exit() -> Iterator[None]:
    """Free what was traced inside the block; the caller's own names for models must be gone by its end.

    Keras's optimizer sums gradients through `all_reduce`, which TensorFlow 2.21 wraps in `custom_gradient`; that
    registers a closure over the traced train step in a table of the whole process (tensorflow#97697), where
    `clear_session` does not look: 11 MiB a run. The entries made inside the block are taken out again.
    """
    before = frozenset(_gradient_registry())
    try:
        yield
    finally:
        if "keras" in sys.modules:
            import keras

            registry = _gradient_registry()
            for name in [name for name in registry if name.startswith("CustomGradient-") and name not in before]:
                del registry[name]
            keras.backend.clear_session()
            # Twice: objects with finalizers are freed in the first round, what they held in the second.
            gc.collect()
            gc.collect()
            with contextlib.suppress(OSError, AttributeError):
                ctypes.CDLL("libc.so.6").malloc_trim(0)


def _gradient_registry() -> MutableMapping[str, Any]:
    """TensorFlow's table of gradient functions; empty where there is none, or it has moved."""
    if "tensorflow" not in sys.modules:
        return {}
    try:
        from tensorflow.python.framework import ops

        return ops.gradient_registry._registry
    except (ImportError, AttributeError):
        return {}
