"""All feeds make the same batches: on the host, before the call, or inside the compiled function."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from core.config.training_config import TrainingConfig, resolve
from core.data.demo import write_faces
from core.data.training_data import TrainingData, load_training_data
from core.training.auto_settings import AutoSettings
from core.training.devices import Devices
from core.training.feed import DeviceFeed, EagerFeed, Feed, HostFeed, training_feed, validation_feed
from core.training.plan import Plan, plan_epochs

CPU = Devices(("CPU:0",), "CPU")
HOST, DEVICE, XLA = (
    AutoSettings("float32", "host", jit_compile=False),
    AutoSettings("float32", "device", jit_compile=False),
    AutoSettings("float32", "device", jit_compile=True),
)


# A CPU that acts as a GPU.
GPU: Any = SimpleNamespace(names=("CPU:0",), on_gpu=True)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "faces"
    write_faces(folder, per_class=5, seed=3)
    return folder


def prepared(faces: Path, **settings: Any) -> tuple[TrainingConfig, TrainingData, Plan]:
    config = resolve({"data": faces, "model": "compact", "batch_size": 8, "augmentation": "strong", **settings})
    data = load_training_data(config, threading.Event())
    assert data is not None
    return config, data, plan_epochs(config, data, CPU)


def drawn(feed: Feed, batches: int) -> list[list[np.ndarray]]:
    """Return the batches of the compiled function, one per call."""
    import tensorflow as tf

    function = tf.function(lambda *arguments: feed.batch(tf.constant(0), *arguments), input_signature=feed.signature)
    return [[np.asarray(part) for part in function(*feed.take(1))] for _ in range(batches)]


def largest_difference(some: Sequence[Sequence[np.ndarray]], others: Sequence[Sequence[np.ndarray]]) -> float:
    """Return the largest difference between the images of two lists of batches; all else must be equal."""
    for one, other in zip(some, others, strict=True):
        assert [part.shape for part in one] == [part.shape for part in other]
        for part, its in zip(one[1:], other[1:], strict=True):
            np.testing.assert_array_equal(part, its)
    return max(np.abs(one[0] - other[0]).max() for one, other in zip(some, others, strict=True))


@pytest.mark.parametrize(
    "settings",
    [{}, {"protocol": "published"}, {"class_weights": "balanced", "image_size": 64, "channels": 3}],
    ids=["sound", "published", "weights"],
)
def test_every_feed_has_the_same_batches(faces: Path, settings: dict[str, Any]) -> None:
    config, data, plan = prepared(faces, **settings)
    feeds = [
        training_feed(config, data, plan, used, auto, epochs_done=1)
        for used, auto in ((CPU, HOST), (CPU, DEVICE), (GPU, DEVICE))
    ]
    assert [type(feed) for feed in feeds] == [HostFeed, EagerFeed, DeviceFeed]
    for feed in feeds:
        feed.begin()
    # More batches than one pass has.
    host, eager, device = (drawn(feed, 2 * plan.steps_per_pass) for feed in feeds)
    assert len({batch[0].shape for batch in host}) == (1 if not plan.last_batch_size else 2)
    assert largest_difference(host, eager) == 0.0
    assert largest_difference(host, device) < 0.01


def test_a_call_of_many_steps_has_the_batches_of_as_many_calls(faces: Path) -> None:
    import tensorflow as tf

    config, data, plan = prepared(faces)
    one, many = (training_feed(config, data, plan, CPU, XLA, epochs_done=0) for _ in range(2))
    for feed in (one, many):
        feed.begin()
    singly = drawn(one, 3)
    arguments = many.take(3, pad_to=7)
    assert arguments[0].shape == (7, 8)
    at_once = [[np.asarray(part) for part in many.batch(tf.constant(number), *arguments)] for number in range(3)]
    assert largest_difference(singly, at_once) < 0.01
    assert largest_difference(drawn(one, 1), drawn(many, 1)) < 0.01


@pytest.mark.parametrize("protocol", ["sound", "published"])
def test_validation_is_the_same_from_every_feed_whenever_it_begins(faces: Path, protocol: str) -> None:
    config, data, plan = prepared(faces, protocol=protocol)
    epoch = [0]
    told: list[list[list[np.ndarray]]] = []
    for used, auto in ((CPU, HOST), (CPU, DEVICE), (GPU, DEVICE)):
        feed = validation_feed(config, data, plan, used, auto, lambda: epoch[0])
        for epoch[0] in (0, 1, 1):
            feed.begin()
            told.append(drawn(feed, -(-plan.val_images // plan.val_batch_size)))
            assert sum(len(batch[0]) for batch in told[-1]) == plan.val_images
    for first, second, again in (told[0:3], told[3:6], told[6:9]):
        assert largest_difference(second, again) == 0.0
        assert largest_difference(first, told[0]) == 0.0
        assert largest_difference(second, told[1]) == 0.0


def test_histories_of_either_feed_are_equal_to_the_bit(faces: Path, tmp_path: Path) -> None:
    """Use a new process, because determinism applies to the whole process."""
    code = """
import json, sys, threading
from pathlib import Path
from core.config.training_config import resolve
from core.runs.reader import read_run
from core.runs.writer import create_run
from core.training.trainer import train_run
told = []
for feed in ("host", "device"):
    config = resolve({"data": Path(sys.argv[1]), "model": "model2", "width": 0.25, "image_size": 48, "channels": 1,
                      "epochs": 2, "batch_size": 8, "augmentation": "strong", "ema": 0.9,
                      "deterministic": True, "feed": feed})
    run = create_run(config, Path(sys.argv[2]))
    train_run(config, run, threading.Event())
    snapshot = read_run(run)
    times = ("seconds", "images_per_second")
    history = [{name: value for name, value in row.items() if name not in times} for row in snapshot.history]
    told.append([snapshot.state, snapshot.environment["feed"], snapshot.environment["jit_compile"], history])
print(json.dumps(told))
"""
    answer = subprocess.run(
        [sys.executable, "-c", code, str(faces), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    host, device = json.loads(answer.stdout.splitlines()[-1])
    assert (host[:3], device[:3]) == (["completed", "host", "off"], ["completed", "device", "off"])
    assert len(host[3]) == 2
    assert host[3] == device[3]
