"""The values of `auto` depend on GPU, memory, model and length of the run, and are chosen once per run."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from core.config.training_config import resolve
from core.training import auto_settings
from core.training.auto_settings import MIN_STEPS_FOR_XLA, AutoSettings, choose_auto_settings
from core.training.devices import Devices

CPU = Devices(("CPU:0",), "CPU")
GPU = Devices(("GPU:0",), "Test GPU", (9, 0))
TWO = Devices(("GPU:0", "GPU:1"), "Test GPU x 2", (7, 0))
LONG = {"epochs": MIN_STEPS_FOR_XLA}
MIB = 2**20


def chosen(
    used: Devices, *, earlier: dict[str, Any] | None = None, pixels: Any = None, steps: int = 1, **settings: Any
) -> AutoSettings:
    config = resolve({"data": "x", "model": "compact", **settings})
    values = np.zeros((10, MIB), np.uint8) if pixels is None else pixels
    data: Any = SimpleNamespace(train=SimpleNamespace(values=values), validation=SimpleNamespace(values=values[:1]))
    plan: Any = SimpleNamespace(steps_per_epoch=steps)
    return choose_auto_settings(config, used, plan, data, earlier or {})  # pyright: ignore[reportArgumentType]


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auto_settings, "free_gpu_memory", lambda: 44 * MIB)


@pytest.mark.parametrize(
    ("used", "settings", "feed", "jit"),
    [
        (CPU, LONG, "host", False),
        (GPU, LONG, "device", True),
        (GPU, {"epochs": MIN_STEPS_FOR_XLA - 1}, "device", False),
        (GPU, LONG | {"deterministic": True}, "device", False),
        (GPU, LONG | {"model": "model4"}, "device", False),
        (TWO, LONG | {"devices": "all"}, "host", False),
        (GPU, {"epochs": 1, "jit_compile": "on"}, "device", True),
        (GPU, LONG | {"jit_compile": "off", "feed": "host"}, "host", False),
        (CPU, {"jit_compile": "on", "feed": "device"}, "device", True),
    ],
)
def test_auto(used: Devices, settings: dict[str, Any], feed: str, jit: bool) -> None:
    found = chosen(used, **settings)
    assert (found.feed, found.jit_compile) == (feed, jit)


def test_the_steps_of_all_epochs_count() -> None:
    assert chosen(GPU, epochs=30, steps=MIN_STEPS_FOR_XLA // 30).jit_compile
    assert not chosen(GPU, epochs=30, steps=MIN_STEPS_FOR_XLA // 30 - 1).jit_compile


def test_images_go_where_there_is_room(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Any
) -> None:
    caplog.set_level(logging.INFO)
    # Train and validation take 11 MiB, exactly a quarter of the free memory.
    assert chosen(GPU).feed == "device"
    assert not caplog.messages
    monkeypatch.setattr(auto_settings, "free_gpu_memory", lambda: 44 * MIB - 1)
    assert chosen(GPU).feed == "host"
    assert "they take 11 MiB, and the GPU has 44 MiB free" in caplog.messages[-1]
    monkeypatch.setattr(auto_settings, "free_gpu_memory", lambda: None)
    assert chosen(GPU).feed == "host"
    assert "the driver does not report" in caplog.messages[-1]
    monkeypatch.setattr(auto_settings, "free_gpu_memory", lambda: 10**12)
    mapped = np.memmap(tmp_path / "pixels", np.uint8, "w+", shape=(10, MIB))
    assert chosen(GPU, pixels=mapped).feed == "host"
    assert "image_memory" in caplog.messages[-1]
    monkeypatch.setattr(auto_settings, "MOST_BYTES", 11 * MIB - 1)
    assert chosen(GPU).feed == "host"


def test_what_was_decided_when_the_run_began_holds() -> None:
    earlier = {"precision": "mixed_float16", "feed": "host", "jit_compile": "off"}
    assert chosen(GPU, earlier=earlier, **LONG) == AutoSettings("mixed_float16", "host", jit_compile=False)
    earlier = {"precision": "mixed_bfloat16", "feed": "device", "jit_compile": "on"}
    assert chosen(CPU, earlier=earlier) == AutoSettings("mixed_bfloat16", "device", jit_compile=True)
    # A mirrored run has fixed settings.
    assert chosen(TWO, earlier=earlier, devices="all") == AutoSettings("mixed_bfloat16", "host", jit_compile=False)


def test_an_old_run_keeps_what_its_version_did() -> None:
    # The config sets host and off (core.runs.resume), and environment.json has the precision.
    found = chosen(GPU, earlier={"precision": "mixed_float16"}, feed="host", jit_compile=False, **LONG)
    assert found == AutoSettings("mixed_float16", "host", jit_compile=False)
