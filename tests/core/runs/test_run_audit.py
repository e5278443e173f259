"""Each detector finds its fault in a run that has it, and nothing in the same run without it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from core.evaluation.metrics import evaluate
from core.runs.history import HISTORY_COLUMNS
from core.runs.reader import RunSnapshot
from core.runs.run_audit import audit_run, measure_batches
from core.runs.schema import EnvironmentFile, EvaluationFile

CLASSES = ("a", "b", "c")
TRUTH = ["a"] * 10 + ["b"] * 20 + ["c"] * 10
GOOD = ["a"] * 10 + ["b"] * 18 + ["c"] * 12
AS_USUAL: EnvironmentFile = {}
NO_OTHER_FIGURES: EvaluationFile = {}
MIXED = {"label_entropy": 1.4, "shuffled_label_entropy": 1.5, "previous_class_accuracy": 0.5}


def evaluation_of(truth: Sequence[str], answers: Sequence[str], classes: Sequence[str] = CLASSES) -> EvaluationFile:
    probabilities = np.array([[0.8 if name == answer else 0.1 for name in classes] for answer in answers])
    counts = {name: truth.count(name) for name in sorted(set(truth))}
    figures = evaluate(truth, probabilities, classes)
    return {**figures, "epoch": 2, "val_images": len(truth), "val_counts": counts}


def epoch(number: int, **changed: float) -> dict[str, float]:
    return dict.fromkeys(HISTORY_COLUMNS, 0.9) | {"epoch": number, "val_loss": 1 / number} | changed


def run(
    truth: Sequence[str] = TRUTH,
    answers: Sequence[str] = GOOD,
    *,
    state: str = "completed",
    environment: EnvironmentFile = AS_USUAL,
    evaluation: EvaluationFile = NO_OTHER_FIGURES,
    history: Sequence[Mapping[str, float]] = (epoch(1), epoch(2)),
) -> RunSnapshot:
    """Return a completed run without faults, changed by the arguments."""
    told: EnvironmentFile = {
        "classes": list(CLASSES),
        "validation_classes": list(CLASSES),
        "counts": {"validation": {"a": 10, "b": 20, "c": 10}},
        "batches": MIXED,
        "val_images": len(truth),
        "validation_images": len(truth),
    }
    return RunSnapshot(
        path=Path("run"),
        state=state,
        config={"monitor": "val_loss", "keep": "best"},
        environment={**told, **environment},
        status={},
        history=tuple(history),
        evaluation={**evaluation_of(truth, answers), **evaluation},
    )


def found(snapshot: RunSnapshot) -> dict[str, str]:
    findings = audit_run(snapshot)
    assert all(finding.keys() == {"code", "message"} and "\n" not in finding["message"] for finding in findings)
    return {finding["code"]: finding["message"] for finding in findings}


def test_a_good_run_has_no_warning():
    assert found(run()) == {}


def test_a_run_of_which_nothing_is_known_yet_has_no_warning():
    assert audit_run(RunSnapshot(Path("run"), "running", {}, {}, {}, (), None)) == []


# Near-pure batches


@pytest.mark.parametrize(("entropy", "told"), [(0.2, True), (0.74, True), (0.76, False), (1.5, False)])
def test_near_pure_batches(entropy: float, told: bool):
    faults = found(run(environment={"batches": {**MIXED, "label_entropy": entropy}}))
    assert faults.keys() == ({"near_pure_batches"} if told else set())
    if told:
        assert f" is {entropy:.2f} bits, 1.50 after a full shuffle: " in faults["near_pure_batches"]
        assert "scores 0.50" in faults["near_pure_batches"]


def test_batches_are_measured_as_drawn():
    labels = np.repeat([0, 1, 2, 3], 8)
    pure = measure_batches(labels, np.arange(32).reshape(4, 8))
    assert pure["label_entropy"] == 0
    assert pure["previous_class_accuracy"] == 0
    assert 1 < pure["shuffled_label_entropy"] < 2
    halves = measure_batches(labels, np.arange(32).reshape(8, 4))
    assert halves["previous_class_accuracy"] == pytest.approx(4 / 7)
    even = measure_batches(labels, np.arange(32).reshape(4, 8).T)
    assert even["label_entropy"] == pytest.approx(2)
    assert even["previous_class_accuracy"] == pytest.approx(1 / 4)


def test_batches_may_differ_in_size_and_be_alone():
    labels = np.array([0, 1, 0])
    assert measure_batches(labels, [np.array([0, 1]), np.array([2])])["label_entropy"] == pytest.approx(0.5)
    assert math.isnan(measure_batches(labels, [np.array([0, 1, 2])])["previous_class_accuracy"])


# Encoding


def test_an_encoding_that_differs_between_the_splits():
    faults = found(run(environment={"validation_classes": ["a", "c", "b"]}))
    assert faults.keys() == {"encoding_differs"}
    assert "encode b, c as different outputs: for 30 validation images, " in faults["encoding_differs"]


# Numbers


@pytest.mark.parametrize("name", ["loss", "val_loss", "val_precision"])
def test_a_figure_that_is_no_number(name: str):
    faults = found(run(history=[epoch(1, **{name: math.nan}), epoch(2)]))
    assert faults.keys() == {"nan"}
    assert faults["nan"].startswith(f"{name} of epoch 1 is not a number; ")


def test_a_run_that_diverged_is_told():
    assert found(run(state="diverged"))["nan"].startswith("the loss of epoch 3 is not a number; ")


@pytest.mark.parametrize("loss", [None, math.nan, math.inf])
def test_an_evaluation_without_a_loss(loss: float | None):
    assert found(run(evaluation={"loss": loss})).keys() == {"nan"}


# Validation


@pytest.mark.parametrize(("images", "told"), [(40, False), (39, True), (1, True)])
def test_figures_over_a_part_of_the_split_are_told(images: int, told: bool):
    faults = found(run(evaluation={"val_images": images}))
    assert faults.keys() == ({"partial_validation"} if told else set())
    if told:
        message = f"val_* metrics cover {images} of the split's 40 images; report the accuracy over all images, 0.9500;"
        assert faults["partial_validation"].startswith(message)


def test_a_part_is_told_before_there_is_an_evaluation():
    told: EnvironmentFile = {"val_images": 3520, "validation_images": 7066}
    [finding] = audit_run(RunSnapshot(Path("run"), "running", {}, told, {}, (), None))
    assert finding["code"] == "partial_validation"
    assert finding["message"].startswith("val_* metrics cover 3,520 of the split's 7,066 images; ")


# A class's share


@pytest.mark.parametrize(("accuracy", "told"), [(0.25, True), (0.5, True), (0.275, False), (0.9, False)])
def test_an_accuracy_that_is_a_classs_share(accuracy: float, told: bool):
    faults = found(run(history=[epoch(1), epoch(2, val_accuracy=accuracy)]))
    assert faults.keys() == ({"class_share"} if told else set())
    if told:
        assert faults["class_share"].startswith(f"val_accuracy {accuracy:.4f} is the share of '")


@pytest.mark.parametrize(("right", "told"), [(1830, True), (1833, False), (1820, True), (1817, False)])
def test_a_share_is_told_to_a_thousandth_of_the_images(right: int, told: bool):
    counts = {"happy": 1825, "other": 5241}
    history = [epoch(1), epoch(2, val_accuracy=right / 7066)]
    assert ("class_share" in found(run(evaluation={"val_counts": counts}, history=history))) is told


def test_the_whole_splits_accuracy_is_compared_with_the_whole_splits_shares():
    wrong = {"a": "c", "b": "a", "c": "b"}
    answers = [label if i < 10 else wrong[label] for i, label in enumerate(TRUTH)]
    faults = found(run(answers=answers, evaluation={"val_images": 8, "val_counts": {"a": 4, "b": 4}}))
    assert faults["class_share"].startswith("accuracy over the whole split 0.2500 is the share of 'a' (10 of 40 ")


# Answers


def test_one_answer_to_everything_is_told():
    faults = found(run(answers=["b"] * 40))
    assert faults.keys() == {"constant_answer", "not_above_majority"}
    assert faults["constant_answer"].startswith("the model predicts 'b' for 100.0% of the images: ")


@pytest.mark.parametrize(("constant", "told"), [(36, False), (37, True)])
def test_one_answer_is_told_beyond_nine_in_ten(constant: int, told: bool):
    answers = ["b"] * constant + ["c"] * (40 - constant)
    truth = ["b"] * (constant - 10) + ["a"] * 10 + ["c"] * (40 - constant)
    assert found(run(truth, answers)).keys() == ({"constant_answer"} if told else set())


@pytest.mark.parametrize(("right", "told"), [(19, True), (20, True), (21, False)])
def test_accuracy_must_be_above_the_commonest_class(right: int, told: bool):
    wrong = {"a": "c", "b": "a", "c": "b"}
    answers = [label if i < right else wrong[label] for i, label in enumerate(TRUTH)]
    faults = found(run(answers=answers))
    assert faults.keys() == ({"not_above_majority"} if told else set())
    if told:
        message = f"accuracy {right / 40:.4f} over the whole split is not above 0.5000, "
        assert faults["not_above_majority"].startswith(message)


# The reported epoch


@pytest.mark.parametrize(("reported", "told"), [(1, True), (2, False), (3, True), (4, False)])
def test_a_reported_epoch_is_the_last_or_the_best(reported: int, told: bool):
    history = [epoch(1, val_loss=3), epoch(2, val_loss=1), epoch(3, val_loss=2), epoch(4, val_loss=4)]
    faults = found(run(evaluation={"epoch": reported}, history=history))
    assert faults.keys() == ({"chosen_epoch"} if told else set())
    if told:
        assert faults["chosen_epoch"].startswith(f"epoch {reported} of 4 is reported, neither the last nor the best ")


def test_an_epoch_whose_monitor_is_no_number_is_not_the_best():
    history = [epoch(1, val_loss=math.nan), epoch(2)]
    assert found(run(evaluation={"epoch": 1}, history=history)).keys() == {"nan", "chosen_epoch"}


# All together


def test_the_published_figures_are_seen_through():
    # The article's Model 3 predicts only 'happy', and 'happy' comes first in the 3,520 images that it validates on.
    counts = {"happy": 1825, "neutral": 1216, "angry": 960, "surprise": 797, "sad": 1139, "disgust": 111, "fear": 1018}
    truth = [name for name, count in counts.items() for _ in range(count)]
    evaluation = evaluation_of(truth, ["happy"] * len(truth), sorted(counts))
    evaluation |= {"val_images": 3520, "val_counts": {"happy": 1750, "neutral": 1195, "angry": 575}, "epoch": 1}
    assert evaluation["accuracy"] == pytest.approx(0.258, abs=5e-4)
    batches = {"label_entropy": 0.35, "shuffled_label_entropy": 2.5, "previous_class_accuracy": 0.87}
    history = [epoch(1, val_accuracy=0.4972), epoch(2)]
    environment: EnvironmentFile = {"batches": batches, "validation_classes": ["b", "a", "c"]}
    faults = found(run(evaluation=evaluation, history=history, environment=environment))
    assert list(faults) == [
        "near_pure_batches", "encoding_differs", "partial_validation", "class_share", "constant_answer",
        "not_above_majority", "chosen_epoch",
    ]  # fmt: skip
    assert (
        "3,520 of the split's 7,066 images; report the accuracy over all images, 0.2583" in faults["partial_validation"]
    )
    assert faults["class_share"].startswith("val_accuracy 0.4972 is the share of 'happy' (1,750 of 3,520 images)")
