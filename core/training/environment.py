"""A run's environment: versions, device, data set and code, stored in environment.json at the start."""

from __future__ import annotations

import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from core.data.dataset import counts_by_split
from core.runs.schema import EnvironmentFile

if TYPE_CHECKING:
    from core.config.training_config import TrainingConfig
    from core.data.training_data import TrainingData
    from core.training.auto_settings import AutoSettings
    from core.training.devices import Devices

PACKAGES = ("fer-tui", "tensorflow", "keras", "numpy", "pandas", "scikit-learn", "pillow")


def describe(
    config: TrainingConfig, data: TrainingData, used: Devices, auto: AutoSettings, parameters: int
) -> EnvironmentFile:
    """Return the content of environment.json, which has the information to repeat a run.

    Args:
        config: the run's settings.
        data: the run's data.
        used: the run's devices.
        auto: the values of the `auto` settings.
        parameters: the number of the model's weights, including non-trainable weights.
    """
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "versions": {"python": platform.python_version(), **versions()},
        "device": used.description,
        "devices": list(used.names),
        "precision": auto.precision,
        "feed": auto.feed,
        "jit_compile": "on" if auto.jit_compile else "off",
        "host": platform.node(),
        "platform": platform.platform(),
        "git_commit": git_commit(),
        "data": str(config.data.resolve()),
        "decoding": data.decoding,
        "fingerprint": data.fingerprint,
        "classes": data.classes,
        "validation_classes": data.validation_classes,
        "counts": counts_by_split(data.dataset.frame),
        "train_images": len(data.train.values),
        "validation_images": len(data.validation.values),
        "skipped": sum(len(p.paths) for p in data.problems if p.kind == "undecodable"),
        "parameters": parameters,
        "problems": [{"kind": p.kind, "message": p.message, "paths": list(p.paths[:1000])} for p in data.problems],
    }


def versions() -> dict[str, str]:
    """Return the versions of the packages that affect the results."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_commit() -> str | None:
    """Return the git commit of the checkout; None for an installed package."""
    found = find_spec("core")
    if found is None or found.origin is None:
        return None
    root = Path(found.origin).resolve().parent.parent
    if not (root / ".git").exists():
        return None
    try:
        answer = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None
