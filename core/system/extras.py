"""The extras of the package: what each brings, whether it is installed, and how to install it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path

# The packages of each extra by the names that are imported; pyproject.toml has the names that are installed.
EXTRAS: Mapping[str, tuple[str, ...]] = {
    "kaggle": ("kagglehub",),
    "faces": ("cv2",),
    "export": ("tf2onnx", "onnxruntime", "ai_edge_litert"),
    "search": ("optuna",),
    "serve": ("textual_serve",),
    "tensorboard": ("tensorboard",),
    "mlflow": ("mlflow",),
    "review": ("cleanlab",),
    "cluster": ("ray", "grpc"),
}


def missing_packages(packages: Iterable[str]) -> list[str]:
    """The packages that are not installed. They are looked up by the names that are imported, and not imported."""
    return [package for package in packages if find_spec(package) is None]


def is_installed(extra: str) -> bool:
    """Whether all packages of an extra are installed."""
    return not missing_packages(EXTRAS[extra])


def install_command(extra: str) -> str:
    """The command that adds an extra to the app: by pipx or uv where one of them installed the app, else by pip."""
    wanted = f"'fer-tui[{extra}]'"
    place = Path(sys.prefix)
    # Both keep the app in an environment without pip. Installing the app anew would drop the extras that it has.
    if (place / "pipx_metadata.json").is_file():
        return f"pipx runpip {shlex.quote(place.name)} install {wanted}"
    if (place / "uv-receipt.toml").is_file():
        return f"uv pip install --python {shlex.quote(str(place))} {wanted}"
    return f"pip install {wanted}"
