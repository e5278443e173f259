"""Measure a data set of AffectNet's size: `python benchmarks/affectnet.py [IMAGES]` (default: 450,000).

The script draws 280 faces and links them into eight classes and two splits, in the proportions of AffectNet's
training and validation images. Then it runs three commands, each in its own process: reading the data set,
`fer-tui data check`, and `fer-tui train` with compact until its first batches are done, with `--image-memory 1`. It
prints the seconds, the seconds of processor time and the peak resident memory as a Markdown table. It takes about six
minutes on two cores.

Reference:
    Mollahosseini, Hasani and Mahoor 2019, AffectNet, arXiv:1708.03985, tables 3 and 5: the numbers of images.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from core.data.demo import CLASSES, write_faces
from core.runs.reader import FINAL_STATES, list_runs, read_run
from core.system.files import link_or_copy

TRAIN = {
    "neutral": 74_874,
    "happy": 134_415,
    "sad": 25_459,
    "surprise": 14_090,
    "fear": 6_378,
    "disgust": 3_803,
    "angry": 24_882,
    "contempt": 3_750,
}
VALIDATION = dict.fromkeys(TRAIN, 500)
FACES = 40
LISTING = (
    "import sys; from core.data.readers.reader_factory import read_dataset; print(read_dataset(sys.argv[1]).summary)"
)


def main(images: int) -> None:
    """Lay out the data set, and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "affectnet"
        began = time.perf_counter()
        count = lay_out(root, Path(folder) / "drawn", images)
        print(f"{count:,} images, laid out in {time.perf_counter() - began:.0f} s\n", flush=True)
        runs = Path(folder) / "runs"
        train = ("train", "--data", str(root), "--model", "compact", "--image-memory", "1", "--runs", str(runs))
        print("| step | seconds | CPU seconds | peak memory, MiB |\n|---|---|---|---|", flush=True)
        for step, command in (
            ("read the data set", ("-c", LISTING, str(root))),
            ("`data check`", ("-m", "fer_tui", "data", "check", str(root))),
            ("`train` until its first batches are done", ("-m", "fer_tui", *train)),
        ):
            seconds, busy, memory = measure(command, runs if "train" in command else None)
            print(f"| {step} | {seconds:.1f} | {busy:.1f} | {memory:,.0f} |", flush=True)


def lay_out(root: Path, drawn: Path, images: int) -> int:
    """Link the drawn faces into a data set of about `images` images, and return their number.

    Contempt has the faces of disgust, because no face with contempt is drawn.
    """
    write_faces(drawn, FACES)
    scale = (images - sum(VALIDATION.values())) / sum(TRAIN.values())
    counts = {"train": {name: round(count * scale) for name, count in TRAIN.items()}, "validation": VALIDATION}
    for split, classes in counts.items():
        for name, count in classes.items():
            expression = name if name in CLASSES else "disgust"
            folder = root / split / name
            folder.mkdir(parents=True)
            faces = itertools.cycle(sorted(drawn.glob(f"*/{expression}/*.png")))
            for number, face in enumerate(itertools.islice(faces, count)):
                link_or_copy(face, folder / f"{number:06d}.png")
    return sum(sum(classes.values()) for classes in counts.values())


def measure(arguments: Sequence[str], runs: Path | None) -> tuple[float, float, float]:
    """Run Python with these arguments. Return the seconds, those of processor time, and the peak memory in MiB.

    Args:
        arguments: the arguments.
        runs: the folder of the run to wait for; the process is ended when its first batches are done. None to wait for
            the end of the process.
    """
    began = time.perf_counter()
    child = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    seconds = None
    if runs is not None:
        wait_for_batches(runs)
        seconds = time.perf_counter() - began
        child.send_signal(signal.SIGTERM)
    _, status, used = os.wait4(child.pid, 0)
    if os.waitstatus_to_exitcode(status) not in (0, 128 + signal.SIGTERM):
        sys.exit(child.stderr.read() if child.stderr else "failed")
    return seconds or time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def wait_for_batches(runs: Path) -> None:
    """Wait until the run in a folder has trained on its first batches."""
    while True:
        for path in list_runs(runs):
            run = read_run(path)
            if run.state in FINAL_STATES:
                sys.exit(f"{path}: {run.state}: {run.message}")
            if run.status.get("batch"):
                return
        time.sleep(0.05)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 450_000)
