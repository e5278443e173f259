"""Reproduce the article's figures from its file listing and its shuffle buffer."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from core.comparison import article_figures as published_figures
from core.comparison.article_figures import COUNTS, Spread, article_labels, constant_answer, shuffled_with_buffer
from core.config.protocol import PUBLISHED
from core.config.training_config import resolve

ROOT = Path(__file__).resolve().parents[3]


def test_the_counts_are_the_articles():
    assert [sum(COUNTS[split].values()) for split in ("train", "validation")] == [28_829, 7_066]
    assert [PUBLISHED.validation_image_count(7_066, 64, divisor) for divisor in (64, 128)] == [7_040, 3_520]


@pytest.mark.parametrize(("split", "first", "last"), [("train", "neutral", "fear"), ("validation", "happy", "fear")])
def test_images_are_listed_class_by_class(split: str, first: str, last: str):
    labels = article_labels(split)
    assert (labels[0], labels[-1]) == (first, last)
    assert (labels[1:] != labels[:-1]).sum() == 6
    assert {name: int((labels == name).sum()) for name in COUNTS[split]} == COUNTS[split]


@pytest.mark.parametrize(("images", "buffer"), [(3000, 1000), (50, 1000), (10, 1)])
def test_the_buffer_lets_every_row_out_once_and_none_before_it_is_in(images: int, buffer: int):
    order = shuffled_with_buffer(images, buffer, seed=1)
    assert sorted(order) == list(range(images))
    assert (order < np.arange(images) + buffer).all()
    assert ((order == np.arange(images)).all()) is np.bool_(buffer == 1)
    assert (shuffled_with_buffer(images, buffer, seed=1) == order).all()


@cache
def simulated(name: str, divisor: int) -> Spread:
    return constant_answer(name, divisor, seeds=60)


@pytest.mark.parametrize(
    ("name", "divisor", "figure", "tolerance", "printed"),
    [
        ("fear", 64, 0.1422, 0.0007, (0.1425, 0.1418, 0.1428, 0.1426)),
        ("happy", 128, 0.4995, 0.005, (0.4972, 0.5017)),
    ],
)
def test_one_answer_scores_what_the_article_prints(
    name: str, divisor: int, figure: float, tolerance: float, printed: tuple[float, ...]
):
    spread = simulated(name, divisor)
    assert spread.mean == pytest.approx(figure, abs=tolerance)
    # Every val_accuracy in the article and its logs, printed with four decimals.
    for accuracy in printed:
        assert abs(accuracy - spread.mean) < 3 * spread.deviation + 5e-5
    # The figure is neither 1/7 nor the class's share of the split.
    for other in (1 / 7, published_figures.whole_split_accuracy(name)):
        assert abs(other - spread.mean) > spread.deviation


@pytest.mark.parametrize(("name", "divisor"), [("fear", 64), ("happy", 128)])
def test_the_pipeline_validates_on_what_is_simulated(name: str, divisor: int):
    from core.data.pipeline import published_rows

    labels, taken = article_labels("validation"), PUBLISHED.validation_image_count(7_066, 64, divisor)
    config = resolve({"data": "x", "model": "model2", "protocol": "published"})
    rows = [published_rows(7_066, taken, config, epoch).batch(taken).get_single_element() for epoch in range(30)]
    assert {len(drawn) for drawn in rows} == {taken}
    shares = [(labels[np.asarray(drawn)] == name).mean() for drawn in rows]
    spread = simulated(name, divisor)
    assert np.mean(shares) == pytest.approx(spread.mean, abs=spread.deviation)
    assert np.std(shares) == pytest.approx(spread.deviation, rel=0.5)


def test_the_class_of_the_batch_before_is_a_good_guess():
    assert published_figures.previous_class_accuracy(seeds=3).mean == pytest.approx(0.87, abs=0.01)


def test_batches_are_nearly_pure():
    pure, mixed = published_figures.label_entropy(seeds=3)
    assert pure.mean < 0.2 * mixed.mean
    assert 2.4 < mixed.mean < np.log2(7)


def test_refitting_the_encoding_did_the_article_no_harm():
    order = published_figures.frequency_order("validation")
    assert order == published_figures.frequency_order("train")
    assert (order[0], order[-1]) == ("disgust", "happy")


def test_steps_are_the_articles():
    # The article's logs show 450 and 225 steps.
    assert PUBLISHED.steps_per_epoch(28_829, 64, 64) == 450
    assert PUBLISHED.steps_per_epoch(28_829, 64, 128) == 225
    assert PUBLISHED.steps_per_epoch(28_829, 32, 64) == 900
    assert PUBLISHED.steps_per_epoch(5, 64, 128) == 1


def test_the_benchmark_prints_them():
    script = ROOT / "benchmarks" / "published_figures.py"
    done = subprocess.run([sys.executable, str(script)], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "| always 'happy', first 3,520 images | 0.49" in done.stdout
