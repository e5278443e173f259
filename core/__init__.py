"""fer-tui without its screens: data, models, training and runs.

The names below are the public API, for notebooks and scripts (docs/notebook.md). Each is imported when it is first
used: `import core` imports nothing else.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from core.comparison.table import compare
    from core.config.training_config import TrainingConfig, resolve
    from core.data.readers.reader_factory import read_dataset
    from core.errors import FerError
    from core.evaluation.inference import evaluate_run, predict_images
    from core.export.formats import export_run
    from core.jobs.notebook import train
    from core.runs.reader import list_runs, read_run
    from core.system.version import __version__

_MODULES = {
    "FerError": "errors",
    "TrainingConfig": "config.training_config",
    "__version__": "system.version",
    "compare": "comparison.table",
    "evaluate_run": "evaluation.inference",
    "export_run": "export.formats",
    "list_runs": "runs.reader",
    "predict_images": "evaluation.inference",
    "read_dataset": "data.readers.reader_factory",
    "read_run": "runs.reader",
    "resolve": "config.training_config",
    "train": "jobs.notebook",
}
__all__ = [
    "FerError",
    "TrainingConfig",
    "__version__",
    "compare",
    "evaluate_run",
    "export_run",
    "list_runs",
    "predict_images",
    "read_dataset",
    "read_run",
    "resolve",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'core' has no attribute '{name}'")
    return getattr(import_module(f"core.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
