from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.class_names import (
    WORDS,
    find_renamed,
    match_synonyms,
    rename_classes,
    rename_probabilities,
    rename_together,
    suggest_classes,
)
from core.data.dataset import Dataset, fingerprint, make_dataset
from core.data.readers.image_tree import FolderSource
from core.data.readers.reader_factory import read_dataset
from core.errors import ConfigError, DatasetError, FerError

RAF_DB = {"1": "surprise", "2": "fear", "3": "disgust", "4": "happy", "5": "sad", "6": "angry", "7": "neutral"}
AFFECTNET = {
    **{"0": "neutral", "1": "happy", "2": "sad", "3": "surprise", "4": "fear", "5": "disgust", "6": "angry"},
    "7": "contempt",
}
NAMES = st.text("abcXYZ äé01", min_size=1, max_size=4).map(str.strip).filter(bool)


def refusal(text: str, classes: tuple[str, ...]) -> str:
    with pytest.raises(FerError) as error:
        find_renamed(text, classes)
    assert isinstance(error.value, ConfigError)
    assert error.value.field == "classes"
    assert "\n" not in str(error.value)
    return error.value.message


def dataset_of(counts: Mapping[str, int], split: str = "all") -> Dataset:
    """A data set whose images are names alone."""
    rows = [(f"{number}/{label}", label, split) for label, count in counts.items() for number in range(count)]
    return make_dataset(Path("faces"), rows, (), FolderSource(Path("faces")))


@pytest.mark.parametrize(
    ("classes", "renamed"),
    [
        (("anger", "happiness", "sadness", "fear"), {"anger": "angry", "happiness": "happy", "sadness": "sad"}),
        (("Anger", "HAPPY", "neutral"), {"Anger": "angry", "HAPPY": "happy"}),
        (("afraid", "fearful", "joy"), {"afraid": "fear", "fearful": "fear", "joy": "happy"}),
        (("cat", "dog"), {}),
        (tuple(RAF_DB), RAF_DB),
        (tuple(AFFECTNET), AFFECTNET),
        (("0", "7"), {"0": "neutral", "7": "contempt"}),
        (("01", "02", "03", "04", "05", "06", "07"), {f"0{number}": name for number, name in RAF_DB.items()}),
        ((*RAF_DB, "contempt"), RAF_DB),
    ],
)
def test_synonyms_and_numbers_get_the_words_of_fer2013(classes: tuple[str, ...], renamed: dict[str, str]):
    assert match_synonyms(classes) == renamed
    assert find_renamed("synonyms", classes) == renamed


@pytest.mark.parametrize(
    ("classes", "told"),
    [
        (tuple("0123456"), "fit several data sets; use one of 0=neutral,1=happy,2=sad,3=surprise,4=fear,5=disgust,"),
        (("1", "2"), "fit several data sets; use one of 1=surprise,2=fear or 1=happy,2=sad or 1=disgust,2=fear"),
        (("1", "8"), "no known data set has the class numbers 1, 8; use OLD=NEW pairs"),
        (("7", "x"), "the numbers 7 fit several data sets; use one of 7=neutral or 7=contempt"),
    ],
)
def test_numbers_with_more_than_one_meaning_are_refused(classes: tuple[str, ...], told: str):
    assert told in refusal("synonyms", classes)


@pytest.mark.parametrize(
    ("text", "renamed"),
    [
        ("anger=angry,contempt=", {"anger": "angry", "contempt": ""}),
        (" anger = angry , contempt = ", {"anger": "angry", "contempt": ""}),
        ("anger=contempt,contempt=anger", {"anger": "contempt", "contempt": "anger"}),
        ("anger=a=b", {"anger": "a=b"}),
        ("synonyms,contempt=", {"anger": "angry", "contempt": ""}),
        ("synonyms,angry=rage", {"anger": "rage"}),
        ("anger=anger", {}),
    ],
)
def test_pairs_rename_and_leave_out(text: str, renamed: dict[str, str]):
    assert find_renamed(text, ("anger", "contempt", "fear")) == renamed


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("angry=anger", "there is no class 'angry' to rename (the form is OLD=NEW); did you mean 'anger'?"),
        ("zzz=anger", "there is no class 'zzz' to rename (the form is OLD=NEW); there are anger, fear"),
        ("anger", "'anger' is not OLD=NEW; give pairs such as anger=angry,contempt= or 'synonyms'"),
        ("=anger", "'=anger' is not OLD=NEW; "),
        ("anger=a,anger=b", "class 'anger' is renamed twice; give it one new name"),
        ("", "'' is not OLD=NEW; "),
    ],
)
def test_what_can_not_be_meant_is_refused(text: str, told: str):
    assert refusal(text, ("anger", "fear")).startswith(told)


def test_a_pair_may_name_a_class_of_another_data_set():
    assert find_renamed("anger=angry", ("angry", "fear"), others=("anger",)) == {}


def test_data_sets_are_renamed_together(tmp_path: Path, write_tree: Callable[..., Path]):
    datasets = [
        read_dataset(write_tree(tmp_path / str(number), {f"train/{name}": 2 for name in names}))
        for number, names in enumerate((("angry", "fear"), ("anger", "fear")))
    ]
    renamed = rename_together(datasets, "anger=angry")
    assert [dataset.classes for dataset in renamed] == [("angry", "fear"), ("angry", "fear")]
    assert [dataset.classes for dataset in rename_together(datasets, "")] == [("angry", "fear"), ("anger", "fear")]
    with pytest.raises(ConfigError, match="there is no class 'joy' to rename"):
        rename_together(datasets, "joy=happy")


def test_the_remedy_is_synonyms_where_they_help():
    assert suggest_classes(["anger"], ["angry", "happy"]) == "synonyms"
    assert suggest_classes([*RAF_DB], ["angry", "happy"]) == "synonyms"
    assert suggest_classes(["anger"], ["cat", "dog"]) == "OLD=NEW"
    assert suggest_classes(list("0123456"), ["angry"]) == "OLD=NEW"


@given(st.dictionaries(NAMES, st.integers(1, 3), min_size=1, max_size=5), st.data())
def test_there_and_back_is_the_same_data_set(counts: dict[str, int], data: st.DataObject):
    dataset = dataset_of(counts)
    new_names = data.draw(st.lists(NAMES, min_size=len(counts), max_size=len(counts), unique=True))
    there = ",".join(f"{old}={new}" for old, new in zip(counts, new_names, strict=True))
    back = ",".join(f"{new}={old}" for old, new in zip(counts, new_names, strict=True))
    renamed = rename_classes(dataset, there)
    assert renamed.classes == tuple(sorted(new_names))
    again = rename_classes(renamed, back)
    pd.testing.assert_frame_equal(again.frame, dataset.frame)
    assert again.classes == dataset.classes


@given(st.dictionaries(st.sampled_from(sorted(WORDS)), st.integers(1, 3), min_size=1))
def test_synonyms_keep_every_image_and_change_nothing_twice(counts: dict[str, int]):
    dataset = dataset_of(counts)
    once = rename_classes(dataset, "synonyms")
    assert len(once.frame) == sum(counts.values())
    assert set(once.classes) == {WORDS[name] for name in counts}
    assert match_synonyms(once.classes) == {}


def test_classes_with_one_new_name_become_one_and_what_is_left_out_is_gone(
    write_tree: Callable[..., Path], tmp_path: Path
):
    root = write_tree(tmp_path / "set", {"train/anger": 2, "validation/angry": 1, "train/x": 3, "validation/x": 1})
    assert [problem.kind for problem in read_dataset(root).problems] == 2 * ["class_in_one_split"]
    merged = read_dataset(root, classes="anger=angry,x=")
    assert merged.classes == ("angry",)
    assert merged.summary.endswith("; renamed: 3 images in 1 class")
    assert merged.frame["label"].tolist() == 3 * ["angry"]
    assert merged.frame.index.tolist() == [0, 1, 2]
    assert merged.problems == ()
    assert fingerprint(merged) != fingerprint(read_dataset(root))


def test_a_data_set_without_an_image_left_is_refused():
    with pytest.raises(DatasetError, match="faces: no image is left; keep a class that has images"):
        rename_classes(dataset_of({"a": 1, "b": 1}), "a=,b=")


def test_votes_follow_their_classes():
    dataset = dataset_of({"anger": 1, "angry": 1, "fear": 2})
    votes = [(0.5, 0.25, 0.25), (0.0, 1.0, 0.0), (0.25, 0.25, 0.5), (0.0, 0.0, 1.0)]
    dataset = replace(dataset, frame=dataset.frame.assign(votes=pd.Series(votes)))
    merged = rename_classes(dataset, "synonyms")
    assert merged.classes == ("angry", "fear")
    assert merged.frame["votes"].tolist() == [(0.75, 0.25), (1.0, 0.0), (0.5, 0.5), (0.0, 1.0)]
    left = rename_classes(dataset, "fear=")
    assert left.frame["votes"].tolist()[1] == (0.0, 1.0)
    assert left.frame["votes"].tolist()[0] == pytest.approx((2 / 3, 1 / 3))


@given(st.lists(st.floats(0.01, 1), min_size=3, max_size=3))
def test_the_probabilities_of_a_prediction_still_sum_to_1(shares: list[float]):
    probabilities = {name: share / sum(shares) for name, share in zip("abc", shares, strict=True)}
    merged = rename_probabilities(probabilities, {"a": "c", "b": "x"})
    assert merged == {"c": pytest.approx(probabilities["a"] + probabilities["c"]), "x": probabilities["b"]}
    assert list(merged.values()) == sorted(merged.values(), reverse=True)
    left = rename_probabilities(probabilities, {"a": ""})
    assert set(left) == {"b", "c"}
    assert sum(left.values()) == pytest.approx(1)
