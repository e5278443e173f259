"""Settings of the whole process. Our programs apply them; importing a module never does."""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from pathlib import Path


def set_up_tensorflow() -> None:
    """Set the environment variables that TensorFlow reads on import. Variables that the user has set are kept.

    Does nothing if TensorFlow is already imported. The variables have these effects:

    - oneDNN kernels are enabled. TensorFlow disables them on processors without AVX-512, where they also train
      `compact` 1.5 times as fast (benchmarks/step.py).
    - CUDA numbers GPUs in the driver's order instead of by speed.
    - GPU memory grows on demand. By default TensorFlow allocates nearly all of it at once, which leaves no memory for
      other processes on the GPU.
    - Without a home folder, Keras keeps its files in the folder of temporary files. It would make a folder called "~".
    """
    if "tensorflow" not in sys.modules:
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
        os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
        if not Path(os.path.expanduser("~")).is_absolute():  # noqa: PTH111 (Path.home raises an error)
            os.environ.setdefault("KERAS_HOME", f"{tempfile.gettempdir()}/keras-{os.getuid()}")


def set_up_program() -> None:
    """Apply the settings of the whole process. Our programs call this; a notebook can choose its own settings.

    Sets up TensorFlow and turns off Pillow's warnings about large images (its limit is lower than ours), damaged
    EXIF tags and palettes with transparency. `core.data.images` raises an ImageError if any of these matters.
    """
    set_up_tensorflow()
    warnings.filterwarnings("ignore", module=r"PIL\.")
