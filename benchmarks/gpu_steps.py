"""Parts of `benchmarks/gpu.py` that train in their own process: the training step, its profile, and Keras's `fit`."""

from __future__ import annotations

import contextlib
import math
import os
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from core.config.presets import find_preset
from core.config.training_config import TrainingConfig, resolve
from core.data.pipeline import training_rows, training_stream
from core.data.readers.reader_factory import read_dataset
from core.data.splits import stratified_subsample, with_validation_split
from core.data.training_data import class_weights
from core.training.compiled_steps import MOST_STEPS, CompiledSteps
from core.training.feed import DeviceFeed, HostFeed

# Columns of an output line: the name of the figure, the figure. Its unit follows.
WIDTH, FIGURE = 68, 12
# Number of FER2013's training images.
IMAGES = 28_709
CLASSES = 7


@dataclass(frozen=True)
class PartTask:
    """The task of a part.

    Attributes:
        data: absolute path of the data set.
        batch: images per step.
        seed: the run's seed.
        limit: maximum number of training images; None for all.
        epochs: number of epochs; None for the part's default.
        seconds: for how long a rate is measured.
        variant: name of the XLA_FLAGS of this process.
    """

    data: str
    batch: int
    seed: int = 1
    limit: int | None = None
    epochs: int | None = None
    seconds: float = 2.0
    variant: str = ""


@dataclass(frozen=True)
class StepMode:
    """A way to run the training step.

    Attributes:
        name: the mode's name in the output.
        feed: where the images are stored.
        jit: whether XLA compiles the step.
        loop_in_xla: whether XLA also compiles the loop over steps, gathering and augmentation.
    """

    name: str
    feed: Literal["device", "host"]
    jit: bool
    loop_in_xla: bool


STEP_MODES = (
    StepMode("XLA, loop and augmentation too", "device", True, True),
    StepMode("no XLA", "device", False, False),
    StepMode("XLA step in a plain loop", "device", True, False),
    StepMode("XLA step, images from the host", "host", True, False),
)


def print_figure(what: str, figure: float, unit: str, digits: int = 0) -> None:
    """Print a figure."""
    print(f"{what:<{WIDTH}s}{figure:>{FIGURE},.{digits}f} {unit}", flush=True)


def champion(asked: PartTask, **settings: Any) -> TrainingConfig:
    """Return the champion's config at a batch size. The learning rate scales with the square root of the batch size."""
    chosen = {**find_preset("champion").settings, "data": asked.data, "model": "compact", "batch_size": asked.batch}
    usual = resolve(chosen)
    rate = usual.learning_rate * math.sqrt(asked.batch / 64)
    return resolve(
        {**chosen, "learning_rate": float(f"{rate:.3g}"), "seed": asked.seed, "limit": asked.limit, **settings}
    )


@contextlib.contextmanager
def compiled_step(asked: PartTask, mode: StepMode) -> Iterator[CompiledSteps]:
    """Yield the champion's training step on endless whole batches of random images. It is not compiled yet."""
    import keras

    from core.data.pipeline import training_batch_maker
    from core.training import devices
    from core.training.build import build_model, compile_model

    config = champion(asked)
    used = devices.prepare(config)
    precision = devices.choose_precision(config.precision, used.capability)
    whole = max((asked.limit or IMAGES) // asked.batch, 1) * asked.batch
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (whole, config.image_size, config.image_size, 1), dtype=np.uint8)
    targets = np.eye(CLASSES, dtype=np.float32)[draw.integers(0, CLASSES, whole)]
    weights = class_weights(config.class_weights, targets)
    print(f"{used.description}, {precision}, batch {asked.batch}: {mode.name}", flush=True)
    with devices.scope(used, precision):
        model = build_model(config, CLASSES)
        compile_model(model, config, whole // asked.batch)
        model.optimizer.build(model.trainable_variables)
        if mode.feed == "host":
            feed = HostFeed(training_stream(pixels, targets, config, class_weights=weights))
        else:
            made = training_batch_maker(
                pixels, targets, config, weights, device=used.names[0], compiled=mode.loop_in_xla
            )
            feed = DeviceFeed(training_rows(whole, config), made, config.seed)
        feed.begin()
        yield CompiledSteps(
            model.train_step,
            model.metrics[0].result,
            feed,
            many=used.on_gpu,
            jit_compile=mode.jit,
            loop_in_xla=mode.loop_in_xla,
            programs=used.programs,
        )
    keras.backend.clear_session()


def measure(asked: PartTask, mode: StepMode, name: str) -> None:
    """Print the seconds of the first call and the images per second of a mode."""
    with compiled_step(asked, mode) as step:
        began = time.perf_counter()
        step.run(MOST_STEPS)
        print_figure(f"{name}: first call", time.perf_counter() - began, "s", 1)
        # The first calls adjust the number of steps per call to 0.2 s.
        for _ in range(4):
            step.run(MOST_STEPS)
        done, calls, began = 0, 0, time.perf_counter()
        while (taken := time.perf_counter() - began) < asked.seconds:
            done += step.run(MOST_STEPS)[0]
            calls += 1
        print_figure(name, done * asked.batch / taken, "images/s")
        print_figure(f"{name}: one step", 1000 * taken / done, "ms", 2)
        print_figure(f"{name}: steps per call", done / calls, "", 1)


def step(asked: PartTask) -> None:
    """Measure the training step in every mode."""
    for mode in STEP_MODES:
        measure(asked, mode, f"step {asked.batch}, {mode.name}")


def flags(asked: PartTask) -> None:
    """Measure the training step with the XLA_FLAGS of this process."""
    measure(asked, STEP_MODES[0], f"step {asked.batch}, {asked.variant}")


def fit(asked: PartTask) -> None:
    """Measure a usual Keras script: a folder read in every epoch, augmentation layers and `fit`."""
    import keras

    from core.training import devices
    from core.training.build import build_model, compile_model

    config = champion(asked)
    used = devices.prepare(config)
    precision = devices.choose_precision(config.precision, used.capability)
    layers = keras.layers
    with tempfile.TemporaryDirectory() as folder, devices.scope(used, precision):
        images = _write_tree(asked, Path(folder))
        for cached in (False, True):
            data = keras.utils.image_dataset_from_directory(
                folder,
                label_mode="categorical",
                color_mode="grayscale",
                image_size=(config.image_size, config.image_size),
                batch_size=asked.batch,
                verbose=False,
            )
            data = (data.cache() if cached else data).prefetch(-1)
            network = build_model(config, CLASSES)
            augment = keras.Sequential(
                [
                    layers.RandomFlip("horizontal"),
                    layers.RandomRotation(0.04),
                    layers.RandomZoom((-0.15, 0.15)),
                    layers.RandomTranslation(0.1, 0.1),
                    layers.RandomContrast(0.3),
                ]
            )
            inputs = keras.Input(network.input_shape[1:])
            model = keras.Model(inputs, network(augment(inputs)))
            compile_model(model, config, steps_per_epoch=math.ceil(images / asked.batch))
            began, ended = [], []
            notes = keras.callbacks.LambdaCallback(
                on_epoch_begin=lambda epoch, logs, began=began: began.append(time.perf_counter()),
                on_epoch_end=lambda epoch, logs, ended=ended: ended.append(time.perf_counter()),
            )
            model.fit(data, epochs=2, verbose=0, callbacks=[notes])
            name = f"plain fit {asked.batch}{', images cached in memory' if cached else ''}"
            print_figure(name, images / (ended[1] - began[1]), "images/s")


def _write_tree(asked: PartTask, folder: Path) -> int:
    """Write the training images to one folder per class, as links to files or as PNGs. Return their number."""
    dataset = with_validation_split(read_dataset(Path(asked.data)), 0.1)
    frame = stratified_subsample(dataset.split("train"), asked.limit, asked.seed)
    for number, (path, label) in enumerate(zip(frame["path"], frame["label"], strict=True)):
        place, source = folder / label, dataset.root / path
        place.mkdir(exist_ok=True)
        if source.is_file():
            (place / f"{number}{source.suffix}").symlink_to(source)
        else:
            dataset.image(path).save(place / f"{number}.png")
    return len(frame)


def profile(asked: PartTask) -> None:
    """Print the kernels per step, the GPU's idle time, and the kernels that take the most time."""
    import tensorflow as tf

    for mode in STEP_MODES[:2]:
        with compiled_step(asked, mode) as step, tempfile.TemporaryDirectory() as folder:
            for _ in range(4):
                step.run(MOST_STEPS)
            on_gpu = bool(tf.config.list_physical_devices("GPU"))
            # The host has many events, which are only needed without a GPU.
            options = tf.profiler.experimental.ProfilerOptions(
                host_tracer_level=1 if on_gpu else 2, python_tracer_level=0, device_tracer_level=1
            )
            tf.profiler.experimental.start(folder, options)
            done = sum(step.run(20)[0] for _ in range(3))
            tf.profiler.experimental.stop()
            _print_kernels(f"profile {asked.batch}, {mode.name}", Path(folder), done)


def _print_kernels(name: str, folder: Path, steps: int) -> None:
    where, events = _events(folder)
    print(f"{name}: events of {where}", flush=True)
    if not events:
        return
    spans = sorted((begin, begin + length) for _, begin, length in events)
    first, busy, until = spans[0][0], 0, spans[0][0]
    for begin, end in spans:
        busy += max(end - max(begin, until), 0)
        until = max(until, end)
    print_figure(f"{name}: kernels and copies per step", len(events) / steps, "", 1)
    print_figure(f"{name}: one step", (until - first) / steps / 1e9, "ms", 3)
    print_figure(f"{name}: time without any", 100 * (1 - busy / (until - first)), "%", 1)
    spent, times = Counter[str](), Counter[str]()
    for kind, _, length in events:
        spent[kind] += length
        times[kind] += 1
    for kind, length in spent.most_common(12):
        print_figure(
            f"    {kind[: WIDTH - 6]}", length / steps / 1e6, f"us per step, {times[kind] / steps:.1f} times", 1
        )


def _events(folder: Path) -> tuple[str, list[tuple[str, int, int]]]:
    """Read the events of GPUs, or else of the CPU: name, start and duration in picoseconds of each event."""
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    space = xplane_pb2.XSpace()
    space.ParseFromString(next(folder.rglob("*.xplane.pb")).read_bytes())
    for prefix, line_of in (("/device:GPU", "Stream"), ("/host:CPU", "")):
        planes = [plane for plane in space.planes if plane.name.startswith(prefix)]
        events = [
            (
                plane.event_metadata[event.metadata_id].name,
                line.timestamp_ns * 1000 + event.offset_ps,
                event.duration_ps,
            )
            for plane in planes
            for line in plane.lines
            if line.name.startswith(line_of)
            for event in line.events
        ]
        if events:
            return planes[0].name, events
    return "no device: the profile is empty", []
