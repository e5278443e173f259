"""Data for the snapshots: drawn faces and run directories that are the same at any time on any machine."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

CLASSES = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
SHEET = Path(__file__).parent / "faces.png"
SIDE = 48
COUNTS = {
    split: dict(zip(CLASSES, counts, strict=True))
    for split, counts in (
        ("train", (399, 44, 410, 717, 498, 494, 321)),
        ("validation", (96, 11, 102, 182, 122, 114, 80)),
    )
}
MATRIX = (
    (51, 0, 11, 8, 12, 12, 2),
    (3, 4, 1, 1, 1, 1, 0),
    (14, 0, 38, 7, 14, 17, 12),
    (4, 0, 3, 158, 10, 4, 3),
    (9, 0, 5, 11, 78, 18, 1),
    (15, 0, 10, 9, 24, 54, 2),
    (2, 0, 7, 5, 3, 1, 62),
)
PURE = {
    "code": "pure_batches",
    "message": "training batches are nearly pure: the labels of a batch have 0.11 bits, those of the split 2.62; "
    "the training accuracy says little",
}
ONE_CLASS = {"code": "one_class", "message": "96 % of the images were given to 'fear'; the model tells nothing apart"}
COMPACT, MODEL2, STOPPED, RUNNING, QUEUED = (
    "20260301-080000-000-compact-a1f3",
    "20260301-091500-000-model2-b2c4",
    "20260302-100000-000-model4-c3d5",
    "20260303-120000-000-compact-d4e6",
    "20260303-120500-000-model1-e5f7",
)
FAILED, DIVERGED, INTERRUPTED, DAMAGED, UNREADABLE = (
    "20260302-080000-000-model3-0f01",
    "20260302-090000-000-model2-0f02",
    "20260302-110000-000-compact-0f03",
    "20260302-120000-000-compact-0f04",
    "20260302-130000-000-compact-0f05",
)


def write_faces(root: Path) -> Path:
    """Write two drawn faces of each class in train and two in validation."""
    with Image.open(SHEET) as sheet:
        for column, label in enumerate(CLASSES):
            for row, split in enumerate(("train", "train", "validation", "validation")):
                path = root / split / label / f"{row:04}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                sheet.crop((column * SIDE, row * SIDE, (column + 1) * SIDE, (row + 1) * SIDE)).save(path)
    return root


def damage_faces(root: Path) -> None:
    """Add problems to a data set: a file that is not an image, a blank image, and one face in two classes."""
    (root / "train" / "angry" / "broken.png").write_bytes(b"no image")
    Image.new("L", (SIDE, SIDE), 128).save(root / "train" / "sad" / "blank.png")
    (root / "train" / "happy" / "copy.png").write_bytes((root / "train" / "fear" / "0000.png").read_bytes())


def history(epochs: int, best: float = 0.8, seconds: float = 42.0) -> list[dict[str, float]]:
    """Return the curves of a good training whose validation metrics become slightly worse at the end."""
    rows = []
    for epoch in range(1, epochs + 1):
        learned = 1 - math.exp(-epoch / 4)
        train, validation = 1.95 - 1.6 * learned, 1.9 - 1.25 * learned + 0.012 * max(epoch - 9, 0)
        figures = {"loss": train, "accuracy": 0.14 + best * learned, "precision": 0.3 + 0.6 * learned}
        figures |= {"recall": 0.1 + best * learned, "val_loss": validation, "val_accuracy": 0.14 + 0.8 * best * learned}
        figures |= {"val_precision": 0.28 + 0.5 * learned, "val_recall": 0.1 + 0.75 * best * learned}
        told = {"epoch": epoch, "learning_rate": 0.001, "seconds": seconds, "images_per_second": 684.0}
        rows.append({name: round(figure, 4) for name, figure in (told | figures).items()})
    return rows


def evaluation(warnings: list[dict[str, str]], accuracy: float = 0.6294) -> dict[str, Any]:
    """Return the content of an evaluation.json for MATRIX."""
    said = [sum(column) for column in zip(*MATRIX, strict=True)]
    per_class = {}
    for place, label in enumerate(CLASSES):
        right, support = MATRIX[place][place], sum(MATRIX[place])
        precision, recall = right / max(said[place], 1), right / support
        f1 = 2 * precision * recall / (precision + recall)
        per_class[label] = {"precision": precision, "recall": recall, "f1": f1, "support": support}
    figures = {"accuracy": accuracy, "macro_f1": accuracy - 0.04, "balanced_accuracy": accuracy - 0.05, "images": 707}
    figures |= {
        "intervals": {
            "accuracy": [accuracy - 0.036, accuracy + 0.035],
            "macro_f1": [accuracy - 0.08, accuracy - 0.005],
        },
        "leaked_images": 21,
        "leak_free_accuracy": accuracy - 0.0131,
    }
    told = {"classes": CLASSES, "confusion_matrix": MATRIX, "per_class": per_class}
    return {**figures, **told, "val_images": 707, "loss": 0.93, "warnings": warnings}


def write_predictions(run: Path) -> None:
    """Write predictions for the validation images of `write_faces`: one of each class correct, the other wrong."""
    with (run / "predictions.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("path", "label", "predicted", *(f"p_{label}" for label in CLASSES)))
        for place, label in enumerate(CLASSES):
            for row, shift in ((2, 0), (3, place % 3 + 1)):
                said, share = CLASSES[(place + shift) % len(CLASSES)], 0.95 - 0.06 * place
                rest = round((1 - share) / 6, 4)
                shares = (share if each == said else rest for each in CLASSES)
                writer.writerow((f"validation/{label}/{row:04}.png", label, said, *shares))


def environment(**given: Any) -> dict[str, Any]:
    """Return the content of an environment.json for the faces in the test's folder."""
    return {"data": "faces", "classes": CLASSES, "counts": COUNTS, "parameters": 572_423, **given}


def nothing(write_run: Callable[..., Path], alive: Mapping[str, Any]) -> None:
    """Write no runs."""


def write_typical_runs(write_run: Callable[..., Path], alive: Mapping[str, Any]) -> None:
    """Write two completed runs, a stopped, a running and a queued one."""
    done = {"environment": environment(), "config": {"epochs": 12}}
    run = write_run(COMPACT, history=history(12), evaluation=evaluation([]), **done)
    write_predictions(run)
    config = {"model": "model2", "epochs": 3, "protocol": "published", "keep": "last", "augmentation": "extended"}
    figures = {"history": history(3, 0.9, 61), "evaluation": evaluation([PURE, ONE_CLASS], 0.1438)}
    write_predictions(write_run(MODEL2, config=config, environment=environment(parameters=9_413_319), **figures))
    config, status = {"model": "model4", "epochs": 10}, {"state": "stopped"}
    write_run(STOPPED, config=config, status=status, history=history(3, 0.5, 310), environment=environment())
    status = {**alive, "epoch": 6, "batch": 310, "batches": 450}
    run = write_run(
        RUNNING, config={"epochs": 20}, status=status, history=history(5), environment=environment(warnings=[PURE])
    )
    lines = (f"2026-03-03 12:0{epoch}:00 epoch {epoch}: val_accuracy 0.{epoch}" for epoch in range(1, 6))
    (run / "log.txt").write_text("\n".join(lines) + "\n")
    write_run(QUEUED, config={"model": "model1", "epochs": 5}, status={**alive, "state": "queued"})


def write_failed_runs(write_run: Callable[..., Path], alive: Mapping[str, Any]) -> None:
    """Write one run for each way to fail, two of them with damaged files."""
    message = "ResourceExhaustedError: out of memory while allocating 1,024 filters of 1,024 channels; --width 0.5"
    config = {"model": "model3", "epochs": 5}
    run = write_run(FAILED, config=config, status={"state": "failed", "message": message})
    (run / "log.txt").write_text("2026-03-02 08:00:41 Traceback (most recent call last):\n")
    nan = float("nan")
    rows = [row | {"loss": nan, "val_loss": nan} if row["epoch"] == 2 else row for row in history(2)]
    status = {"state": "diverged", "message": "the loss is not a number in epoch 2; lower the learning rate"}
    write_run(DIVERGED, config={"model": "model2", "epochs": 8}, status=status, history=rows)
    gone = {**alive, "pid": 2**22 + 1, "epoch": 3, "batch": 7, "batches": 450}
    write_run(INTERRUPTED, config={"epochs": 20}, status=gone, history=history(2))
    run = write_run(DAMAGED, evaluation={"classes": "?"}, history=history(3))
    (run / "status.json").write_text("{")
    (run / "history.csv").write_bytes(b"epoch,loss\n1,0.5\n2,\xff\xfe\n\x003")
    elsewhere = environment(data="nowhere/faces")
    run = write_run(UNREADABLE, environment=elsewhere, history=history(3), evaluation=evaluation([]))
    (run / "log.txt").write_text(json.dumps("no line"))
