"""Access to a run's model from a screen's worker thread."""

from __future__ import annotations

import contextlib
import sys
import threading
import traceback
from collections.abc import Iterator

from core.errors import FerError, RunError
from core.runs.model_file import ModelCache

# Keeps the last model, so that the next use of the same run is fast.
MODEL_CACHE = ModelCache()
_AT_WORK = threading.Lock()


@contextlib.contextmanager
def model_access(what: str) -> Iterator[None]:
    """Allow one use of a model at a time, by any screen, and turn TensorFlow's errors into one line.

    Args:
        what: the verb for the error message, such as "predict".

    Raises:
        RunError: the model failed; the traceback is in the app's log.
    """
    with _AT_WORK:
        try:
            yield
        except (FerError, Superseded):
            raise
        except Exception as error:
            # An error from a model file of unknown origin must not end the app.
            traceback.print_exc(file=sys.stderr)
            reason = str(error).splitlines()[0][:200] if str(error) else ""
            raise RunError(f"The model can't {what}: {type(error).__name__}: {reason}") from None


class Superseded(Exception):
    """Raised in a worker when a newer request has replaced its own, or the app ends."""
