"""Settings of a whole process: made by our programs, never by importing a module."""

from __future__ import annotations

import os
import sys
import warnings


def set_up_tensorflow() -> None:
    """Settings that TensorFlow reads when it is imported, unless it is already, or the user has set them.

    Its oneDNN kernels are off on processors without AVX-512, though they train compact 1.5 times as fast there too
    (benchmarks/step.py). CUDA counts GPUs by speed unless it is told to count them as the driver does. TensorFlow takes
    nearly all of a GPU's memory at once unless it is told to take what it needs: a command or screen that predicts
    beside a training, or beside other people, would leave them nothing.
    """
    if "tensorflow" not in sys.modules:
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
        os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")


def set_up_program() -> None:
    """Change settings of the whole process: our programs call this, a notebook decides for itself.

    Sets TensorFlow up, and turns Pillow's warnings off: about large images (its limit is lower than ours), damaged
    EXIF tags and palettes with transparency. `core.data.images` raises an ImageError if any of these matters.
    """
    set_up_tensorflow()
    warnings.filterwarnings("ignore", module=r"PIL\.")
