"""What this machine's processors are doing: GPUs through NVML, CPU and memory through psutil."""

from __future__ import annotations

import functools
import os
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
    utilization: int | None
    used: int
    total: int


@dataclass(frozen=True)
class SystemLoad:
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


@dataclass(frozen=True)
class GpuKind:
    """What a program compiled for a GPU depends on.

    Attributes:
        name: its maker's name for it.
        capability: its compute capability, such as (9, 0).
        driver: version of the driver.
        is_divided: whether it is split into partitions (MIG), whose size is not told here.
    """

    name: str
    capability: tuple[int, int]
    driver: str
    is_divided: bool = False


def sample_load() -> SystemLoad:
    """Look at the machine; takes a few milliseconds, the first time with a driver up to a second."""
    memory = psutil.virtual_memory()
    return SystemLoad(round(psutil.cpu_percent()), memory.total - memory.available, memory.total, _gpus())


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
        found.append(GpuLoad(index, _text(name), _busy(nvml, device), int(memory.used), int(memory.total)))
    return tuple(found)


def free_gpu_memory() -> int | None:
    """Free memory, bytes, of the first GPU that CUDA lets this process see; None where the driver can't say."""
    nvml = _nvml()
    if nvml is None:
        return None
    try:
        device = _first(nvml)
        return None if device is None else int(nvml.nvmlDeviceGetMemoryInfo(device).free)
    except nvml.NVMLError:
        return None


def first_gpu() -> GpuKind | None:
    """The kind of the first GPU that CUDA lets this process see; None where there is none, or the driver can't say."""
    nvml = _nvml()
    if nvml is None:
        return None
    try:
        device = _first(nvml)
        if device is None:
            return None
        major, minor = nvml.nvmlDeviceGetCudaComputeCapability(device)
        driver = _text(nvml.nvmlSystemGetDriverVersion())
        return GpuKind(_text(nvml.nvmlDeviceGetName(device)), (major, minor), driver, _is_divided(nvml, device))
    except nvml.NVMLError:
        return None


def _first(nvml: Any) -> Any:
    """The first GPU, or partition of one, that CUDA lets this process see; None where there is none.

    CUDA counts GPUs as the driver does where CUDA_DEVICE_ORDER is PCI_BUS_ID (`core.system.program`).
    """
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    return nvml.nvmlDeviceGetHandleByIndex(int(first)) if first.isdecimal() else _by_uuid(nvml, first)


def _by_uuid(nvml: Any, told: str) -> Any:
    """The GPU, or the partition of one, whose UUID begins as told; None where there is none."""
    if told.startswith("MIG-"):
        return nvml.nvmlDeviceGetHandleByUUID(told)
    for index in range(nvml.nvmlDeviceGetCount()):
        device = nvml.nvmlDeviceGetHandleByIndex(index)
        if told and _text(nvml.nvmlDeviceGetUUID(device)).startswith(told):
            return device
    return None


def _is_divided(nvml: Any, device: Any) -> bool:
    """Most GPUs can't be divided, and answer with an error."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "").startswith("MIG-"):
        return True
    try:
        current, _pending = nvml.nvmlDeviceGetMigMode(device)
    except nvml.NVMLError:
        return False
    return current == nvml.NVML_DEVICE_MIG_ENABLE


def _text(told: bytes | str) -> str:
    """NVML's older bindings tell names as bytes."""
    return told.decode(errors="replace") if isinstance(told, bytes) else str(told)


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
