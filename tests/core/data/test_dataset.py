from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from core.data.dataset import Dataset, class_counts, counts_by_split, fingerprint
from core.data.demo import CLASSES
from core.data.images import FORMAT_NAMES
from core.data.pixels import load_pixels
from core.data.readers.reader_factory import read_dataset
from core.data.splits import stratified_subsample, with_validation_split
from core.errors import DatasetError

WriteTree = Callable[..., Path]

STRANGE_NAMES = ["[red]x", "\x1b[31mred", "高兴", "x" * 200, "two words", "a,b", "it's", "line\nbreak", "caf\udce9"]


def kinds(dataset: Dataset) -> dict[str, tuple[str, ...]]:
    """Return the paths of each problem, by kind. No kind may occur twice."""
    found = {problem.kind: problem.paths for problem in dataset.problems}
    assert len(found) == len(dataset.problems)
    return found


def message(dataset: Dataset, kind: str) -> str:
    return next(problem.message for problem in dataset.problems if problem.kind == kind)


# Trees


def test_drawn_faces_are_read_whole(faces: Path):
    dataset = read_dataset(faces)
    assert dataset.classes == tuple(sorted(CLASSES))
    assert dataset.splits == ("train", "validation")
    assert counts_by_split(dataset.frame) == {
        "train": dict.fromkeys(CLASSES, 8),
        "validation": dict.fromkeys(CLASSES, 2),
    }
    assert dataset.problems == ()
    paths = dataset.frame["path"].tolist()
    assert paths == sorted(paths)
    for path, label, split in dataset.frame.itertuples(index=False):
        assert (faces / path).is_file()
        assert path.split("/")[:2] == [split, label]


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        ("train", "train"),
        ("TRAIN", "train"),
        ("Train", "train"),
        ("validation", "validation"),
        ("Validation", "validation"),
        ("valid", "validation"),
        ("VALID", "validation"),
        ("val", "validation"),
        ("Val", "validation"),
        ("test", "test"),
        ("TeSt", "test"),
    ],
)
@pytest.mark.parametrize("base", ["", "images/"])
def test_split_folders_go_by_several_names_in_any_case(
    tmp_path: Path, write_tree: WriteTree, folder: str, split: str, base: str
):
    dataset = read_dataset(write_tree(tmp_path, {f"{base}{folder}/sad": 2, f"{base}{folder}/happy": 1}))
    assert counts_by_split(dataset.frame) == {split: {"happy": 1, "sad": 2}}
    assert dataset.frame["path"].tolist()[0] == f"{base}{folder}/happy/000.png"
    assert dataset.problems == ()


def test_classes_are_in_alphabetical_and_splits_in_their_own_order(tmp_path: Path, write_tree: WriteTree):
    dataset = read_dataset(write_tree(tmp_path, {"test/b": 1, "val/c": 1, "val/a": 2, "train/a": 3, "train/c": 1}))
    assert dataset.classes == ("a", "b", "c")
    assert dataset.splits == ("train", "validation", "test")
    counts = class_counts(dataset.frame)
    assert counts.index.tolist() == ["a", "b", "c"]
    assert counts.columns.tolist() == ["train", "validation", "test"]
    assert counts.to_numpy().tolist() == [[3, 2, 0], [0, 0, 1], [1, 1, 0]]
    assert dataset.split("validation")["label"].tolist() == ["a", "a", "c"]


def test_counting_nothing_says_what_was_expected():
    with pytest.raises(DatasetError, match="no images were found: expected ROOT/<split>/<class>"):
        class_counts(pd.DataFrame({"path": [], "label": [], "split": []}))


def test_a_flat_tree_is_one_split(tmp_path: Path, write_tree: WriteTree):
    dataset = read_dataset(write_tree(tmp_path, {"sad": 1, "happy": 2}))
    assert counts_by_split(dataset.frame) == {"all": {"happy": 2, "sad": 1}}
    assert dataset.splits == ("all",)


def test_a_flat_tree_may_have_a_class_called_images(tmp_path: Path, write_tree: WriteTree):
    dataset = read_dataset(write_tree(tmp_path, {"images": 1, "drawings": 1}))
    assert dataset.classes == ("drawings", "images")


@pytest.mark.parametrize(("first", "second"), [("val", "valid"), ("VAL", "validation"), ("Train", "train")])
@pytest.mark.parametrize("base", [".", "images"])
def test_two_folders_for_one_split_are_refused_and_both_named(
    tmp_path: Path, write_tree: WriteTree, first: str, second: str, base: str
):
    root = write_tree(tmp_path / "set", {f"{base}/{first}/x": 1, f"{base}/{second}/x": 1})
    with pytest.raises(DatasetError) as refusal:
        read_dataset(root)
    split = "train" if second == "train" else "validation"
    assert str(refusal.value) == (
        f"{root / base}: '{first}' and '{second}' are both names of the {split} split; keep one folder"
    )


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".png", ".JPG", ".Png"])
def test_suffixes_count_in_any_case(tmp_path: Path, suffix: str):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / f"a{suffix}").touch()
    assert read_dataset(tmp_path).frame["path"].tolist() == [f"x/a{suffix}"]


def test_hidden_foreign_and_nested_things_are_left_out_and_named(tmp_path: Path, write_tree: WriteTree):
    root = write_tree(
        tmp_path, {"train/happy": 2, "train/happy/more": 1, "train/.cache": 1, "train/empty": 0, "extra/happy": 1}
    )
    for name in (
        "train/happy/.DS_Store",
        "train/happy/._000.png",
        "train/happy/a.doc",
        "train/happy/no_suffix",
        "train/list.txt",
        "README.md",
    ):
        (root / name).write_text("?")
    dataset = read_dataset(root)
    assert counts_by_split(dataset.frame) == {"train": {"happy": 3}}
    found = kinds(dataset)
    assert found.pop("not_classes") == ("extra",)
    assert sorted(found.pop("foreign_file")) == [
        "README.md",
        "train/happy/a.doc",
        "train/happy/no_suffix",
        "train/list.txt",
    ]
    assert sorted(found.pop("hidden_file")) == ["train/.cache", "train/happy/.DS_Store", "train/happy/._000.png"]
    assert found == {"empty_class": ("train/empty",)}
    assert message(dataset, "empty_class") == (
        "folders without images are not classes: train/empty; add images, or remove them"
    )
    assert message(dataset, "hidden_file") == "skipped hidden files: train/.cache and 2 more; nothing to do"
    assert all("\n" not in problem.message for problem in dataset.problems)


def test_what_stands_beside_images_is_named(tmp_path: Path, write_tree: WriteTree):
    dataset = read_dataset(write_tree(tmp_path, {"images/train/x": 1, "images/raw/x": 3, "models": 0}))
    assert kinds(dataset) == {"foreign_file": ("models",), "not_classes": ("images/raw",)}
    assert message(dataset, "not_classes").startswith(
        "folders with images beside the splits are left out: images/raw (3 im"
    )
    assert (
        dataset.summary == "1 image in 1 class, train; left out: 1 other file or folder, 3 images outside the classes"
    )


@pytest.mark.parametrize(("here", "there"), [("train", "validation"), ("validation", "train")])
def test_a_class_in_one_split_alone_is_named_with_its_images(
    tmp_path: Path, write_tree: WriteTree, here: str, there: str
):
    root = write_tree(tmp_path, {f"images/{here}/x": 1, f"images/{there}/x": 1, f"images/{here}/odd": 2})
    dataset = read_dataset(root)
    assert kinds(dataset) == {"class_in_one_split": (f"images/{here}/odd/000.png", f"images/{here}/odd/001.png")}
    assert message(dataset, "class_in_one_split").startswith(f"class 'odd' has images in {here} and none in {there}")
    assert message(dataset, "class_in_one_split").endswith(
        "; add images, remove the class, or rename it with --classes"
    )


def test_a_class_that_only_test_lacks_is_no_problem(tmp_path: Path, write_tree: WriteTree):
    assert read_dataset(write_tree(tmp_path, {"train/x": 1, "val/x": 1, "test/y": 1})).problems == ()


@pytest.mark.parametrize("name", STRANGE_NAMES)
def test_any_class_name_works(tmp_path: Path, write_tree: WriteTree, name: str):
    root = write_tree(tmp_path, {f"train/{name}": 4, "train/happy": 4, f"val/{name}": 1})
    dataset = read_dataset(root)
    assert counts_by_split(dataset.frame)["train"] == {name: 4, "happy": 4}
    assert kinds(dataset).keys() == {"class_in_one_split"}
    assert load_pixels(dataset, dataset.frame, 8, 1).frame["label"].tolist().count(name) == 5
    assert len(fingerprint(dataset)) == 64
    assert stratified_subsample(dataset.split("train"), 2, 0)["label"].nunique() == 2


def test_links_to_images_classes_and_splits_are_followed(tmp_path: Path, write_tree: WriteTree):
    elsewhere = write_tree(tmp_path / "elsewhere", {"x": 2})
    root = write_tree(tmp_path / "set", {"train/x": 1})
    (root / "train" / "x" / "link.png").symlink_to(elsewhere / "x" / "000.png")
    (root / "train" / "y").symlink_to(elsewhere / "x")
    (root / "val").symlink_to(elsewhere)
    dataset = read_dataset(root)
    assert counts_by_split(dataset.frame) == {"train": {"x": 2, "y": 2}, "validation": {"x": 2, "y": 0}}
    assert dataset.frame["path"].tolist()[-1] == "val/x/001.png"


def test_links_that_lead_nowhere_or_in_a_circle_are_named(tmp_path: Path, write_tree: WriteTree):
    root = write_tree(tmp_path, {"train/x": 1})
    (root / "train" / "x" / "broken.png").symlink_to("gone.png")
    (root / "train" / "x" / "circle.png").symlink_to("circle.png")
    (root / "train" / "x" / "up").symlink_to("..")
    (root / "train" / "circle").symlink_to("circle")
    (root / "val").symlink_to("val")
    dataset = read_dataset(root)
    assert dataset.frame["path"].tolist() == ["train/x/000.png"]
    assert sorted(kinds(dataset)["foreign_file"]) == [
        "train/circle",
        "train/x/broken.png",
        "train/x/circle.png",
        "train/x/up",
        "val",
    ]


def test_a_relative_root_gives_relative_paths(tmp_path: Path, write_tree: WriteTree, monkeypatch: pytest.MonkeyPatch):
    write_tree(tmp_path, {"x": 1})
    monkeypatch.chdir(tmp_path)
    assert read_dataset(Path()).frame["path"].tolist() == ["x/000.png"]


def test_a_folder_with_fer2013_csv_is_read_as_that(tmp_path: Path, write_tree: WriteTree):
    write_tree(tmp_path, {"train/x": 1})
    pixels = " ".join(["0"] * 48 * 48)
    (tmp_path / "fer2013.csv").write_text(f"emotion,pixels,Usage\n3,{pixels},Training\n")
    dataset = read_dataset(tmp_path)
    assert dataset.classes == ("happy",)
    assert kinds(dataset)["foreign_file"] == ("train",)
    assert message(dataset, "foreign_file") == (
        "fer2013.csv was read; the folders beside it (train/) were not: choose them with --format folders"
    )
    assert read_dataset(tmp_path, format="folders").classes == ("x",)


def test_a_missing_folder_is_named(tmp_path: Path):
    with pytest.raises(DatasetError, match=f"{tmp_path}/gone: no such folder; give a folder of faces"):
        read_dataset(tmp_path / "gone")


@pytest.mark.parametrize("counts", [{}, {"train/x": 0, "val/x": 0}, {"x": 0}])
def test_a_tree_without_an_image_is_refused(tmp_path: Path, write_tree: WriteTree, counts: dict[str, int]):
    with pytest.raises(DatasetError) as refusal:
        read_dataset(write_tree(tmp_path, counts))
    assert str(refusal.value).startswith(f"{tmp_path}: no images found; expected {tmp_path}/<split>/<class>/*.jpg or")


def test_a_folder_that_cannot_be_listed_is_named(
    tmp_path: Path, write_tree: WriteTree, monkeypatch: pytest.MonkeyPatch
):
    write_tree(tmp_path, {"train/x": 1})
    listed, locked = os.scandir, str(tmp_path / "train" / "x")

    def scandir(folder: os.PathLike[str] | str):
        if str(folder) == locked:
            raise PermissionError(13, "Permission denied", locked)
        return listed(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DatasetError, match=f"{locked}: Permission denied; make the data set readable"):
        read_dataset(tmp_path)


# Holding out


def test_without_validation_a_share_of_every_class_is_held_out(tmp_path: Path, write_tree: WriteTree):
    dataset = read_dataset(write_tree(tmp_path, {"train/a": 40, "train/b": 20, "train/c": 4, "test/a": 3}))
    divided = with_validation_split(dataset, 0.25)
    assert counts_by_split(divided.frame) == {
        "train": {"a": 30, "b": 15, "c": 3},
        "validation": {"a": 10, "b": 5, "c": 1},
        "test": {"a": 3, "b": 0, "c": 0},
    }
    assert kinds(divided).keys() == {"held_out"}
    assert message(divided, "held_out") == (
        "no validation split: 16 of 64 training images are held out for validation, stratified by class"
    )
    assert set(dataset.frame["split"]) == {"train", "test"}, "the data set that was given has changed"


def test_the_same_images_are_held_out_at_every_call_and_not_the_first_ones(tmp_path: Path, write_tree: WriteTree):
    root = write_tree(tmp_path, {"a": 30, "b": 30})
    first, second = (with_validation_split(read_dataset(root), 0.2) for _ in range(2))
    pd.testing.assert_frame_equal(first.frame, second.frame)
    held_out = first.split("validation")["path"].tolist()
    assert held_out != [f"{name}/{number:03d}.png" for name in "ab" for number in range(6)]
    assert {path[2:] for path in held_out if path[0] == "a"} != {path[2:] for path in held_out if path[0] == "b"}


def test_a_flat_tree_becomes_train_and_validation(tmp_path: Path, write_tree: WriteTree):
    divided = with_validation_split(read_dataset(write_tree(tmp_path, {"a": 5, "b": 5})), 0.2)
    assert counts_by_split(divided.frame) == {"train": {"a": 4, "b": 4}, "validation": {"a": 1, "b": 1}}


def test_a_class_of_one_image_stays_in_train_and_is_told(tmp_path: Path, write_tree: WriteTree):
    divided = with_validation_split(read_dataset(write_tree(tmp_path, {"a": 5, "lone": 1})), 0.9)
    assert counts_by_split(divided.frame) == {"train": {"a": 1, "lone": 1}, "validation": {"a": 4, "lone": 0}}
    assert kinds(divided)["class_in_one_split"] == ("lone/000.png",)


def test_a_validation_split_is_left_as_it_is(faces: Path):
    dataset = read_dataset(faces)
    divided = with_validation_split(dataset, 0.5)
    pd.testing.assert_frame_equal(divided.frame, dataset.frame)
    assert divided.problems == ()


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ({"test/a": 1, "test/b": 1}, "no training images; expected .*/train/<class>"),
        ({"train/a": 3, "val/a": 1, "val/b": 1}, r"only one class \('a'\) in train; training needs two or more"),
        ({"a": 1, "b": 1}, "too few images to hold a validation split out of train"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(tmp_path: Path, write_tree: WriteTree, counts: dict[str, int], told: str):
    with pytest.raises(DatasetError, match=f"^{re.escape(str(tmp_path))}: {told}"):
        with_validation_split(read_dataset(write_tree(tmp_path, counts)), 0.1)


# Subsamples


def labelled(counts: dict[str, int]) -> pd.DataFrame:
    rows = [(f"train/{label}/{i:05d}.png", label, "train") for label, count in counts.items() for i in range(count)]
    return pd.DataFrame(rows, columns=["path", "label", "split"])


@given(
    st.dictionaries(st.sampled_from(CLASSES), st.integers(1, 300), min_size=1),
    st.integers(1, 400),
    st.integers(0, 2**31 - 1),
)
def test_limited_keeps_shares_and_every_class(counts: dict[str, int], limit: int, seed: int):
    frame = labelled(counts)
    total = len(frame)
    chosen = stratified_subsample(frame, limit, seed)
    assert len(chosen) == min(total, max(limit, len(counts)))
    assert set(chosen["path"]) <= set(frame["path"])
    assert chosen["path"].is_monotonic_increasing == frame["path"].is_monotonic_increasing
    kept = chosen["label"].value_counts()
    for label, count in counts.items():
        assert kept[label] >= 1
        # Rounding up can add at most one image in each of the other classes.
        exact = min(limit, total) * count / total
        assert exact - len(counts) * count / total - 1 <= kept[label] <= max(exact, len(counts) * count / total) + 1


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(100, {"a": 60, "b": 30, "c": 10}), (10, {"a": 6, "b": 3, "c": 1}), (1, {"a": 1, "b": 1, "c": 1})],
)
def test_limited_to_round_numbers_is_exact(limit: int, expected: dict[str, int]):
    chosen = stratified_subsample(labelled({"a": 600, "b": 300, "c": 100}), limit, 0)
    assert chosen["label"].value_counts().to_dict() == expected


def test_limited_is_drawn_the_same_from_the_same_seed_alone():
    frame = labelled({"a": 50, "b": 50})
    first, again, other = (stratified_subsample(frame, 20, seed)["path"].tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert first != [*frame["path"].tolist()[:10], *frame["path"].tolist()[50:60]]


@pytest.mark.parametrize("limit", [None, 4, 5])
def test_no_limit_or_a_high_one_changes_nothing(limit: int | None):
    frame = labelled({"a": 2, "b": 2})
    assert stratified_subsample(frame, limit, 0) is frame


# The fingerprint


def small_set(root: Path, write_tree: WriteTree) -> Path:
    return write_tree(root, {"train/a": 3, "train/b": 2, "val/a": 1, "val/b": 1})


def moved(root: Path, source: str, target: str) -> None:
    (root / target).parent.mkdir(parents=True, exist_ok=True)
    (root / source).rename(root / target)


def test_the_fingerprint_knows_neither_names_nor_places(tmp_path: Path, write_tree: WriteTree):
    root = small_set(tmp_path / "one", write_tree)
    before = fingerprint(read_dataset(root))
    assert re.fullmatch("[0-9a-f]{64}", before)
    assert fingerprint(read_dataset(root)) == before
    moved(root, "train/a/000.png", "train/a/zzz.jpg")
    moved(root, "val", "VALIDATION")
    (root / "train" / "a" / "notes.txt").write_text("a foreign file")
    elsewhere = tmp_path / "two" / "images"
    elsewhere.parent.mkdir()
    root.rename(elsewhere)
    assert fingerprint(read_dataset(elsewhere.parent)) == before


def change_a_byte(root: Path) -> None:
    path = root / "train" / "a" / "000.png"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "change",
    [
        change_a_byte,
        lambda root: moved(root, "train/a/000.png", "train/b/new.png"),
        lambda root: moved(root, "train/a", "train/c"),
        lambda root: moved(root, "train/a/000.png", "val/a/new.png"),
        lambda root: moved(root, "val", "test"),
        lambda root: (root / "train/a/000.png").unlink(),
        lambda root: (root / "train/a/copy.png").write_bytes((root / "train/a/000.png").read_bytes()),
    ],
    ids=["byte", "label", "class name", "split", "split name", "one fewer", "one twice"],
)
def test_the_fingerprint_changes_with_what_is_trained_on(
    tmp_path: Path, write_tree: WriteTree, change: Callable[[Path], object]
):
    root = small_set(tmp_path, write_tree)
    before = fingerprint(read_dataset(root))
    change(root)
    assert fingerprint(read_dataset(root)) != before


def test_the_fingerprint_of_a_file_that_is_gone_is_another_and_no_error(tmp_path: Path, write_tree: WriteTree):
    dataset = read_dataset(small_set(tmp_path, write_tree))
    before = fingerprint(dataset)
    (tmp_path / "train" / "a" / "000.png").unlink()
    assert fingerprint(dataset) != before


def test_the_fingerprint_tells_how_validation_was_held_out(tmp_path: Path, write_tree: WriteTree):
    dataset = read_dataset(write_tree(tmp_path, {"a": 10, "b": 10}))
    assert fingerprint(with_validation_split(dataset, 0.2)) == fingerprint(with_validation_split(dataset, 0.2))
    assert fingerprint(with_validation_split(dataset, 0.2)) != fingerprint(with_validation_split(dataset, 0.5))


# Pixels


def test_pixels_are_those_of_the_files_in_the_order_of_the_frame(tmp_path: Path, write_tree: WriteTree):
    dataset = read_dataset(write_tree(tmp_path, {"a": 3, "b": 2}))
    frame = dataset.frame.iloc[::-1]
    pixels = load_pixels(dataset, frame, 48, 1)
    assert pixels.values.shape == (5, 8, 8, 1), "images of one size are not enlarged"
    assert pixels.values.dtype == np.uint8
    assert pixels.frame["path"].tolist() == frame["path"].tolist()
    for values, path in zip(pixels.values, pixels.frame["path"], strict=True):
        assert np.array_equal(values[..., 0], np.asarray(Image.open(tmp_path / path)))
    assert pixels.problems == ()


def test_larger_and_mixed_images_are_brought_to_one_size(tmp_path: Path, write_tree: WriteTree):
    root = write_tree(tmp_path, {"a": 1})
    Image.new("L", (20, 10), 77).save(root / "a" / "wide.png")
    dataset = read_dataset(root)
    assert load_pixels(dataset, dataset.frame, 16, 1).values.shape == (2, 16, 16, 1)
    wide = dataset.frame[dataset.frame["path"] == "a/wide.png"]
    assert np.unique(load_pixels(dataset, wide, 8, 1).values).tolist() == [77]


@pytest.mark.parametrize(("channels", "stored"), [(1, 1), (3, 3)])
def test_colour_is_kept_where_it_is_wanted(tmp_path: Path, channels: int, stored: int):
    (tmp_path / "a").mkdir()
    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / "a" / "red.png")
    dataset = read_dataset(tmp_path)
    values = load_pixels(dataset, dataset.frame, 8, channels).values
    assert values.shape == (1, 8, 8, stored)
    assert values[0, 0, 0].tolist() == ([76] if channels == 1 else [255, 0, 0])


def test_grey_images_are_stored_with_one_channel_even_for_a_colour_model(tmp_path: Path, write_tree: WriteTree):
    dataset = read_dataset(write_tree(tmp_path, {"a": 2}))
    assert load_pixels(dataset, dataset.frame, 8, 3).values.shape == (2, 8, 8, 1)


def test_images_that_cannot_be_read_are_skipped_and_named(tmp_path: Path, write_tree: WriteTree):
    root = write_tree(tmp_path, {"a": 2})
    (root / "a" / "000.png").write_bytes(b"")
    for number in range(4):
        (root / "a" / f"bad{number}.jpg").write_text("text")
    dataset = read_dataset(root)
    pixels = load_pixels(dataset, dataset.frame, 8, 1)
    assert pixels.frame["path"].tolist() == ["a/001.png"]
    [problem] = pixels.problems
    assert problem.kind == "undecodable"
    assert problem.paths == ("a/000.png", "a/bad0.jpg", "a/bad1.jpg", "a/bad2.jpg", "a/bad3.jpg")
    assert problem.message == (
        "5 images can't be read and will be skipped: a/000.png: empty (0 bytes); "
        f"a/bad0.jpg: not a {FORMAT_NAMES} image; "
        f"a/bad1.jpg: not a {FORMAT_NAMES} image; and 2 more; replace or remove them"
    )


def test_a_data_set_of_broken_images_alone_is_refused(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "0.png").write_bytes(b"")
    dataset = read_dataset(tmp_path)
    with pytest.raises(DatasetError, match="none of its 1 images can be read; 'fer-tui data check' lists them"):
        load_pixels(dataset, dataset.frame, 8, 1)


def test_decoding_ends_early_when_it_is_stopped(tmp_path: Path, write_tree: WriteTree):
    dataset = read_dataset(write_tree(tmp_path, {"a": 5}))
    assert len(load_pixels(dataset, dataset.frame, 8, 1, stopped=lambda: True).values) == 1
