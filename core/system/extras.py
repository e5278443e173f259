"""The optional extras of the package: their packages, whether they are installed, and how to install them."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path

# The import names of each extra's packages. pyproject.toml has the names to install.
EXTRAS: Mapping[str, tuple[str, ...]] = {
    "kaggle": ("kagglehub",),
    "faces": ("cv2",),
    "export": ("tf2onnx", "onnxruntime", "ai_edge_litert"),
    "search": ("optuna",),
    "parquet": ("pyarrow",),
    "serve": ("textual_serve",),
    "tensorboard": ("tensorboard",),
    "mlflow": ("mlflow",),
    "cluster": ("ray", "grpc"),
}


def missing_packages(packages: Iterable[str]) -> list[str]:
    """Return the packages that are not installed, given their import names. Does not import them."""
    return [package for package in packages if find_spec(package) is None]


def is_installed(extra: str) -> bool:
    """Return whether all packages of an extra are installed."""
    return not missing_packages(EXTRAS[extra])


def install_command(extra: str) -> str:
    """Return the command that adds an extra, with pipx or uv if one of them installed the app, otherwise with pip."""
    wanted = f"'fer-tui[{extra}]'"
    place = Path(sys.prefix)
    # The environments of pipx and uv have no pip. Reinstalling the app would drop the extras that it has.
    if (place / "pipx_metadata.json").is_file():
        return f"pipx runpip {shlex.quote(place.name)} install {wanted}"
    if (place / "uv-receipt.toml").is_file():
        return f"uv pip install --python {shlex.quote(str(place))} {wanted}"
    return f"pip install {wanted}"
