"""Asking a run's model from a screen's worker thread."""

from __future__ import annotations

import contextlib
import sys
import threading
import traceback
from collections.abc import Iterator

from core.errors import FerError, RunError
from core.runs.model_file import ModelCache

# The last model is kept, so that the next question to the same run is quick.
MODEL_CACHE = ModelCache()
_AT_WORK = threading.Lock()


@contextlib.contextmanager
def model_access(what: str) -> Iterator[None]:
    """One model at work at a time, whichever screen asks; what TensorFlow can't do with it is one line.

    Args:
        what: that it is asked to do, such as "predict".

    Raises:
        RunError: it failed; the traceback is in the app's log.
    """
    with _AT_WORK:
        try:
            yield
        except (FerError, Superseded):
            raise
        except Exception as error:
            # Whatever TensorFlow can't do with a model of unknown origin must not end the app.
            traceback.print_exc(file=sys.stderr)
            reason = str(error).splitlines()[0][:200] if str(error) else ""
            raise RunError(f"The model can't {what}: {type(error).__name__}: {reason}") from None


class Superseded(Exception):
    """Something else is asked of a worker by now, or the app ends."""
