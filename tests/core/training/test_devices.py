"""Precision, GPUs and mirrored runs, tested on a CPU."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from core.config.training_config import resolve
from core.errors import ConfigError
from core.training import devices


@pytest.mark.parametrize(
    ("wanted", "capability", "precision"),
    [
        ("auto", None, "float32"),
        ("auto", (6, 1), "float32"),
        ("auto", (7, 0), "mixed_float16"),
        ("auto", (7, 5), "mixed_float16"),
        ("auto", (8, 0), "mixed_bfloat16"),
        ("auto", (9, 0), "mixed_bfloat16"),
        ("mixed_bfloat16", None, "mixed_bfloat16"),
        ("float32", (9, 0), "float32"),
    ],
)
def test_precision(wanted: str, capability: tuple[int, int] | None, precision: str) -> None:
    assert devices.choose_precision(wanted, capability) == precision


class _FakeGpus:
    """A fake `tf.config` with two GPUs that records its calls."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capabilities: list[tuple[int, int]]) -> None:
        import tensorflow as tf

        self.growing: list[Any] = []
        gpus = [SimpleNamespace(name=f"/physical_device:GPU:{i}", index=i) for i in range(len(capabilities))]
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus if kind == "GPU" else [])
        experimental = tf.config.experimental
        monkeypatch.setattr(experimental, "set_memory_growth", lambda gpu, on: self.growing.append((gpu.index, on)))
        monkeypatch.setattr(
            experimental,
            "get_device_details",
            lambda gpu: {"device_name": "Test GPU", "compute_capability": capabilities[gpu.index]},
        )


def config(**settings: Any) -> Any:
    return resolve({"data": "x", "model": "compact", **settings})


def test_gpu_memory_grows_and_the_first_gpu_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = _FakeGpus(monkeypatch, [(8, 0), (6, 1)])
    used = devices.prepare(config())
    assert gpus.growing == [(0, True), (1, True)]
    assert used.names == ("GPU:0",)
    assert used.capability == (8, 0)
    assert used.on_gpu
    assert not used.mirrored


def test_all_gpus_are_mirrored_at_the_precision_of_the_oldest(monkeypatch: pytest.MonkeyPatch) -> None:
    _FakeGpus(monkeypatch, [(8, 0), (6, 1)])
    used = devices.prepare(config(devices="all"))
    assert used.names == ("GPU:0", "GPU:1")
    assert used.mirrored
    assert used.description == "Test GPU x 2"
    assert used.capability == (6, 1)


def test_cpu_is_used_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    _FakeGpus(monkeypatch, [(8, 0)])
    assert devices.prepare(config(devices="cpu")).names == ("CPU:0",)


def test_no_gpu_is_one_line() -> None:
    with pytest.raises(ConfigError, match=r"^devices: no GPU"):
        devices.prepare(config(devices="all"))


def test_mirrored_runs_on_logical_cpus(tmp_path: Path) -> None:
    """In a process of their own: logical devices must be set before TensorFlow starts."""
    code = """
import json, sys, threading
from pathlib import Path
from core.config.training_config import resolve
from core.data.demo import write_faces
from core.runs.reader import read_run
from core.runs.writer import create_run
from core.training.trainer import train_run
folder = Path(sys.argv[1])
write_faces(folder / "faces", per_class=6, seed=0)
for precision in ("auto", "mixed_bfloat16"):
    config = resolve({"data": folder / "faces", "model": "compact", "width": 0.1, "image_size": 32, "epochs": 2,
                      "batch_size": 8, "devices": "cpu:2", "precision": precision, "class_weights": "balanced"})
    run = create_run(config, folder / "runs")
    state = train_run(config, run, threading.Event())
    snapshot = read_run(run)
    print(json.dumps([state, snapshot.message, len(snapshot.history), snapshot.environment["devices"],
                      snapshot.environment["precision"], snapshot.evaluation["images"]]))
"""
    answer = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    told = [json.loads(line) for line in answer.stdout.splitlines()[-2:]]
    assert told == [
        ["completed", "", 2, ["CPU:0", "CPU:1"], precision, 7] for precision in ("float32", "mixed_bfloat16")
    ]
