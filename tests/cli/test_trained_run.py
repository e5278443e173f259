"""Train on bad images with names that contain control sequences, and check every command's output for the run."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
from pathlib import Path

import pytest
from installed import LIBRARY_OUTPUT, CommandResult, assert_refused, fer, has_control_characters
from PIL import Image
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

from core.comparison.columns import COLUMNS


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> CommandResult:
    """`data check` of broken and unusual images in classes whose names contain control sequences."""
    root = tmp_path_factory.mktemp("odd") / "[red]x[" / "]"
    for name in (MARKUP, STEERING):
        (root / "train" / name).mkdir(parents=True)
    write_odd_images(root / "train" / MARKUP)
    write_broken_images(root / "train" / MARKUP)
    grey(1, 99).save(root / "train" / STEERING / "screen\x1b[2J.png")
    (root / "train" / MARKUP / os.fsdecode(b"l\xff.png")).write_bytes(b"")
    answer = fer("data", "check", root, "--json", env={"PYTHONIOENCODING": "utf-8:strict"})
    text = fer("data", "check", root)
    assert not has_control_characters(text.out + text.err)
    assert SHOWN in text.out
    assert MARKUP in text.out
    assert text.status == answer.status == 0
    assert answer.err == text.err == ""
    return answer


def test_data_check_names_every_image_that_cannot_be_read(checked: CommandResult):
    assert not has_control_characters(checked.out)
    problems = {problem["kind"]: problem for problem in checked.json()["problems"]}
    unreadable = problems["undecodable"]["paths"]
    assert sorted(unreadable) == sorted(f"train/{MARKUP}/{name}" for name in (*BROKEN, os.fsdecode(b"l\xff.png")))
    assert problems["undecodable"]["message"].startswith("5 images can't be read and will be skipped: ")


def test_16_bit_png_and_cmyk_jpeg_are_read_as_what_they_show(checked: CommandResult):
    problems = {problem["kind"]: problem for problem in checked.json()["problems"]}
    # Each has an ordinary copy with the same pixels, so it counts as a duplicate.
    twins = {path.rpartition("/")[2] for path in problems["duplicate"]["paths"]}
    assert twins == {"deep16.png", "deep8.png", "cmyk.jpg", "red.png"}


def test_a_training_with_bad_images_is_finished_without_them(bad_images: BadImages):
    trained = bad_images.trained
    assert trained.status == 0
    (told,) = trained.json()
    assert told["state"] == "completed"
    assert epochs_told(trained.err) == ["1/2", "2/2"]
    assert "Traceback" not in trained.err
    # Train: 6 + 16 + 6, 4 odd images, 1 of a class that only train has. Validation: 3 + 13 + 3, no unknown class.
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
        assert f"warning: class '{name}' has images in {here} and none in {there}, so " in bad_images.trained.err
    assert bad_images.environment["classes"] == sorted([MARKUP, STEERING, "happy", "lonely"])
    assert {p["kind"] for p in bad_images.environment["problems"]} == {"class_in_one_split", "undecodable"}


def test_names_cannot_steer_the_terminal(bad_images: BadImages):
    for answer in (bad_images.trained, bad_images.evaluated, bad_images.elsewhere, bad_images.predicted):
        assert not has_control_characters(answer.out + answer.err)
    assert SHOWN in bad_images.evaluated.out
    assert MARKUP in bad_images.evaluated.out
    assert STEERING in bad_images.predicted.json()[0]["probabilities"]


@pytest.mark.parametrize("form", ["table", "csv", "markdown", "latex", "json"])
def test_names_cannot_steer_the_terminal_in_a_comparison(bad_images: BadImages, form: str):
    answer = fer("compare", "--format", form, "--columns", "run,model", "--runs", bad_images.run.parent)
    assert answer.status == 0
    assert bad_images.run.name in answer.out
    assert "2Jape'" in answer.out
    assert not has_control_characters(answer.out + answer.err)


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
    assert "only 'happy' has training images that can be read; 'fer-tui data check' lists the others" in line


# ---- refusals and warnings


@pytest.mark.parametrize("epochs", ["0", "-3", "100001"])
def test_resume_to_a_number_of_epochs_that_cannot_be(bad_images: BadImages, epochs: str):
    before = (bad_images.run / "config.json").read_bytes()
    assert_refused(fer("resume", bad_images.run, "--epochs", epochs), 2, "--epochs: ")
    assert (bad_images.run / "config.json").read_bytes() == before


def test_evaluate_leaves_unknown_classes_out_and_counts_them(bad_images: BadImages):
    answer = bad_images.elsewhere
    assert answer.status == 0
    told = answer.json()
    assert (told["images"], told["skipped"]) == (1, 6)
    (line,) = answer.lines
    assert line.startswith("warning: 6 images of unknown classes were skipped: angry, disgust, fear, ")


def test_the_line_on_unknown_classes_names_the_flag(bad_images: BadImages):
    assert bad_images.elsewhere.lines[0].endswith("; rename classes with --classes OLD=NEW")


def test_classes_are_renamed_for_evaluate_and_predict(bad_images: BadImages, faces: Path):
    answer = fer("evaluate", bad_images.run, "--data", faces, "--classes", "sad=happy,neutral=", "--json")
    assert answer.status == 0
    assert (answer.json()["images"], answer.json()["skipped"]) == (4, 8)
    image = faces / "train/happy/0001.png"
    (plain,) = fer("predict", bad_images.run, image, "--json").json()
    (told,) = fer("predict", bad_images.run, image, "--classes", "happy=joy,lonely=", "--json").json()
    assert set(told["probabilities"]) == {MARKUP, STEERING, "joy"}
    left = 1 - plain["probabilities"]["lonely"]
    assert told["probabilities"]["joy"] == pytest.approx(plain["probabilities"]["happy"] / left)
    for command in (("evaluate", bad_images.run, "--data", faces), ("predict", bad_images.run, image)):
        assert_refused(
            fer(*command, "--classes", "zzz=a"), 2, "--classes: there is no class 'zzz' to rename (the form is OLD=NEW)"
        )


def test_evaluate_gives_a_table_of_runs_by_data_sets(bad_images: BadImages, faces: Path, tmp_path: Path):
    sets = ("--data", bad_images.data, "--data", faces)
    file = tmp_path / "table.csv"
    assert fer("evaluate", bad_images.run, *sets, "--output", file).status == 0
    rows = list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8", errors="surrogateescape"))))
    assert [row["data"] for row in rows] == [str(bad_images.data), str(faces)]
    assert (rows[1]["images"], rows[1]["skipped"], rows[1]["error"]) == ("2", "12", "")
    alone = fer("evaluate", bad_images.run, "--data", faces, "--json").json()
    assert float(rows[1]["accuracy"]) == alone["accuracy"]
    assert [float(rows[1][f"accuracy_{end}"]) for end in ("low", "high")] == alone["intervals"]["accuracy"]
    printed = fer("evaluate", bad_images.run, *sets, "--json").json()
    assert [row["accuracy"] for row in printed] == [float(row["accuracy"]) for row in rows]
    shown = fer("evaluate", bad_images.run, *sets)
    assert not has_control_characters(shown.out + shown.err)
    assert f"{alone['accuracy']:.4f} (" in shown.out


def test_a_run_that_a_data_set_does_not_suit_leaves_its_cell_blank(bad_images: BadImages, faces: Path, tmp_path: Path):
    shutil.copytree(faces / "validation" / "sad", tmp_path / "sad" / "validation" / "sad")
    answer = fer("evaluate", bad_images.run, "--data", tmp_path / "sad", "--data", faces, "--json")
    assert answer.status == 1
    failed, whole = answer.json()
    assert failed["accuracy"] is None and "has a class of the run" in failed["error"]
    assert whole["images"] == 2 and whole["error"] is None
    assert any(f"{bad_images.run.name} on {tmp_path / 'sad'}: " in line for line in answer.lines)


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--output", "a.txt"], "--output: a.txt: the ending must be one of .csv, .md, .tex, .json"),
        (["--format", "nothing"], "--format: "),
        (["--votes", "all"], "--votes: input should be 'majority' or 'soft'"),
        (["--classes", "a"], "--classes: 'a' is not OLD=NEW"),
    ],
)
def test_wrong_flags_of_evaluate_are_refused(bad_images: BadImages, faces: Path, flags: list[str], told: str):
    assert_refused(fer("evaluate", bad_images.run, "--data", faces, *flags), 2, told)


def test_evaluate_on_data_without_a_known_class(bad_images: BadImages, faces: Path, tmp_path: Path):
    for name in ("angry", "sad"):
        shutil.copytree(faces / "validation" / name, tmp_path / "unknown" / "validation" / name)
    answer = fer("evaluate", bad_images.run, "--data", tmp_path / "unknown")
    assert_refused(answer, 1, f"{tmp_path / 'unknown'}: no image of 'validation' has a class of the run: ")


def test_evaluate_on_a_split_that_is_missing(bad_images: BadImages, faces: Path):
    answer = fer("evaluate", bad_images.run, "--data", faces, "--split", "test")
    assert_refused(answer, 1, f"--split: {faces} has no split 'test'; it has train, validation")


def test_evaluate_without_data(bad_images: BadImages):
    assert_refused(fer("evaluate", bad_images.run), 2, "--data: no data set given; name a folder")


def test_explain_what_cannot_be_explained(bad_images: BadImages, faces: Path, tmp_path: Path):
    image, picture = faces / "train" / "happy" / "0001.png", tmp_path / "looked.png"
    assert_refused(fer("explain", bad_images.run, image, tmp_path / "x.jpg"), 2, "x.jpg: the picture is a PNG file; ")
    assert_refused(
        fer("explain", bad_images.run, image, picture, "--class", "bored"), 2, "--class: ", "no class 'bored'"
    )
    assert_refused(fer("explain", bad_images.run, "missing.png", picture), 1, "missing.png: No such file or directory")
    assert not picture.exists()


def test_predict_tells_of_bad_files_and_answers_for_the_others(bad_images: BadImages):
    answer = bad_images.predicted
    assert answer.status == 1
    missing, text = answer.lines
    assert missing == "fer-tui: missing.png: No such file or directory"
    assert text.startswith("fer-tui: ")
    assert text.endswith(
        "/[red]x[/]/data/train/happy/text.jpg: not a JPEG, PNG, WebP, BMP, GIF, TIFF, PGM or PPM image"
    )
    told = answer.json()
    assert ["error" in one for one in told] == [False, True, True]
    assert sum(told[0]["probabilities"].values()) == pytest.approx(1, abs=1e-4)


# ---- JSON


def test_problems_in_json(bad_images: BadImages):
    problems = fer("data", "check", bad_images.data, "--json").json()["problems"]
    assert problems
    assert all(list(problem) == ["kind", "message", "paths"] for problem in problems)


def test_train_json(bad_images: BadImages):
    (told,) = bad_images.trained.json()
    keys = "run model state epochs accuracy val_accuracy val_loss seconds warnings"
    assert set(keys.split()) <= set(told)
    assert told["run"] == bad_images.run.name
    assert (told["model"], told["state"], told["epochs"]) == ("model2", "completed", 2)
    evaluation = json.loads((bad_images.run / "evaluation.json").read_text())
    assert told["val_accuracy"] == pytest.approx(evaluation["accuracy"])
    assert told["val_loss"] == pytest.approx(evaluation["loss"], rel=1e-3)
    assert told["warnings"] == evaluation["warnings"]


def test_evaluate_json(bad_images: BadImages):
    told = bad_images.elsewhere.json()
    keys = {
        "images",
        "accuracy",
        "balanced_accuracy",
        "macro_f1",
        "classes",
        "confusion_matrix",
        "per_class",
        "seconds",
    }
    assert keys <= set(told)
    assert list(told["per_class"]) == told["classes"] == bad_images.environment["classes"]
    assert len(told["confusion_matrix"]) == len(told["classes"])
    assert sum(map(sum, told["confusion_matrix"])) == told["images"]


def test_predict_json(bad_images: BadImages):
    answer, missing, text = bad_images.predicted.json()
    assert list(answer) == ["image", "box", "predicted", "probabilities"]
    assert list(missing) == list(text) == ["image", "error"]
    assert answer["predicted"] == next(iter(answer["probabilities"]))


def test_explain_draws_a_picture(bad_images: BadImages, faces: Path, tmp_path: Path):
    image, picture = faces / "train" / "happy" / "0001.png", tmp_path / "looked.png"
    answer = fer("explain", bad_images.run, image, picture, "--class", "happy", "--json")
    told = answer.json()
    assert list(told) == ["run", "image", "output", "explained", "probability", "predicted"]
    assert (told["explained"], answer.status, answer.err) == ("happy", 0, "")
    assert 0 < told["probability"] < 1
    with Image.open(picture) as found:
        assert found.size == (672, 336)


def test_resume_of_a_completed_run_in_json(bad_images: BadImages):
    answer = fer("resume", bad_images.run, "--json")
    assert answer.json() == bad_images.trained.json()
    assert answer.status == 0
    assert answer.err == f"{bad_images.run.name}: already completed; add --epochs N to train it further\n"


def test_compare_json_and_csv_say_the_same(bad_images: BadImages):
    rows = fer("compare", "--format", "json", "--runs", bad_images.run.parent).json()
    header, *lines = fer("compare", "--format", "csv", "--runs", bad_images.run.parent).out.splitlines()
    assert header.split(",") == list(COLUMNS)
    assert [row["run"] for row in rows[:3]] == [bad_images.run.name, "majority", "chance"]
    assert {row["run"] for row in rows[3:]} == {"published"}
    assert len(lines) == len(rows)


# ---- progress


def test_a_line_an_epoch_where_nobody_redraws(bad_images: BadImages):
    assert epochs_told(bad_images.trained.err) == ["1/2", "2/2"]
    assert not has_control_characters(bad_images.trained.err)


def test_nothing_of_what_tensorflow_says_is_told(bad_images: BadImages):
    for answer in (bad_images.trained, bad_images.evaluated, bad_images.elsewhere, bad_images.predicted):
        assert not LIBRARY_OUTPUT.search(answer.err), answer.err
