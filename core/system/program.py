"""Settings of a whole process: made by our programs, never by importing a module."""

from __future__ import annotations

import os
import sys
import warnings


def use_onednn() -> None:
    """Turn on TensorFlow's oneDNN kernels, unless TensorFlow is imported already or the user has set the variable.

    TensorFlow leaves them off on processors without AVX-512, though they train compact 1.5 times as fast there too
    (benchmarks/step.py).
    """
    if "tensorflow" not in sys.modules:
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def set_up_program() -> None:
    """Change settings of the whole process: our programs call this, a notebook decides for itself.

    Turns oneDNN on, and Pillow's warnings off: about large images (its limit is lower than ours), damaged EXIF tags and
    palettes with transparency. `core.data.images` raises an ImageError if any of these matters.
    """
    use_onednn()
    warnings.filterwarnings("ignore", module=r"PIL\.")
