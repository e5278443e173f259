"""Broken images are named, counted and left out, unusual ones read; no name on disk steers a terminal."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path

import pytest
from installed import Answer, fer, steers
from scenarios import (
    BROKEN,
    MARKUP,
    SHOWN,
    STEERING,
    BadImages,
    epochs_told,
    grey,
    write_broken_images,
    write_odd_images,
)


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Answer:
    """`data check` of broken and unusual images in classes with names that would steer a terminal."""
    root = tmp_path_factory.mktemp("odd") / "[red]x[" / "]"
    for name in (MARKUP, STEERING):
        (root / "train" / name).mkdir(parents=True)
    write_odd_images(root / "train" / MARKUP)
    write_broken_images(root / "train" / MARKUP)
    grey(1, 99).save(root / "train" / STEERING / "screen\x1b[2J.png")
    (root / "train" / MARKUP / os.fsdecode(b"l\xff.png")).write_bytes(b"")
    answer = fer("data", "check", root, "--json", env={"PYTHONIOENCODING": "utf-8:strict"})
    text = fer("data", "check", root)
    assert not steers(text.out + text.err)
    assert SHOWN in text.out
    assert MARKUP in text.out
    assert text.status == answer.status == 0
    assert answer.err == text.err == ""
    return answer


def test_data_check_names_every_image_that_cannot_be_read(checked: Answer):
    assert not steers(checked.out)
    problems = {problem["kind"]: problem for problem in checked.json()["problems"]}
    unreadable = problems["undecodable"]["paths"]
    assert sorted(unreadable) == sorted(f"train/{MARKUP}/{name}" for name in (*BROKEN, os.fsdecode(b"l\xff.png")))
    assert problems["undecodable"]["message"].startswith("5 images can't be read and will be skipped: ")


def test_16_bit_png_and_cmyk_jpeg_are_read_as_what_they_show(checked: Answer):
    problems = {problem["kind"]: problem for problem in checked.json()["problems"]}
    # Each has an ordinary twin beside it: the same pixels, and so a duplicate.
    twins = {path.rpartition("/")[2] for path in problems["duplicate"]["paths"]}
    assert twins == {"deep16.png", "deep8.png", "cmyk.jpg", "red.png"}


def test_a_training_with_bad_images_is_finished_without_them(bad_images: BadImages):
    trained = bad_images.trained
    assert trained.status == 0
    (told,) = trained.json()
    assert told["state"] == "completed"
    assert epochs_told(trained.err) == ["1/2", "2/2"]
    assert "Traceback" not in trained.err
    # 6, 16 and 6, 4 odd ones and a lonely one; 3, 13 and 3, without the class that train lacks.
    assert bad_images.environment["train_images"] == 33
    assert bad_images.environment["validation_images"] == 19


def test_unreadable_images_are_named_counted_and_recorded(bad_images: BadImages):
    skipped = [line for line in bad_images.trained.lines if "can't be read" in line]
    assert [line.partition(": ")[0] for line in skipped] == ["warning", "warning"]
    assert "4 images can't be read and will be skipped: train/happy/cut.jpg: damaged" in skipped[0]
    assert r"1 image can't be read and will be skipped: validation/happy/l\udcff.png: empty (0 bytes)" in skipped[1]
    stored = bad_images.environment
    assert stored["skipped"] == 5
    paths = [path for p in stored["problems"] if p["kind"] == "undecodable" for path in p["paths"]]
    assert paths == [*(f"train/happy/{name}" for name in BROKEN), "validation/happy/l\udcff.png"]


def test_a_class_in_one_split_alone_is_a_warning(bad_images: BadImages):
    for name, here, there in (("lonely", "train", "validation"), ("unmet", "validation", "train")):
        assert f"warning: class '{name}' has images in {here} and none in {there}; " in bad_images.trained.err
    assert bad_images.environment["classes"] == sorted([MARKUP, STEERING, "happy", "lonely"])
    assert {p["kind"] for p in bad_images.environment["problems"]} == {"class_in_one_split", "undecodable"}


def test_names_cannot_steer_the_terminal(bad_images: BadImages):
    for answer in (bad_images.trained, bad_images.evaluated, bad_images.elsewhere, bad_images.predicted):
        assert not steers(answer.out + answer.err)
    assert SHOWN in bad_images.evaluated.out
    assert MARKUP in bad_images.evaluated.out
    assert STEERING in bad_images.predicted.json()[0]["probabilities"]


@pytest.mark.parametrize("form", ["table", "csv", "markdown", "latex", "json"])
def test_names_cannot_steer_the_terminal_in_a_comparison(bad_images: BadImages, form: str):
    answer = fer("compare", "--format", form, "--runs", bad_images.run.parent)
    assert answer.status == 0
    assert bad_images.run.name in answer.out
    assert "2Jape'" in answer.out
    assert not steers(answer.out + answer.err)


def test_predictions_hold_the_names_as_they_are(bad_images: BadImages):
    with (bad_images.run / "predictions.csv").open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = list(csv.DictReader(file))
    assert {row["label"] for row in rows} == {MARKUP, STEERING, "happy"}
    assert list(rows[0])[3:] == [f"p_{name}" for name in sorted([MARKUP, STEERING, "happy", "lonely"])]
    assert f"validation/{STEERING}/0.png" in {row["path"] for row in rows}


def test_a_class_whose_images_are_all_broken_ends_the_run_as_failed(faces: Path, tmp_path: Path):
    for name in ("train/happy", "validation/happy", "train/sad", "validation/sad"):
        shutil.copytree(faces / name, tmp_path / "data" / name)
    for path in (tmp_path / "data" / "train" / "sad").iterdir():
        path.write_bytes(b"")
    answer = fer("train", "--data", tmp_path / "data", "--model", "compact", "--runs", tmp_path / "runs")
    assert answer.status == 1
    (line,) = answer.lines
    assert line.startswith("fer-tui: ")
    assert "only 'happy' has training images that can be read; 'fer-tui data check' names the others" in line
