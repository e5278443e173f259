"""Scenarios with trainings: each function runs one with the installed command and returns its results."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from installed import (
    CommandResult,
    RunFiles,
    RunningCommand,
    fer,
    listed_state,
    mounted,
    only_run,
    read_run_files,
    wait_until,
)
from PIL import Image

from core.data.demo import write_faces

# A small network of a few thousand weights, which is traced in half the time of `compact`.
SMALL = ("--model", "model2", "--width", "0.1", "--image-size", "32", "--channels", "1", "--augmentation", "none")
ENDLESS = ("--epochs", "100000", "--patience", "none", "--batch-size", "1")
MARKUP = "[red]x[bold]"
STEERING = "esc\x1b[31m\x9b2Jape"
SHOWN = r"esc\x1b[31m\x9b2Jape"


def grey(seed: int, level: float) -> Image.Image:
    """Create an image of noise around a grey level."""
    return Image.fromarray(np.random.default_rng(seed).normal(level, 20, (48, 48)).clip(0, 255).astype(np.uint8))


def huge_png(width: int, height: int) -> bytes:
    """Create a valid black PNG with one bit per pixel: large in memory, small on disk."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    packer, row = zlib.compressobj(9), bytes(1 + (width + 7) // 8)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def write_odd_images(folder: Path) -> None:
    """Write unusual images that must be readable, each with an ordinary copy of the same pixels."""
    shades = np.random.default_rng(1).integers(0, 256, (48, 48))
    Image.fromarray((shades * 257).astype(np.uint16)).save(folder / "deep16.png")
    Image.fromarray(shades.astype(np.uint8)).save(folder / "deep8.png")
    Image.new("CMYK", (48, 48), (0, 255, 255, 0)).save(folder / "cmyk.jpg", quality=100)
    Image.new("RGB", (48, 48), (255, 0, 0)).save(folder / "red.png")


BROKEN = {
    "cut.jpg": "damaged",
    "huge.png": "too large",
    "text.jpg": "not a JPEG, PNG, WebP, BMP, GIF, TIFF, PGM or PPM image",
    "zero.jpg": "empty (0 bytes)",
}


def write_broken_images(folder: Path) -> None:
    """Write one unreadable file for each entry of BROKEN."""
    (folder / "zero.jpg").write_bytes(b"")
    (folder / "text.jpg").write_text("a poem about faces\n")
    (folder / "huge.png").write_bytes(huge_png(20_000, 20_000))
    grey(9, 99).save(folder / "cut.jpg")
    content = (folder / "cut.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(content[: len(content) // 2])


def write_bad_data(root: Path) -> Path:
    """Write three classes in two splits and one class in each split only, with broken and unusual images."""
    for split, count in (("train", 6), ("validation", 3)):
        for level, name in enumerate((MARKUP, STEERING, "happy"), start=1):
            folder = root / split / name
            folder.mkdir(parents=True)
            # The most common class is one that the tables name.
            for number in range(count + 10 * (name == STEERING)):
                grey(1000 * level + 100 * count + number, 60 * level).save(folder / f"{number}.png")
    for split, name in (("train", "lonely"), ("validation", "unmet")):
        (root / split / name).mkdir()
        grey(7, 128).save(root / split / name / "1.png")
    write_broken_images(root / "train" / "happy")
    write_odd_images(root / "train" / "happy")
    # A file name that is not UTF-8, as in old archives, for an image that a message must name.
    (root / "validation" / "happy" / os.fsdecode(b"l\xff.png")).write_bytes(b"")
    return root


@dataclass(frozen=True)
class BadImages:
    """A training on bad data, and the results of its model."""

    data: Path
    run: Path
    trained: CommandResult
    environment: Mapping[str, Any]
    evaluated: CommandResult
    elsewhere: CommandResult
    predicted: CommandResult


def bad_images(place: Path) -> BadImages:
    """Train on bad data, evaluate on it and on data with unknown classes, and predict for good and bad files."""
    # The root contains a closing tag of Rich's markup: a single folder name can't contain its slash.
    data = write_bad_data(place / "[red]x[" / "]" / "data")
    runs, faces = place / "runs", place / "faces"
    write_faces(faces, per_class=5, seed=0)
    trained = fer("train", "--data", data, *SMALL, "--epochs", "2", "--runs", runs, "--json", in_new_process=True)
    run = only_run(runs)
    text = data / "train" / "happy" / "text.jpg"
    return BadImages(
        data=data,
        run=run,
        trained=trained,
        environment=json.loads((run / "environment.json").read_text()),
        evaluated=fer("evaluate", "latest", "--data", data, "--runs", runs),
        elsewhere=fer("evaluate", "latest", "--data", faces, "--runs", runs, "--json"),
        predicted=fer(
            *("predict", run, faces / "train/happy/0001.png", "missing.png", text, "--runs", runs, "--json"),
            cwd=place,
            in_new_process=True,
        ),
    )


@dataclass(frozen=True)
class Queue:
    """Two models trained one after another, on a terminal."""

    answer: CommandResult
    pid: int
    runs: tuple[Path, ...]
    configs: tuple[Mapping[str, Any], ...]
    seen: tuple[RunFiles, ...]


def queue(place: Path) -> Queue:
    """Train two models named in a TOML file, with more epochs on the command line than in the file."""
    write_faces(place / "faces", per_class=5, seed=0)
    (place / "two.toml").write_text(
        f'data = "{place / "faces"}"\nmodel = ["compact", "model2"]\n'
        'epochs = 1\nwidth = 0.1\nimage_size = 32\naugmentation = "none"\n'
    )
    started = RunningCommand(
        *("--runs", place / "runs", "train", "--config", place / "two.toml", "--epochs", "2"),
        on_terminal=True,
        in_new_process=True,
    )
    answer = started.wait()
    runs = tuple(sorted((place / "runs").iterdir()))
    configs = tuple(json.loads((run / "config.json").read_text()) for run in runs)
    return Queue(answer, started.process.pid, runs, configs, tuple(read_run_files(run) for run in runs))


@dataclass(frozen=True)
class Interruption:
    """A part of a training, from its start or resumption to its end.

    Attributes:
        answer: the result of the command.
        before: the run when the end was requested.
        after: the run after the process had ended.
        state: the state that `fer-tui runs` showed afterwards.
    """

    answer: CommandResult
    before: RunFiles
    after: RunFiles
    state: str


@dataclass(frozen=True)
class Interruptions:
    """One run, ended in every way, and resumed after each."""

    stopped: Interruption
    stopper: CommandResult
    intruder: CommandResult
    sigint: Interruption
    sigterm: Interruption
    sighup: Interruption
    twice: Interruption
    loser: CommandResult
    killed: Interruption
    finished: CommandResult
    end: RunFiles
    files: frozenset[str]


def interruptions(place: Path) -> Interruptions:
    """Train with very many epochs; stop, interrupt, hang up and kill, and resume after each."""
    write_faces(place / "faces", per_class=20, seed=0)
    runs = place / "runs"
    words = ("train", "--data", place / "faces", *SMALL, *ENDLESS, "--runs", runs)
    started = RunningCommand(*words, in_new_process=True)
    run = wait_until(lambda: runs.is_dir() and any(runs.iterdir()) and only_run(runs), "no run directory came")
    answers: list[CommandResult] = []

    def ask() -> None:
        answers.append(fer("resume", run.name, "--runs", runs))
        answers.append(fer("stop", run.name, "--runs", runs))

    def leave_and_terminate() -> None:
        """Close the pipes of the training's messages, train on, and send SIGTERM."""
        process.disconnect()
        _train_on(run, 2)
        process.signal(signal.SIGTERM)

    stopped = _interrupted(started, run, ask)
    process = _resumed(run)
    sigint = _interrupted(process, run, lambda: process.signal(signal.SIGINT))
    process = _resumed(run)
    sigterm = _interrupted(process, run, leave_and_terminate)
    process = _resumed(run, on_terminal=True)
    sighup = _interrupted(process, run, process.disconnect)
    twice = _interrupted_twice(run)
    process, loser = _resumed_by_two(run)
    killed = _interrupted(process, run, lambda: process.signal(signal.SIGKILL))
    finished = fer("resume", "latest", "--epochs", str(len(killed.after.history) + 1), "--runs", runs)
    return Interruptions(
        stopped=stopped,
        stopper=answers[1],
        intruder=answers[0],
        sigint=sigint,
        sigterm=sigterm,
        sighup=sighup,
        twice=twice,
        loser=loser,
        killed=killed,
        finished=finished,
        end=read_run_files(run),
        files=frozenset(path.name for path in run.iterdir()),
    )


def _resumed(run: Path, *, on_terminal: bool = False, in_new_process: bool = False) -> RunningCommand:
    words = ("resume", run.name, "--runs", run.parent)
    return RunningCommand(*words, on_terminal=on_terminal, in_new_process=in_new_process)


def _resumed_by_two(run: Path) -> tuple[RunningCommand, CommandResult]:
    """Resume in two processes at the same time; return the one that trains, and the other's result."""
    both = [_resumed(run), _resumed(run)]
    wait_until(lambda: any(process.has_ended for process in both), f"{run}: both processes train it")
    loser, winner = sorted(both, key=lambda process: not process.has_ended)
    return winner, loser.wait()


def _train_on(run: Path, epochs: int) -> RunFiles:
    """Wait for more epochs, and then for the middle of the next epoch."""
    done = len(read_run_files(run).history)

    def is_in_mid_epoch() -> RunFiles | None:
        seen = read_run_files(run)
        return seen if len(seen.history) >= done + epochs and seen.batch > 1 and not seen.message else None

    return wait_until(is_in_mid_epoch, f"{run}: no epoch finished")


def _interrupted(process: RunningCommand, run: Path, end: Callable[[], None]) -> Interruption:
    """Let a process train one epoch and a part of the next, end it, and read the run."""
    before = _train_on(run, 1)
    end()
    answer = process.wait()
    return Interruption(answer, before, read_run_files(run), listed_state(run))


def _interrupted_twice(run: Path) -> Interruption:
    """Interrupt while TensorFlow is imported, which no first signal can cut short."""
    process = _resumed(run, in_new_process=True)
    before = wait_until(
        lambda: (seen := read_run_files(run)).message == "loading TensorFlow" and seen, f"{run}: did not begin"
    )
    process.signal(signal.SIGINT)
    wait_until(lambda: "Ctrl+C again" in process.err, "no message after the signal")
    process.signal(signal.SIGINT)
    answer = process.wait()
    return Interruption(answer, before, read_run_files(run), listed_state(run))


@dataclass(frozen=True)
class FullDisk:
    """A training that filled the disk, a second training that could not start, and the first one resumed."""

    run: Path
    failed: CommandResult
    failed_state: str
    left: RunFiles
    refused: CommandResult
    refused_left: tuple[str, ...]
    resumed: CommandResult
    end: RunFiles


def full_disk(place: Path) -> FullDisk:
    """Train into a file system of 1 MB, fill it during the training, enlarge it, and resume."""
    with mounted(place / "disk", "size=1m"):
        return _fill(place / "disk", place / "faces")


def _fill(runs: Path, data: Path) -> FullDisk:
    write_faces(data, per_class=5, seed=0)
    process = RunningCommand("train", "--data", data, *SMALL, *ENDLESS, "--runs", runs)
    run = wait_until(lambda: next(runs.iterdir(), None), "no run directory was created")
    _train_on(run, 1)
    filler = runs / ".filler"
    # Leave space for half a checkpoint.
    room = wait_until(lambda: _size(run / "checkpoint" / "model.weights.h5"), "no checkpoint was written") // 2
    wait_until(lambda: process.has_ended or _fill_up(filler, room), "the disk did not become full")
    failed = process.wait()
    left, failed_state = read_run_files(run), listed_state(run)
    _fill_up(filler, 0)
    refused = fer("train", "--data", data, *SMALL, "--runs", runs)
    refused_left = tuple(sorted(path.name for path in runs.iterdir() if path not in (run, filler)))
    subprocess.run(["mount", "-o", "remount,size=8m", runs], check=True)
    resumed = fer("resume", run.name, "--epochs", str(len(left.history) + 1), "--runs", runs)
    return FullDisk(run, failed, failed_state, left, refused, refused_left, resumed, read_run_files(run))


def _size(path: Path) -> int | None:
    """Return a file's size in bytes; None while the next checkpoint replaces the last."""
    with contextlib.suppress(FileNotFoundError):
        return path.stat().st_size
    return None


def _fill_up(filler: Path, room: int) -> None:
    """Let a file grow until its file system has at most the given number of free bytes."""
    with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while (free := shutil.disk_usage(filler.parent).free) > room:
            file.write(bytes(free - room))


def epochs_told(text: str) -> list[str]:
    """Return the numbers of the epochs in the output."""
    return re.findall(r"^\S+  epoch (\d+/\d+)  loss ", text, re.MULTILINE)
