"""Keep only the values of a file that have the types of its TypedDict."""

import json
import sys
from typing import Any, TypedDict, get_type_hints

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.runs.schema import ConfigFile, EnvironmentFile, EvaluationFile, LockFile, StatusFile, valid_fields

FILES = (ConfigFile, EnvironmentFile, StatusFile, EvaluationFile, LockFile)
FINDING = {"code": "nan", "message": "a figure"}
PROBLEM = {"kind": "blank", "message": "one is blank", "paths": ["a"]}
CLASS = {"precision": 0.5, "recall": 1, "f1": 0.0, "support": 3}
INTERVALS = {"accuracy": [0.5, 1], "macro_f1": []}


def without(content: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in content.items() if key != name}


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (ConfigFile, "model", ""),
        (ConfigFile, "learning_rate", 0.5),
        # An int is valid as a float.
        (ConfigFile, "learning_rate", 1),
        (ConfigFile, "learning_rate", sys.float_info.max),
        (ConfigFile, "epochs", 10**400),
        (ConfigFile, "flip_average", True),
        (ConfigFile, "fold", None),
        (ConfigFile, "fold", "1/5"),
        (EnvironmentFile, "classes", []),
        (EnvironmentFile, "counts", {"train": {"happy": 2}}),
        (EnvironmentFile, "batches", {"label_entropy": 1.5, "previous_class_accuracy": None}),
        (EnvironmentFile, "problems", [PROBLEM, {**PROBLEM, "of another version": 1}]),
        (EnvironmentFile, "warnings", [FINDING, {"code": "nan"}]),
        (StatusFile, "pid", None),
        (StatusFile, "heartbeat", 1795737819),
        (EvaluationFile, "accuracy", None),
        (EvaluationFile, "per_class", {"happy": CLASS}),
        (EvaluationFile, "intervals", INTERVALS),
        (EvaluationFile, "intervals", {**INTERVALS, "level": 0.95, "of another version": 1}),
        (LockFile, "pid", 1),
    ],
)
def test_a_value_of_the_type_stays(kind: type, name: str, value: Any):
    assert valid_fields({name: value}, kind) == {name: value}


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [
        (ConfigFile, "model", 5),
        (ConfigFile, "model", None),
        (ConfigFile, "epochs", 3.0),
        # A bool is not a number, and a number is not a bool.
        (ConfigFile, "epochs", True),
        (ConfigFile, "learning_rate", True),
        (ConfigFile, "flip_average", 1),
        (ConfigFile, "fold", True),
        # json.loads reads 1e999 as infinity, and accepts NaN.
        *((ConfigFile, "learning_rate", json.loads(number)) for number in ("1e999", "-1e999", "NaN")),
        (ConfigFile, "learning_rate", 10**400),
        (EnvironmentFile, "classes", "happy"),
        (EnvironmentFile, "classes", ["happy", 5]),
        (EnvironmentFile, "counts", {"train": [1]}),
        (EnvironmentFile, "counts", {"train": {"happy": None}}),
        (EnvironmentFile, "batches", {"label_entropy": "1"}),
        *((EnvironmentFile, "problems", [PROBLEM, without(PROBLEM, name)]) for name in PROBLEM),
        (EnvironmentFile, "problems", [{**PROBLEM, "paths": [1]}]),
        (EnvironmentFile, "warnings", [FINDING, {"message": "a figure"}]),
        (EnvironmentFile, "warnings", [{**FINDING, "message": None}]),
        (EnvironmentFile, "warnings", FINDING),
        *((StatusFile, "pid", pid) for pid in ("1", 1.5, [1])),
        (StatusFile, "state", ["running"]),
        (StatusFile, "host", 5),
        (EvaluationFile, "accuracy", json.loads("NaN")),
        *((EvaluationFile, "per_class", {"happy": without(CLASS, name)}) for name in CLASS),
        (EvaluationFile, "per_class", {"happy": {**CLASS, "recall": None}}),
        *((EvaluationFile, "intervals", without(INTERVALS, name)) for name in INTERVALS),
        (EvaluationFile, "intervals", {**INTERVALS, "accuracy": [0.5, True]}),
        (LockFile, "started", "now"),
    ],
)
def test_a_value_of_another_type_is_left_out(kind: type, name: str, value: Any):
    assert valid_fields({"of another version": value, name: value}, kind) == {"of another version": value}


@pytest.mark.parametrize("classes", [["a"], ["a", "b", "c"], [1, 2], None])
def test_a_confusion_matrix_stays_with_its_classes_alone(classes: object):
    matrix = {"confusion_matrix": [[1, 0], [2, 3]]}
    assert valid_fields({**matrix, "classes": ["a", "b"]}, EvaluationFile) == {**matrix, "classes": ["a", "b"]}
    assert "confusion_matrix" not in valid_fields({**matrix, "classes": classes}, EvaluationFile)
    assert valid_fields({"confusion_matrix": [[1], [2]], "classes": ["a", "b"]}, EvaluationFile) == {
        "classes": ["a", "b"]
    }


@pytest.mark.parametrize("kind", FILES)
def test_every_key_of_a_file_is_checked(kind: type):
    # This object is not valid for any key. It would pass for a key without a check.
    assert valid_fields({name: {"a": [{}]} for name in get_type_hints(kind)}, kind) == {}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
CONTENT = st.sampled_from(FILES).flatmap(
    lambda kind: st.tuples(
        st.just(kind), st.dictionaries(st.sampled_from(sorted(get_type_hints(kind))) | st.text(max_size=3), JSON)
    )
)


@given(CONTENT)
@example((EvaluationFile, {"confusion_matrix": [[1, 0], [0, 1]], "classes": ["a", 5]}))
def test_what_is_valid_stays_so(content: tuple[type, dict[str, Any]]):
    kind, whole = content
    once = valid_fields(whole, kind)
    assert all(once[name] is whole[name] for name in once)
    assert repr(valid_fields(once, kind)) == repr(once)


def test_a_type_without_a_check_is_refused():
    class Pair(TypedDict):
        ends: tuple[int, int]

    class Text(TypedDict):
        name: "str"

    for kind in (Pair, Text):
        with pytest.raises(TypeError, match="there is no check for values of this type"):
            valid_fields({}, kind)
