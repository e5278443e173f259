from __future__ import annotations

from typing import Any

import pytest

from core.errors import ConfigError
from core.jobs.search_space import Categorical, Range, read_space

SHARED = {"data": "faces", "model": "compact"}


def dimension(field: str, told: Any) -> Range | Categorical:
    return read_space({field: (told, "")}, SHARED)[field]


def refusal(field: str, told: Any) -> str:
    with pytest.raises(ConfigError) as error:
        dimension(field, told)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("field", "told", "read"),
    [
        ("learning_rate", "1e-4..1e-2:log", Range(1e-4, 1e-2, log=True)),
        ("learning_rate", "0.1..0.5", Range(0.1, 0.5)),
        ("width", "0.5..2:0.5", Range(0.5, 2.0, 0.5)),
        ("batch_size", "32..128:32", Range(32, 128, 32)),
        ("batch_size", "32..100:32", Range(32, 96, 32)),
        ("batch_size", "16..256:log", Range(16, 256, log=True)),
        ("patience", "2..9", Range(2, 9)),
        ("width", "0.5,1,2", Categorical((0.5, 1.0, 2.0))),
        ("width", [0.5, 1, 2], Categorical((0.5, 1.0, 2.0))),
        ("patience", "none,5", Categorical((None, 5))),
        ("channels", "1,3", Categorical((1, 3))),
        ("deterministic", "false,true", Categorical((False, True))),
        ("jit_compile", "false,true", Categorical(("off", "on"))),
        ("model", "compact,model2", Categorical(("compact", "model2"))),
        ("learning_rate", " 1e-4 .. 1e-2 : log ", Range(1e-4, 1e-2, log=True)),
        ("model", "compact, model2", Categorical(("compact", "model2"))),
        ("augmentation", "none,basic,none", Categorical(("none", "basic"))),
    ],
)
def test_reads(field: str, told: Any, read: Range | Categorical):
    found = dimension(field, told)
    assert found == read
    assert [type(value) for value in found.values()] == [type(value) for value in read.values()]


@pytest.mark.parametrize(
    ("field", "told", "says"),
    [
        ("learning_rat", "1..2", "space: unknown key 'learning_rat'; did you mean 'learning_rate'?"),
        ("learning_rate", "0..1", "space: learning_rate: input should be greater than 0"),
        ("learning_rate", "0..1:log", "space: learning_rate: LOW must be above 0 for :log"),
        ("learning_rate", "1e-2..1e-4", "space: learning_rate: LOW must be below HIGH"),
        ("learning_rate", "1e-4..1e-2:lin", "space: learning_rate: must be LOW..HIGH"),
        ("learning_rate", "0.1", "space: learning_rate: must be LOW..HIGH"),
        ("learning_rate", "", "space: learning_rate: must be LOW..HIGH"),
        ("learning_rate", 0.1, "learning_rate: must be LOW..HIGH"),
        ("learning_rate", "0.1,,0.2", "space: learning_rate: must be LOW..HIGH"),
        ("learning_rate", "1..nan", "space: learning_rate: LOW must be below HIGH"),
        ("batch_size", "1..inf", "space: batch_size: must be LOW..HIGH"),
        ("batch_size", "1..8.5", "space: batch_size: must be an integer"),
        ("batch_size", "1..8:9", "space: batch_size: STEP must be above 0 and at most HIGH - LOW"),
        ("batch_size", "1..8:0", "space: batch_size: STEP must be above 0"),
        ("batch_size", "8,9.5", "space: batch_size: input should be a valid integer"),
        ("dropout", "0.1..1", "space: dropout: input should be less than 1"),
        ("augmentation", "a..b", "space: augmentation: has no range; list its values, as A,B,C"),
        ("channels", "1..3", "space: channels: has no range"),
        ("model", "compact,modle2", "space: model: no model is called 'modle2'; did you mean 'model2'?"),
        ("data", "a,b", "space: data: can't be searched: trials that differ in it can't be compared"),
        (
            "monitor",
            "val_loss,val_accuracy",
            "space: monitor: can't be searched: trials that differ in it can't be compared",
        ),
    ],
)
def test_refuses_in_one_line(field: str, told: Any, says: str):
    assert refusal(field, told).startswith(says)


def test_a_wrong_value_is_told_with_where_it_stands():
    for told, file, says in (
        ("1..0", "a.toml: [search]", "a.toml: [search]: width: LOW must be below HIGH"),
        ([1, -1], "a.toml: [search]", "a.toml: [search]: width: input should be greater than 0"),
        ([1, -1], "", "width: input should be greater than 0"),
        ("1,-1", "", "space: width: input should be greater than 0"),
    ):
        with pytest.raises(ConfigError) as error:
            read_space({"width": (told, file)}, SHARED)
        assert str(error.value).startswith(says)


def test_the_model_is_read_first_and_the_others_with_it():
    wishes = {"width": ("1,2", ""), "model": ("compact,model2", "a.toml: [search]")}
    assert list(read_space(wishes, {"data": "faces"})) == ["model", "width"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"monitor": "accuracy"}, "monitor: accuracy is a training metric"),
        ({"protocol": "published", "model": "model2"}, "protocol: a search needs the whole validation split"),
        ({}, "space: l2 is part of val_loss; set monitor to val_accuracy"),
    ],
)
def test_trials_are_judged_by_validation_alone(settings: dict[str, Any], says: str):
    wishes = {"l2": ("0,0.1", "")}
    with pytest.raises(ConfigError) as error:
        read_space(wishes, SHARED | settings)
    assert str(error.value).startswith(says)
    assert read_space(wishes, SHARED | {"monitor": "val_accuracy"})
