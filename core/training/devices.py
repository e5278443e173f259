"""The devices of a run: GPUs, precision and distribution."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from core.errors import ConfigError
from core.system.program import set_up_tensorflow
from core.training.program_cache import NO_PROGRAM_CACHE, ProgramCache, set_up_program_cache

if TYPE_CHECKING:
    import tensorflow as tf

    from core.config.training_config import TrainingConfig

logger = logging.getLogger(__name__)

# The lowest compute capabilities at which these formats speed up a GPU.
BFLOAT16_FROM, FLOAT16_FROM = (8, 0), (7, 0)


@dataclass(frozen=True)
class Devices:
    """The devices of a run.

    Attributes:
        names: TensorFlow's device names, such as `GPU:0`; several for a mirrored run.
        description: a readable name, such as "NVIDIA A100 x 2" or "CPU".
        capability: the lowest compute capability of the GPUs; None for a CPU.
        programs: the cache of XLA's programs for the GPU.
    """

    names: tuple[str, ...]
    description: str
    capability: tuple[int, int] | None = None
    programs: ProgramCache = NO_PROGRAM_CACHE

    @property
    def on_gpu(self) -> bool:
        """Whether the run uses GPUs."""
        return self.names[0].startswith("GPU")

    @property
    def mirrored(self) -> bool:
        """Whether each batch is split over several devices."""
        return len(self.names) > 1

    def distribute(self, batches: tf.data.Dataset) -> Any:
        """Return the batches, each split over the devices of a mirrored run; call it inside `scope`."""
        import tensorflow as tf

        return tf.distribute.get_strategy().experimental_distribute_dataset(batches) if self.mirrored else batches


def choose_precision(wanted: str, capability: tuple[int, int] | None) -> str:
    """Return the dtype policy for a device. `auto` selects the GPU's fastest format, or float32 on a CPU.

    Args:
        wanted: the config's `precision`.
        capability: the GPU's compute capability, None for a CPU.
    """
    if wanted != "auto":
        return wanted
    if capability is None or capability < FLOAT16_FROM:
        return "float32"
    # From this capability on bfloat16 is as fast as float16, and its range needs no loss scaling.
    return "mixed_bfloat16" if capability >= BFLOAT16_FROM else "mixed_float16"


def prepare(config: TrainingConfig) -> Devices:
    """Choose and set up the devices; call it before TensorFlow uses any device.

    GPU memory grows on demand, so that several processes can share a GPU.

    Raises:
        ConfigError: the requested devices do not exist, or TensorFlow already runs.
    """
    set_up_tensorflow()
    programs = set_up_program_cache(*(["deterministic"] if config.deterministic else []))
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    with contextlib.suppress(RuntimeError):  # TensorFlow already uses the GPUs, so they are set up
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
    if config.devices.startswith("cpu:"):
        names = _logical_cpus(int(config.devices.partition(":")[2]))
        return Devices(names, f"{len(names)} logical CPUs")
    if config.devices == "cpu" or (config.devices == "auto" and not gpus):
        return Devices(("CPU:0",), "CPU")
    if not gpus:
        raise ConfigError("devices", "no GPU is visible to TensorFlow; set devices to cpu, or install fer-tui[gpu]")
    used = gpus if config.devices == "all" else gpus[:1]
    details = [tf.config.experimental.get_device_details(gpu) for gpu in used]
    capability = min((tuple(d["compute_capability"]) for d in details if "compute_capability" in d), default=None)
    name = str(details[0].get("device_name", "GPU"))
    description = name if len(used) == 1 else f"{name} x {len(used)}"
    names = tuple(f"GPU:{i}" for i in range(len(used)))
    if programs.folder:
        logger.info("compiled programs are cached in %s", programs.folder)
    else:
        logger.info("compiled programs are not cached: %s", programs.reason)
    return Devices(names, description, capability, programs)


def _logical_cpus(count: int) -> tuple[str, ...]:
    """Split the CPU into logical devices, to test a run on several devices."""
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    try:
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    except RuntimeError:
        if len(tf.config.list_logical_devices("CPU")) < count:
            raise ConfigError(
                "devices", f"TensorFlow already runs here; start 'cpu:{count}' in a new process"
            ) from None
    return tuple(f"CPU:{i}" for i in range(count))


def make_deterministic() -> None:
    """Make TensorFlow's operations deterministic for the whole process."""
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()


@contextlib.contextmanager
def scope(devices: Devices, precision: str) -> Iterator[None]:
    """Set the dtype policy and enter the distribution strategy; build and train the model inside this block."""
    import keras
    import tensorflow as tf

    before: Any = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        if devices.mirrored:
            with tf.distribute.MirroredStrategy(list(devices.names)).scope():
                yield
        else:
            with tf.device(devices.names[0]):
                yield
    finally:
        keras.config.set_dtype_policy(before)
