from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fer2013_files import write_ferplus

from core.data.corrections import apply_decisions
from core.data.readers.reader_factory import read_dataset
from core.data.votes import map_votes, soft_targets


def test_votes_are_reordered_added_and_scaled():
    votes = [(0.5, 0.25, 0.25), (0.0, 1.0, 0.0)]
    assert map_votes(votes, ["a", "b", "c"], ["c", "a", "b"]) == [(0.25, 0.5, 0.25), (0.0, 0.0, 1.0)]
    assert map_votes(votes, ["a", "b", "a"], ["a", "b"]) == [(0.75, 0.25), (0.0, 1.0)]
    assert map_votes(votes, ["a", "b", ""], ["a", "b"])[0] == pytest.approx((2 / 3, 1 / 3))
    assert map_votes([[6, 3]], ["a", "b"], ["b", "a"])[0] == pytest.approx((1 / 3, 2 / 3))


@pytest.mark.parametrize("classes", [["a", "b", "c"], ["c", "b", "a"]])
@pytest.mark.parametrize("label", ["a", "b"])
def test_of_equal_shares_the_label_is_the_largest_in_every_order(classes: list[str], label: str):
    [target] = soft_targets([(0.5, 0.5, 0.0)], ["a", "b", "c"], [label], classes)
    assert classes[int(target.argmax())] == label
    expected = [{"a": 0.5, "b": 0.5, "c": 0.0}[name] for name in classes]
    np.testing.assert_allclose(target, expected, atol=1e-7)


def test_a_share_that_is_no_tie_stays_as_it_is():
    targets = soft_targets([(1.0, 0.0), (0.75, 0.25)], ["a", "b"], ["a", "a"], ["a", "b"])
    assert targets.tolist() == [[1.0, 0.0], [0.75, 0.25]]


def test_corrections_change_the_votes(tmp_path: Path):
    dataset = read_dataset(write_ferplus(tmp_path / "data"), votes="soft")
    assert dataset.classes == ("anger", "contempt", "happiness", "neutral", "sadness")
    # The only sad image goes, and an image of two emotions becomes contempt.
    exclude, relabel = tmp_path / "exclude.csv", tmp_path / "relabel.csv"
    exclude.write_text("path\nfer2013.csv#00004\n")
    relabel.write_text("path,new_label\nfer2013.csv#00005,contempt\n")
    corrected = apply_decisions(dataset, exclude, relabel)
    assert corrected.classes == ("anger", "contempt", "happiness", "neutral")
    votes = dict(zip(corrected.frame["path"], corrected.frame["votes"], strict=True))
    assert votes["fer2013.csv#00005"] == (0.0, 1.0, 0.0, 0.0)
    assert votes["fer2013.csv#00002"] == (0.0, 0.0, 0.0, 1.0)
    assert all(sum(shares) == pytest.approx(1) for shares in votes.values())
    excluded = apply_decisions(dataset, exclude, None)
    votes = dict(zip(excluded.frame["path"], excluded.frame["votes"], strict=True))
    assert votes["fer2013.csv#00005"] == pytest.approx((3 / 7, 0.0, 0.0, 4 / 7))
