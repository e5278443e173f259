"""Check each statistic against a hand-calculated example and a direct computation."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from core.errors import RunError
from core.evaluation.metrics import evaluate, evaluate_leak_free, find_leaked_images
from core.evaluation.statistics import (
    LEVEL,
    RESAMPLES,
    McNemarResult,
    bootstrap_intervals,
    compare_predictions,
    describe_difference,
    format_p_value,
    mcnemar,
)
from core.runs.predictions import Prediction


def said(path: str, *, right: bool) -> Prediction:
    return Prediction(path, "happy", "happy" if right else "sad", 0.9)


# Intervals


def test_an_interval_of_accuracy_is_that_of_a_binomial_share():
    # 80 of 100 are correct: 2.5 % of Binomial(100, 0.8) lie at or below 72, 2.5 % above 87.
    intervals = bootstrap_intervals([[50, 10], [10, 30]])
    assert intervals["accuracy"] == pytest.approx([0.72, 0.87], abs=0.011)
    assert (intervals["level"], intervals["resamples"]) == (LEVEL, RESAMPLES)


def test_intervals_are_those_of_drawing_images_one_by_one():
    matrix = [[30, 5, 5], [4, 16, 0], [8, 2, 10]]
    labels = np.repeat([0, 0, 0, 1, 1, 1, 2, 2, 2], np.ravel(matrix))
    answers = np.repeat([0, 1, 2] * 3, np.ravel(matrix))
    draw = np.random.default_rng(7)
    drawn = [draw.integers(0, len(labels), len(labels)) for _ in range(RESAMPLES)]
    ends = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    plain = {
        "accuracy": [np.mean(labels[rows] == answers[rows]) for rows in drawn],
        "macro_f1": [f1_score(labels[rows], answers[rows], average="macro") for rows in drawn],
    }
    intervals = bootstrap_intervals(matrix)
    for figure, values in plain.items():
        assert intervals[figure] == pytest.approx(np.quantile(values, ends), abs=0.015)
        assert intervals[figure][0] < np.mean(values) < intervals[figure][1]


def test_four_times_the_images_halve_an_interval():
    widths = [
        np.ptp(bootstrap_intervals((np.array([[40, 20], [15, 25]]) * times).tolist())["accuracy"]) for times in (1, 4)
    ]
    assert widths[0] / widths[1] == pytest.approx(2, rel=0.1)


def test_the_same_answers_have_the_same_interval():
    assert bootstrap_intervals([[5, 1], [2, 4]]) == bootstrap_intervals([[5, 1], [2, 4]])


def test_where_all_is_right_nothing_is_in_doubt():
    intervals = bootstrap_intervals([[7, 0], [0, 3]])
    assert intervals["accuracy"] == intervals["macro_f1"] == [1.0, 1.0]


def test_a_class_without_an_image_is_no_part_of_macro_f1():
    # Class c is predicted once and has no image. The F1 of the others are 6 / 8 and 8 / 9, as in `evaluate`.
    matrix = [[3, 0, 1], [1, 4, 0], [0, 0, 0]]
    low, high = bootstrap_intervals(matrix)["macro_f1"]
    labels, shares = ["a"] * 4 + ["b"] * 5, np.eye(3)[[0, 0, 0, 2, 0, 1, 1, 1, 1]]
    found = evaluate(labels, shares, ["a", "b", "c"])
    assert found["macro_f1"] == pytest.approx((6 / 8 + 8 / 9) / 2)
    assert low < found["macro_f1"] < high
    assert found["intervals"] == bootstrap_intervals(found["confusion_matrix"])


# Two runs


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),
    [
        # Of 6 images that only one model gets correct, a fair coin gives one model at most 1 in 2 (1 + 6) of 64 cases.
        (1, 5, 14 / 64),
        (5, 1, 14 / 64),
        # 2 (1 + 12 + 66) of 4096.
        (10, 2, 158 / 4096),
        (0, 10, 2 / 1024),
        (3, 3, 1.0),
        (0, 0, 1.0),
    ],
)
def test_mcnemars_p_is_that_of_fair_coins(only_first: int, only_second: int, p: float):
    assert mcnemar(only_first, only_second) == pytest.approx(p)


def test_two_runs_are_held_against_each_other_image_by_image():
    both = [said(f"{n}.png", right=True) for n in range(20)]
    first = [
        *both,
        *(said(f"a{n}.png", right=True) for n in range(10)),
        *(said(f"b{n}.png", right=False) for n in range(2)),
    ]
    second = [*(said(f"b{n}.png", right=True) for n in range(2)), *(said(f"a{n}.png", right=False) for n in range(10))]
    second += [*reversed(both), said("of the second alone.png", right=True)]
    found = compare_predictions(first, second)
    assert found.p == pytest.approx(158 / 4096)
    assert found == McNemarResult(32, 1, 10, 2, (30 / 32, 22 / 32), found.p)
    assert found.is_significant


def test_an_image_that_has_another_label_is_another():
    first = [said("1.png", right=True), Prediction("2.png", "sad", "sad", 1.0)]
    second = [said("1.png", right=False), said("2.png", right=True)]
    for found in (compare_predictions(first, second), compare_predictions(second, first)):
        assert (found.images, found.apart) == (1, 2)


def test_runs_on_other_data_are_refused():
    with pytest.raises(RunError, match="no validation image in common; compare runs on the same data"):
        compare_predictions([said("1.png", right=True)], [said("2.png", right=True)])


def test_a_difference_in_words():
    sure = McNemarResult(32, 1, 10, 2, (30 / 32, 22 / 32), 158 / 4096)
    assert describe_difference(sure, "A", "B") == [
        "accuracy on the same 32 images: A 0.9375, B 0.6875",
        "only A is correct on 10 images, only B on 2",
        "McNemar's exact test: p = 0.039: A is better",
        "1 image that only one of the runs has is left out",
    ]
    unsure = McNemarResult(32, 0, 1, 5, (0.5, 0.625), 14 / 64)
    assert describe_difference(unsure, "A", "B")[2:] == [
        "McNemar's exact test: p = 0.22: the difference is within chance"
    ]


def test_a_p_value_in_two_digits():
    assert [format_p_value(p) for p in (1.0, 0.049, 0.0012, 3.2e-17)] == ["1", "0.049", "0.0012", "3e-17"]


# Leaks


def test_images_with_the_pixels_of_a_trained_one_are_found():
    train = np.arange(4 * 3 * 3, dtype=np.uint8).reshape(4, 3, 3, 1)
    nearly = train[2].copy()
    nearly[2, 2] += 1
    images = np.stack([train[2], nearly, train[0], train[0] + 1])
    assert find_leaked_images(train, images).tolist() == [True, False, True, False]
    # A view with different strides contains the same images.
    assert find_leaked_images(train[:, ::-1], images[:, ::-1]).tolist() == [True, False, True, False]


def test_accuracy_without_what_was_trained_on():
    labels, shares = ["a", "a", "b", "b", "b"], np.eye(2)[[0, 1, 1, 1, 0]]
    seen = np.array([True, False, True, False, False])
    # Three images are left: the `a` is predicted wrongly, one `b` correctly and one `b` wrongly.
    assert evaluate_leak_free(labels, shares, ["a", "b"], seen) == {"leaked_images": 2, "leak_free_accuracy": 1 / 3}
    assert evaluate_leak_free(labels, shares, ["a", "b"], np.ones(5, dtype=bool))["leak_free_accuracy"] is None
