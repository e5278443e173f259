"""Damaged input of every kind: each gives a clear message and no traceback, and changes no other files.

`make test` tests a sample. `make faults` (FER_FAULTS=whole) tests 2,000 images, 500 run directories, and 500 CSVs and
configs.
"""

from __future__ import annotations

import os
import random
import shutil
import threading
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from mutations import contents, damage_bytes, damage_folder
from PIL import Image
from whole_run import NAMES, save

from core.data import images
from core.data.images import ImageError
from core.data.pixels import load_pixels
from core.data.readers.reader_factory import read_dataset
from core.errors import FerError
from core.runs.checkpoint import find_checkpoint, restore_kept
from core.runs.reader import FINAL_STATES, read_run
from core.runs.resume import load_config, requeue
from core.runs.writer import RunWriter, request_stop
from fer_tui import cli

WHOLE = os.environ.get("FER_FAULTS") == "whole"
IMAGES = 2000 if WHOLE else 300
FOLDERS = 500 if WHOLE else 60
TEXTS = 500 if WHOLE else 60


def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> str:
    """Run a command in this process, check that its error messages are readable, and return its stderr."""
    status = cli.main([str(argument) for argument in arguments])
    said = capsys.readouterr()
    assert status in (0, 1, 2), said.err
    assert "a bug in fer-tui" not in said.err and "Traceback" not in said.err, said.err
    assert "\x1b" not in said.out + said.err
    if status:
        told = [line for line in said.err.splitlines() if not line.startswith("warning: ")]
        assert told and told[-1].startswith("fer-tui: "), said.err
    return said.err


# Images


def whole_images() -> list[bytes]:
    """Return images in the formats that cameras and tools write."""
    draw = np.random.default_rng(0)
    grey, colour = draw.integers(0, 256, (48, 48), np.uint8), draw.integers(0, 256, (64, 48, 3), np.uint8)
    deep = Image.fromarray(draw.integers(0, 65536, (48, 48)).astype(np.uint16))
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds = (
        (Image.fromarray(grey), "JPEG", {}),
        (Image.fromarray(colour), "JPEG", {"progressive": True, "exif": exif}),
        (Image.fromarray(colour).convert("CMYK"), "JPEG", {}),
        (Image.fromarray(grey), "PNG", {}),
        (Image.fromarray(colour).convert("P"), "PNG", {"transparency": 3}),
        (Image.fromarray(colour).convert("RGBA"), "PNG", {}),
        (deep, "PNG", {}),
        (Image.fromarray(grey > 128), "PNG", {}),
    )
    made = []
    for image, form, options in kinds:
        file = BytesIO()
        image.save(file, form, **options)
        made.append(file.getvalue())
    return made


def test_damaged_images(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    draw, whole = random.Random(0), whole_images()
    refused = 0
    for number in range(IMAGES):
        content = damage_bytes(draw.choice(whole), draw)
        label = ("happy", "sad")[number % 2]
        path = tmp_path / "faces" / "train" / label / f"{number:05d}.{draw.choice(('png', 'jpg'))}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        try:
            shape = images.to_pixels(images.decode_image(content), 1).shape
        except ImageError as error:
            refused += 1
            assert str(error)
        else:
            assert len(shape) == 3 and shape[2] == 1
    assert IMAGES / 4 < refused < IMAGES
    dataset = read_dataset(tmp_path / "faces")
    pixels = load_pixels(dataset, dataset.frame, 48, 1)
    assert len(pixels.values) + refused == IMAGES
    said = command(capsys, monkeypatch, "data", "check", tmp_path / "faces", "--json")
    assert not said


# Run directories


def test_damaged_run_directories(
    whole_run: Path,
    canary: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):
    draw, before = random.Random(0), contents(canary)
    monkeypatch.setattr("core.runs.lock.PAUSE", 0.001)
    monkeypatch.setattr("core.runs.lock.WATCH", 0.002)
    folder = tmp_path / "runs"
    for number in range(FOLDERS):
        run = folder / f"{number:05d}"
        shutil.copytree(whole_run, run)
        done = damage_folder(run, NAMES, canary, draw)
        beside = {path.name for path in tmp_path.iterdir()}
        _read(run)
        _write(run)
        assert contents(canary) == before, done
        assert {path.name for path in tmp_path.iterdir()} == beside, done
    for form in ("table", "csv", "markdown", "latex", "json"):
        command(capsys, monkeypatch, "compare", "--runs", folder, "--format", form)
    for arguments in (("runs",), ("runs", "--json")):
        command(capsys, monkeypatch, *arguments, "--runs", folder)
    for run in list(folder.iterdir())[:: FOLDERS // 20]:
        command(capsys, monkeypatch, "evaluate", run, "--data", whole_run)
        # A run that could not start still waits for this process, and `stop` waits for the run.
        if read_run(run).state in FINAL_STATES:
            command(capsys, monkeypatch, "stop", run)
    assert contents(canary) == before


def _read(run: Path) -> None:
    """Call every function that reads a run directory; each may raise a FerError."""
    snapshot = read_run(run)
    assert snapshot.state
    assert snapshot.seconds >= 0 or snapshot.seconds != snapshot.seconds
    _ = snapshot.kept_epoch(), snapshot.warnings, snapshot.message, snapshot.model
    find_checkpoint(run)
    for read in (load_config, _predictions):
        try:
            read(run)
        except FerError as error:
            assert "\n" not in str(error)


def _predictions(run: Path) -> None:
    from core.runs.predictions import read_predictions

    read_predictions(run)


def _write(run: Path) -> None:
    """Write all files of a training."""
    try:
        request_stop(run)
        requeue(run, epochs=9)
        with RunWriter(run, threading.Event()) as writer:
            writer.truncate_history(2)
            writer.write_environment({"classes": ["a"]})
            writer.append_epoch({"epoch": 3})
            save(run, 3)
            found = find_checkpoint(run)
            assert found
            if found.kept:
                restore_kept(run, found.kept)
            writer.update(state="completed")
    except (FerError, OSError) as error:
        assert str(error)


# Configs and CSVs

CONFIG = b"""model = "compact"
epochs = 3
learning_rate = 1e-3
augmentation = "basic"
patience = 5
seed = 1
time_budget = "10m"
weights = "none"
"""
OWN_SETTINGS = b"""theme = "dark"
mouse = false
[train]
epochs = 5
[presets.mine]
epochs = 2
[keys]
"app.quit" = "f10"
"""


def test_damaged_configs(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    draw, path, own = random.Random(0), tmp_path / "config.toml", tmp_path / "own.toml"
    monkeypatch.setenv("FER_TUI_CONFIG", str(own))
    for _ in range(TEXTS // 2):
        path.write_bytes(damage_bytes(CONFIG, draw))
        own.write_bytes(damage_bytes(OWN_SETTINGS, draw))
        # The data set is missing, so that no settings start a training.
        command(capsys, monkeypatch, "train", "--config", path, "--data", tmp_path / "none", "--model", "compact")
        command(capsys, monkeypatch, "settings")


def test_damaged_csvs(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    draw, path = random.Random(0), tmp_path / "fer2013.csv"
    rows = [f'{number % 7},"{" ".join(["7"] * 2304)}",{("Training", "PublicTest")[number % 2]}' for number in range(14)]
    whole = "\n".join(["emotion,pixels,Usage", *rows, ""]).encode()
    for _ in range(TEXTS // 2):
        path.write_bytes(damage_bytes(whole, draw))
        command(capsys, monkeypatch, "data", "check", path, "--json")
