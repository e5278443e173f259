"""Settings of a whole process: made by our programs, never by importing a module."""

from __future__ import annotations

import os
import sys
import warnings


def use_onednn() -> None:
    """Have TensorFlow use oneDNN's kernels, if it is not imported yet and the user has not said otherwise.

    TensorFlow leaves them off on processors without AVX-512, where they train compact 1.5 times as fast all the same
    (benchmarks/step.py).
    """
    if "tensorflow" not in sys.modules:
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def set_up_program() -> None:
    """Settings of a whole process, which a program of ours makes and a notebook makes for itself.

    oneDNN is on. Pillow's warnings are off: of bombs (its limit is lower than ours), tags of damaged EXIF data and
    palettes with transparency, `core.data.images` tells what matters as an ImageError.
    """
    use_onednn()
    warnings.filterwarnings("ignore", module=r"PIL\.")
