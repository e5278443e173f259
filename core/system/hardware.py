"""The load of this machine: GPUs through NVML, CPU and memory through psutil."""

from __future__ import annotations

import functools
import os
from dataclasses import dataclass
from typing import Any

import psutil


@dataclass(frozen=True)
class GpuLoad:
    """The load of a GPU at one moment.

    Attributes:
        index: the GPU's index in `nvidia-smi`.
        name: the product name.
        utilization: percent of the last sample period in which a kernel ran; None if the driver does not report it.
        used: memory in use by all processes, in bytes.
        total: total memory, in bytes.
    """

    index: int
    name: str
    utilization: int | None
    used: int
    total: int


@dataclass(frozen=True)
class SystemLoad:
    """The load of the machine at one moment.

    Attributes:
        cpu: percent of all cores since the previous sample in this thread; 0 for the first sample.
        used: memory that is not available to new programs, in bytes.
        total: total memory, in bytes.
        gpus: the GPUs that the driver reports; empty without a GPU or a driver.
    """

    cpu: int
    used: int
    total: int
    gpus: tuple[GpuLoad, ...] = ()


@dataclass(frozen=True)
class GpuKind:
    """The properties of a GPU that a compiled program depends on.

    Attributes:
        name: the product name.
        capability: the compute capability, such as (9, 0).
        driver: the version of the driver.
        is_divided: whether the GPU is split into partitions (MIG).
    """

    name: str
    capability: tuple[int, int]
    driver: str
    is_divided: bool = False


def sample_load() -> SystemLoad:
    """Sample the machine's load. Takes a few milliseconds; the first call with a GPU driver takes up to a second."""
    memory = psutil.virtual_memory()
    return SystemLoad(round(psutil.cpu_percent()), memory.total - memory.available, memory.total, _gpus())


def _gpus() -> tuple[GpuLoad, ...]:
    """Return the load of every GPU that the driver can query."""
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
    """Return the free memory of the first GPU visible to CUDA in this process, in bytes; None if unknown."""
    nvml = _nvml()
    if nvml is None:
        return None
    try:
        device = _first(nvml)
        return None if device is None else int(nvml.nvmlDeviceGetMemoryInfo(device).free)
    except nvml.NVMLError:
        return None


def first_gpu() -> GpuKind | None:
    """Return the kind of the first GPU visible to CUDA in this process; None without one or if it is unknown."""
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
    """Return the handle of the first GPU or GPU partition visible to CUDA in this process; None without one.

    CUDA uses the driver's order if CUDA_DEVICE_ORDER is PCI_BUS_ID (see `core.system.program`).
    """
    first = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0].strip()
    return nvml.nvmlDeviceGetHandleByIndex(int(first)) if first.isdecimal() else _by_uuid(nvml, first)


def _by_uuid(nvml: Any, prefix: str) -> Any:
    """Return the GPU whose UUID starts with `prefix`, or the partition with this UUID; None without one."""
    if prefix.startswith("MIG-"):
        return nvml.nvmlDeviceGetHandleByUUID(prefix)
    for index in range(nvml.nvmlDeviceGetCount()):
        device = nvml.nvmlDeviceGetHandleByIndex(index)
        if prefix and _text(nvml.nvmlDeviceGetUUID(device)).startswith(prefix):
            return device
    return None


def _is_divided(nvml: Any, device: Any) -> bool:
    """Return whether MIG splits the GPU. For most GPUs, which do not support MIG, the query raises an error."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "").startswith("MIG-"):
        return True
    try:
        current, _pending = nvml.nvmlDeviceGetMigMode(device)
    except nvml.NVMLError:
        return False
    return current == nvml.NVML_DEVICE_MIG_ENABLE


def _text(value: bytes | str) -> str:
    """Return a string; older NVML bindings return bytes."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _busy(nvml: Any, device: Any) -> int | None:
    """Return the utilization in percent; None for a partitioned GPU (MIG), which reports only its memory."""
    try:
        return int(nvml.nvmlDeviceGetUtilizationRates(device).gpu)
    except nvml.NVMLError:
        return None


@functools.cache
def _nvml() -> Any:
    """Return NVML, initialized once per process; None without a driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return None
    return pynvml
