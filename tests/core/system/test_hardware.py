from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pynvml
import pytest

from core.system import hardware as load

GIB = 1024**3


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """Clear the cached NVML before each test."""
    load._nvml.cache_clear()
    yield
    load._nvml.cache_clear()


@pytest.fixture
def fake_nvml(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Add fake GPUs: index to utilization in percent, or to the error that the query raises."""

    def put(gpus: dict[int, int | pynvml.NVMLError], busy_error: pynvml.NVMLError | None = None) -> None:
        def handle(index: int) -> int:
            found = gpus[index]
            if isinstance(found, pynvml.NVMLError):
                raise found  # pyright: ignore
            return index

        def busy(index: int) -> Any:
            if busy_error:
                raise busy_error
            return SimpleNamespace(gpu=gpus[index])

        monkeypatch.setattr(pynvml, "nvmlInit", lambda: None)
        monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", lambda: len(gpus))
        monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByIndex", handle)
        monkeypatch.setattr(pynvml, "nvmlDeviceGetName", lambda index: f"Card {index}")
        monkeypatch.setattr(pynvml, "nvmlDeviceGetUtilizationRates", busy)
        monkeypatch.setattr(
            pynvml, "nvmlDeviceGetMemoryInfo", lambda index: SimpleNamespace(used=(index + 1) * GIB, total=24 * GIB)
        )

    return put


def nvml_error(code: int) -> pynvml.NVMLError:
    return pynvml.NVMLError(code)


def test_every_gpu_is_listed(fake_nvml: Callable[..., None]):
    fake_nvml({0: 87, 1: 3})
    assert load.sample_load().gpus == (
        load.GpuLoad(0, "Card 0", 87, 1 * GIB, 24 * GIB),
        load.GpuLoad(1, "Card 1", 3, 2 * GIB, 24 * GIB),
    )


def test_a_lost_gpu_leaves_the_others(fake_nvml: Callable[..., None]):
    fake_nvml({0: nvml_error(pynvml.NVML_ERROR_GPU_IS_LOST), 1: 3})
    assert [gpu.index for gpu in load.sample_load().gpus] == [1]


def test_a_gpu_that_tells_no_load_tells_its_memory(fake_nvml: Callable[..., None]):
    fake_nvml({0: 1}, nvml_error(pynvml.NVML_ERROR_NOT_SUPPORTED))
    [gpu] = load.sample_load().gpus
    assert gpu.utilization is None and gpu.used == GIB


def test_no_driver_is_no_gpu_and_asked_for_once(monkeypatch: pytest.MonkeyPatch):
    asked = []

    def missing() -> None:
        asked.append(1)
        raise nvml_error(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", missing)
    assert load.sample_load().gpus == load.sample_load().gpus == ()
    assert len(asked) == 1


def test_a_driver_that_goes_away_is_no_gpu(fake_nvml: Callable[..., None], monkeypatch: pytest.MonkeyPatch):
    fake_nvml({0: 1})

    def gone() -> int:
        raise nvml_error(pynvml.NVML_ERROR_UNKNOWN)

    monkeypatch.setattr(pynvml, "nvmlDeviceGetCount", gone)
    assert load.sample_load().gpus == ()


@pytest.fixture
def fake_kinds(fake_nvml: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Three GPUs: the first does not support MIG, the second has MIG off, the third has it on."""

    def mig(index: int) -> list[int]:
        if index == 0:
            raise nvml_error(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return [index - 1, 0]

    fake_nvml({0: 1, 1: 1, 2: 1})
    monkeypatch.setattr(pynvml, "nvmlSystemGetDriverVersion", lambda: b"580.65")
    monkeypatch.setattr(pynvml, "nvmlDeviceGetCudaComputeCapability", lambda index: (9, index))
    monkeypatch.setattr(pynvml, "nvmlDeviceGetUUID", lambda index: f"GPU-{index}f00")
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByUUID", lambda uuid: 1)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetMigMode", mig)


@pytest.mark.parametrize(
    ("visible", "kind"),
    [
        (None, load.GpuKind("Card 0", (9, 0), "580.65")),
        ("1,0", load.GpuKind("Card 1", (9, 1), "580.65")),
        ("GPU-1f", load.GpuKind("Card 1", (9, 1), "580.65")),
        ("2", load.GpuKind("Card 2", (9, 2), "580.65", is_divided=True)),
        ("MIG-1f", load.GpuKind("Card 1", (9, 1), "580.65", is_divided=True)),
        ("-1", None),
        ("", None),
    ],
)
def test_the_first_gpu_that_cuda_sees(
    fake_kinds: None, monkeypatch: pytest.MonkeyPatch, visible: str | None, kind: load.GpuKind | None
):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert load.first_gpu() == kind


def test_a_first_gpu_that_is_lost_is_none(fake_nvml: Callable[..., None], monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    fake_nvml({0: nvml_error(pynvml.NVML_ERROR_GPU_IS_LOST)})
    assert load.first_gpu() is None


def test_no_driver_is_no_first_gpu(monkeypatch: pytest.MonkeyPatch):
    def missing() -> None:
        raise nvml_error(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    monkeypatch.setattr(pynvml, "nvmlInit", missing)
    assert load.first_gpu() is None


def test_cpu_and_memory():
    seen = load.sample_load()
    assert 0 <= seen.cpu <= 100
    assert 0 < seen.used < seen.total
