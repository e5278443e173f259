from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data.audit import audit_dataset
from core.data.dataset import Problem
from core.data.images import FORMAT_NAMES
from core.data.readers.reader_factory import read_dataset

WriteTree = Callable[..., Path]
CLEAN = {"train/a": 5, "train/b": 5, "val/a": 2, "val/b": 2}


def audited(root: Path) -> dict[str, Problem]:
    problems = audit_dataset(read_dataset(root))
    found = {problem.kind: problem for problem in problems}
    assert len(found) == len(problems)
    return found


def copy(root: Path, source: str, target: str) -> None:
    (root / target).write_bytes((root / source).read_bytes())


def save(root: Path, name: str, value: int | np.ndarray = 0, size: tuple[int, int] = (8, 8)) -> None:
    image = Image.new("L", size, value) if isinstance(value, int) else Image.fromarray(value.astype(np.uint8))
    image.save(root / name)


def flat(deviation: float) -> np.ndarray:
    """Return an 8 x 8 image: half of it is `deviation` above 100, the other half below."""
    return np.where(np.arange(64).reshape(8, 8) % 2, 100 + deviation, 100 - deviation)


# What would stop a training


@pytest.mark.parametrize(
    ("counts", "kind", "told"),
    [
        ({"train/a": 4}, "one_class", "only one class ('a') in train; training needs two or more"),
        ({"a": 4}, "one_class", "only one class ('a') in train"),
        ({"train/a": 2, "val/a": 1, "val/b": 1}, "one_class", "only one class ('a') in train"),
        ({"a": 1, "b": 1, "c": 1}, "too_few_images", "too few images to hold a validation split out of train; add"),
        ({"test/a": 2, "test/b": 2}, "no_training_images", "no training images; expected"),
    ],
)
def test_what_would_stop_a_training_is_found(
    tmp_path: Path, write_tree: WriteTree, counts: dict[str, int], kind: str, told: str
):
    root = write_tree(tmp_path, counts)
    assert audited(root)[kind].message.startswith(f"{root}: {told}")


def test_images_that_cannot_be_read_do_not_count_for_a_training(tmp_path: Path, write_tree: WriteTree):
    root = write_tree(tmp_path, {"train/a": 2, "train/b": 1})
    (root / "train/b/000.png").write_bytes(b"")
    assert audited(root).keys() == {"one_class", "undecodable"}
    for number in range(2):
        (root / f"train/a/00{number}.png").write_bytes(b"")
    assert audited(root)["no_training_images"].message == f"{root}: no training image can be read; replace them"


def test_splits_without_a_common_class_are_found(tmp_path: Path, write_tree: WriteTree):
    root = write_tree(tmp_path, {"train/a": 2, "train/b": 2, "val/c": 2})
    messages = [problem.message for problem in audit_dataset(read_dataset(root))]
    assert "no validation image has a class that train has; give the classes the same names in both splits" in messages


# Data sets


def test_drawn_faces_have_no_fault(faces: Path):
    assert audit_dataset(read_dataset(faces)) == []


@pytest.mark.parametrize(
    ("spoil", "kind", "paths"),
    [
        (lambda root: (root / "val/a/000.png").write_bytes(b""), "undecodable", ["val/a/000.png"]),
        (lambda root: save(root, "train/b/000.png", 255), "blank", ["train/b/000.png"]),
        (lambda root: save(root, "train/b/000.png", flat(0.9)), "blank", ["train/b/000.png"]),
        (
            lambda root: save(root, "train/b/000.png", np.arange(72).reshape(8, 9)),
            "odd_size",
            ["train/b/000.png"],
        ),
        (
            lambda root: copy(root, "train/a/000.png", "train/a/copy.png"),
            "duplicate",
            ["train/a/000.png", "train/a/copy.png"],
        ),
        (
            lambda root: copy(root, "train/a/000.png", "val/a/copy.png"),
            "duplicate_across_splits",
            ["val/a/copy.png"],
        ),
        (
            lambda root: copy(root, "train/a/000.png", "train/b/copy.png"),
            "conflicting_labels",
            ["train/a/000.png", "train/b/copy.png"],
        ),
        (
            lambda root: (
                [(root / f"train/a/00{number}.png").unlink() for number in range(1, 5)]
                + [save(root, f"train/b/new{number}.png", flat(10 + number)) for number in range(1)]
            ),
            "imbalance",
            [],
        ),
    ],
    ids=[
        "undecodable",
        "blank",
        "nearly blank",
        "odd size",
        "duplicate",
        "duplicate across splits",
        "conflicting labels",
        "imbalance",
    ],
)
def test_a_fault_is_found_and_is_not_in_the_set_without_it(
    tmp_path: Path, write_tree: WriteTree, spoil: Callable[[Path], object], kind: str, paths: list[str]
):
    root = write_tree(tmp_path, CLEAN)
    assert audited(root) == {}
    spoil(root)
    found = audited(root)
    assert list(found[kind].paths) == paths
    # Of these problems, only a copy under another label is also a duplicate.
    assert set(found) - {kind} <= ({"duplicate"} if kind == "conflicting_labels" else set())
    assert "\n" not in found[kind].message


def test_an_image_with_little_contrast_is_not_blank(tmp_path: Path, write_tree: WriteTree):
    root = write_tree(tmp_path, CLEAN)
    save(root, "train/b/000.png", flat(2))
    assert audited(root) == {}


def test_undecodable_images_are_named_with_their_reasons_and_count_for_nothing_else(
    tmp_path: Path, write_tree: WriteTree
):
    root = write_tree(tmp_path, CLEAN)
    for name in ("train/a/000.png", "train/a/001.png"):
        (root / name).write_text("text")
    found = audited(root)
    assert found.keys() == {"undecodable"}, "equal files that are no images are no duplicates"
    assert found["undecodable"].message == (
        f"2 images can't be read and will be skipped: train/a/000.png: not a {FORMAT_NAMES} image; "
        f"train/a/001.png: not a {FORMAT_NAMES} image; replace or remove them"
    )


def test_the_commonest_size_is_the_usual_one(tmp_path: Path, write_tree: WriteTree):
    root = write_tree(tmp_path, {"train/a": 3})
    for number in range(4):
        save(root, f"train/a/big{number}.png", np.arange(400).reshape(20, 20) + number)
    problem = audited(root)["odd_size"]
    assert problem.paths == ("train/a/000.png", "train/a/001.png", "train/a/002.png")
    assert problem.message == (
        "3 images not of the most common size 20 x 20 pixels, such as train/a/000.png; nothing to do: training resizes "
        "them"
    )


def test_duplicates_go_by_pixels_and_not_by_bytes(tmp_path: Path, write_tree: WriteTree):
    root = write_tree(tmp_path, CLEAN)
    Image.open(root / "train/a/000.png").save(root / "train/a/again.png", compress_level=0)
    assert (root / "train/a/000.png").read_bytes() != (root / "train/a/again.png").read_bytes()
    assert audited(root)["duplicate"].paths == ("train/a/000.png", "train/a/again.png")


def test_the_same_bytes_in_another_shape_are_no_duplicate(tmp_path: Path, write_tree: WriteTree):
    root = write_tree(tmp_path, CLEAN)
    values = np.arange(32)
    save(root, "train/a/wide.png", values.reshape(4, 8))
    save(root, "train/a/high.png", values.reshape(8, 4))
    assert audited(root).keys() == {"odd_size"}


def test_one_image_can_show_all_three_kinds_of_duplicate(tmp_path: Path, write_tree: WriteTree):
    root = write_tree(tmp_path, CLEAN)
    for target in ("train/b/copy.png", "val/a/copy.png", "val/b/copy.png"):
        copy(root, "train/a/000.png", target)
    found = audited(root)
    assert found.keys() == {"duplicate", "duplicate_across_splits", "conflicting_labels"}
    everywhere = ("train/a/000.png", "train/b/copy.png", "val/a/copy.png", "val/b/copy.png")
    assert tuple(sorted(found["duplicate"].paths)) == everywhere
    assert tuple(sorted(found["conflicting_labels"].paths)) == everywhere
    assert found["duplicate_across_splits"].paths == everywhere[2:], "an image of train flatters no figure"
    assert found["duplicate_across_splits"].message.startswith(
        "2 evaluation images with the same pixels as an image of"
    )


@pytest.mark.parametrize(("count", "told"), [(5, False), (6, True)])
def test_imbalance_is_told_beyond_five_to_one(tmp_path: Path, write_tree: WriteTree, count: int, told: bool):
    found = audited(write_tree(tmp_path, {"train/a": 1, "train/b": count, "val/a": 2, "val/b": 2}))
    assert (found.keys() == {"imbalance"}) is told
    if told:
        assert found["imbalance"].message == (
            "train: 'b' has 6.0 times the images of 'a' (6 and 1); check balanced accuracy and macro F1 too"
        )


def test_what_reading_met_comes_first(tmp_path: Path, write_tree: WriteTree):
    root = write_tree(tmp_path, {**CLEAN, "train/empty": 0})
    save(root, "val/b/000.png", 0)
    assert [problem.kind for problem in audit_dataset(read_dataset(root))] == ["empty_class", "blank"]


def test_progress_counts_every_image(tmp_path: Path, write_tree: WriteTree):
    done: list[int] = []
    root = write_tree(tmp_path, CLEAN)
    (root / "val/a/000.png").write_bytes(b"")
    audit_dataset(read_dataset(root), done.append)
    assert done == list(range(1, 15))


def test_rows_of_a_csv_are_audited_too(tmp_path: Path):
    lines = [f"3,{' '.join([str(value)] * 2304)},Training" for value in (9, 9)]
    path = tmp_path / "fer2013.csv"
    path.write_text("\n".join(["emotion,pixels,Usage", *lines]))
    found = audited(path)
    assert found.keys() == {"one_class", "blank", "duplicate"}
    assert found["duplicate"].paths == ("fer2013.csv#00002", "fer2013.csv#00003")
