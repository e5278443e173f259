"""What this machine's processors are doing: GPUs through NVML, CPU and memory through psutil."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import psutil


@dataclass(frozen=True)
class GpuLoad:
    """A GPU at one moment.

    Attributes:
        index: its number, as `nvidia-smi` counts.
        name: its maker's name for it.
        busy: percent of the last sample period in which a kernel ran; None where the driver can't say.
        used: memory in use by all processes, bytes.
        total: its memory, bytes.
    """

    index: int
    name: str
    busy: int | None
    used: int
    total: int


@dataclass(frozen=True)
class Load:
    """The machine at one moment.

    Attributes:
        cpu: percent of all cores since the sample before, in this thread; 0 at the first.
        used: memory that is not available to new programs, bytes.
        total: the machine's memory, bytes.
        gpus: the GPUs that answered; empty where there is none, or no driver for it.
    """

    cpu: int
    used: int
    total: int
    gpus: tuple[GpuLoad, ...] = ()


def sample() -> Load:
    """Look at the machine; takes a few milliseconds, the first time with a driver up to a second."""
    memory = psutil.virtual_memory()
    return Load(round(psutil.cpu_percent()), memory.total - memory.available, memory.total, _gpus())


def _gpus() -> tuple[GpuLoad, ...]:
    """Every GPU that answers; a lost one is left out, the others stay."""
    nvml = _nvml()
    if nvml is None:
        return ()
    found = []
    try:
        count = nvml.nvmlDeviceGetCount()
    except nvml.NVMLError:
        return ()
    for index in range(count):
        try:
            device = nvml.nvmlDeviceGetHandleByIndex(index)
            memory = nvml.nvmlDeviceGetMemoryInfo(device)
            name = nvml.nvmlDeviceGetName(device)
        except nvml.NVMLError:
            continue
        name = name.decode(errors="replace") if isinstance(name, bytes) else str(name)
        found.append(GpuLoad(index, name, _busy(nvml, device), int(memory.used), int(memory.total)))
    return tuple(found)


def _busy(nvml: Any, device: Any) -> int | None:
    """A partitioned GPU (MIG) tells its memory, but not how busy it is."""
    try:
        return int(nvml.nvmlDeviceGetUtilizationRates(device).gpu)
    except nvml.NVMLError:
        return None


@functools.cache
def _nvml() -> Any:
    """NVML, set up once in a process; None where there is no driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml
