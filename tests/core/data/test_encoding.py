from __future__ import annotations

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import LabelEncoder

from core.data.encoding import ENCODINGS, Encoding, FrequencyEncoding, LabelEncoding

# Valid folder names.
NAMES = st.text(st.characters(exclude_characters="\0/"), min_size=1, max_size=8)
LABELS = st.lists(st.sampled_from(["angry", "disgust", "fear", "happy", "sad"]) | NAMES, min_size=1, max_size=40)

# The article's training counts (shared/design.md, section 6).
COUNTS = {"angry": 3993, "disgust": 436, "fear": 4103, "happy": 7172, "neutral": 4982, "sad": 4938, "surprise": 3205}

every_encoding = pytest.mark.parametrize("name", ENCODINGS)


def fitted(name: str, labels: list[str]) -> Encoding:
    return ENCODINGS[name]().fit(labels)


# Properties of every encoding


@every_encoding
@given(labels=LABELS)
def test_labels_come_back(name: str, labels: list[str]):
    encoding = fitted(name, labels)
    assert encoding.inverse_transform(encoding.transform(labels)).tolist() == labels


@every_encoding
@given(labels=LABELS)
def test_targets_are_one_hot_in_the_order_of_the_classes(name: str, labels: list[str]):
    encoding = fitted(name, labels)
    classes = encoding.classes_.tolist()
    targets = encoding.transform(labels)
    assert sorted(classes) == sorted(set(labels))
    assert targets.shape == (len(labels), len(classes))
    assert targets.dtype == np.float32
    assert set(np.unique(targets)) <= {0, 1}
    assert (targets.sum(axis=1) == 1).all()
    assert targets.argmax(axis=1).tolist() == [classes.index(label) for label in labels]


@every_encoding
@given(labels=LABELS, data=st.data())
def test_the_order_of_the_labels_does_not_matter(name: str, labels: list[str], data: st.DataObject):
    mixed = data.draw(st.permutations(labels))
    assert fitted(name, mixed).classes_.tolist() == fitted(name, labels).classes_.tolist()


@every_encoding
def test_transforming_learns_nothing(name: str):
    train = ["a"] * 3 + ["b"] * 2 + ["c"]
    encoding = fitted(name, train)
    before = encoding.classes_.tolist()
    # Validation has the opposite order of counts, and lacks a class.
    validation = ["c"] * 9 + ["b"] * 2
    targets = encoding.transform(validation)
    assert encoding.classes_.tolist() == before
    assert targets.shape == (11, 3)
    assert encoding.inverse_transform(targets).tolist() == validation


@every_encoding
def test_no_labels_give_no_targets(name: str):
    assert fitted(name, ["a", "b"]).transform([]).shape == (0, 2)


@every_encoding
def test_unknown_labels_are_refused_by_name(name: str):
    with pytest.raises(ValueError, match=r"labels that the encoding was not fitted on: bored, tired$"):
        fitted(name, ["happy", "sad"]).transform(["sad", "tired", "bored", "tired"])


@every_encoding
def test_fitting_on_nothing_is_refused(name: str):
    with pytest.raises(ValueError, match="at least one label"):
        fitted(name, [])


@every_encoding
def test_outputs_need_not_be_one_hot(name: str):
    encoding = fitted(name, ["a", "b", "b", "c", "c", "c"])
    outputs = np.array([[0.2, 0.5, 0.3], [-9.0, -8.0, -7.0]])
    assert encoding.inverse_transform(outputs).tolist() == [encoding.classes_[1], encoding.classes_[2]]


@every_encoding
def test_fitting_again_forgets(name: str):
    encoding = ENCODINGS[name]()
    encoding.fit(["x", "y"])
    encoding.fit(["a", "b", "b"])
    assert encoding.classes_.tolist() == ["a", "b"]


@every_encoding
def test_labels_may_be_an_array(name: str):
    labels = np.array(["sad", "happy", "sad"])
    encoding = ENCODINGS[name]().fit(labels)  # pyright: ignore[reportArgumentType]
    assert encoding.transform(labels).sum() == 3  # pyright: ignore[reportArgumentType]


def test_encodings_differ_in_the_order_of_their_outputs_alone():
    labels = ["a"] * 3 + ["b"] + ["c"] * 2
    one, other = (fitted(name, labels) for name in ("label", "frequency"))
    order = [other.classes_.tolist().index(name) for name in one.classes_.tolist()]
    assert order != [0, 1, 2]
    assert np.array_equal(one.transform(labels), other.transform(labels)[:, order])


# The order of the classes


@given(LABELS)
def test_label_encoding_is_scikit_learns_followed_by_one_hot(labels: list[str]):
    reference = LabelEncoder().fit(labels)
    encoding = LabelEncoding().fit(labels)
    assert encoding.classes_.tolist() == reference.classes_.tolist()
    assert encoding.transform(labels).argmax(axis=1).tolist() == reference.transform(labels).tolist()


@given(LABELS)
def test_frequency_encoding_is_by_ascending_count_then_name(labels: list[str]):
    classes = FrequencyEncoding().fit(labels).classes_.tolist()
    counts = Counter(labels)
    for before, after in pairwise(classes):
        assert counts[before] < counts[after] or (counts[before] == counts[after] and before < after)


def test_frequency_encoding_of_the_articles_data():
    labels = [label for label, count in COUNTS.items() for _ in range(count)]
    assert FrequencyEncoding().fit(labels).classes_.tolist() == [
        "disgust",
        "surprise",
        "angry",
        "fear",
        "sad",
        "neutral",
        "happy",
    ]


def test_ties_go_by_name():
    assert FrequencyEncoding().fit(["c", "b", "a", "z", "z"]).classes_.tolist() == ["a", "b", "c", "z"]
