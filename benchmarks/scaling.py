"""Measure the seconds per epoch and the memory by the number of images: `python benchmarks/scaling.py DATA [model]`.

Each row is two commands `fer-tui train` of one epoch: one with the images in memory, and one with `--image-memory 0`,
which maps them from a file. If DATA has too few images, they are used again under other names. The memory is the peak
of resident memory. Validation uses the same 500 images and is not part of the seconds. It takes about 15 minutes on
two idle cores with compact.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from core.config.training_config import IMAGE_MEMORY
from core.data.readers.reader_factory import read_dataset
from core.data.splits import stratified_subsample
from core.runs.reader import list_runs, read_run

COUNTS = (1000, 4000, 16_000, 28_709, 100_000)
VALIDATION = 500


def main(data: Path, model: str) -> None:
    """Print the table."""
    print(f"{model:>8s}         in memory                     mapped from a file")
    print("  images  s per epoch  images/s  MiB   s per epoch  images/s  MiB    decoded, MiB")
    with tempfile.TemporaryDirectory() as folder:
        for count in COUNTS:
            faces = Path(folder) / str(count)
            link(data, faces, count)
            told = [one_epoch(faces, Path(folder), model, limit) for limit in (IMAGE_MEMORY, 0)]
            columns = [f"{seconds:10.1f} {count / seconds:9.0f} {memory:6.0f}" for seconds, memory in told]
            print(f"{count:8,d}  " + "   ".join(columns) + f"   {count * 48 * 48 / 2**20:12.0f}", flush=True)


def link(data: Path, faces: Path, count: int) -> None:
    """Create a data set of `count` training images: links to those of `data`, repeated as often as needed."""
    dataset = read_dataset(data)
    for split, wanted in (("train", count), ("validation", VALIDATION)):
        rows = stratified_subsample(dataset.split(split), wanted, 0)
        for number, (path, label) in enumerate(
            itertools.islice(itertools.cycle(zip(rows["path"], rows["label"], strict=True)), wanted)
        ):
            target = faces / split / label / f"{number:06d}.jpg"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to((data / path).absolute())


def one_epoch(faces: Path, folder: Path, model: str, limit: int) -> tuple[float, float]:
    """Train one epoch and return its seconds of training, and the peak resident memory in MiB."""
    runs = folder / f"runs-{faces.name}-{limit}"
    command = [sys.executable, "-m", "fer_tui", "train", "--data", str(faces), "--model", model, "--runs", str(runs)]
    command += ["--epochs", "1", "--image-memory", str(limit)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"status {os.waitstatus_to_exitcode(status)}: {' '.join(command)}")
    [path] = list_runs(runs)
    run = read_run(path)
    return run.environment["train_images"] / run.history[0]["images_per_second"], used.ru_maxrss / 1024


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python benchmarks/scaling.py DATA [model]    (DATA such as ../shared/data, unpacked)")
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) == 3 else "compact")
