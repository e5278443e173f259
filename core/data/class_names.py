"""Rename classes: the setting `classes`, and the words and numbers that data sets use for the same expressions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from core.config.setting_syntax import SYNONYMS, parse_class_map
from core.data.dataset import Dataset, find_one_split_classes
from core.data.votes import map_votes
from core.errors import ConfigError, DatasetError, pluralize, suggest_name

# FER2013's names, each with the words that other data sets use: FER+, CK+, RAF-DB, AffectNet and KDEF.
_OTHER_WORDS: Mapping[str, tuple[str, ...]] = {
    "angry": ("anger",),
    "contempt": ("contemptuous",),
    "disgust": ("disgusted",),
    "fear": ("afraid", "fearful", "scared"),
    "happy": ("happiness", "joy"),
    "neutral": (),
    "sad": ("sadness",),
    "surprise": ("surprised",),
}
WORDS: Mapping[str, str] = {word: name for name, words in _OTHER_WORDS.items() for word in (name, *words)}

_AFFECTNET = ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", "contempt")
# The data sets that number their classes. Contempt may be missing, because not every version has it.
NUMBERS: Mapping[str, Mapping[int, str]] = {
    "RAF-DB": dict(enumerate(("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"), start=1)),
    "AffectNet": dict(enumerate(_AFFECTNET)),
    "AffectNet without contempt": dict(enumerate(_AFFECTNET[:7])),
    "FER2013": dict(enumerate(("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"))),
}


def match_synonyms(classes: Collection[str]) -> Mapping[str, str]:
    """Find FER2013's names for the classes of other data sets.

    Words are case-insensitive. Numbers are looked up in the table of `NUMBERS` that has exactly these numbers,
    otherwise in the only table that has all of them.

    Args:
        classes: class names. Names that are neither synonyms nor numbers are kept.

    Returns:
        Old name to new name, for the classes that change.

    Raises:
        ConfigError: some classes are numbers, and no table or several tables fit them.
    """
    found = {name: WORDS[name.casefold()] for name in classes if name.casefold() in WORDS}
    numbers = {name: int(name) for name in classes if name.isdecimal()}
    if numbers:
        table = _table_of(set(numbers.values()))
        found |= {name: table[number] for name, number in numbers.items()}
    return {old: new for old, new in found.items() if old != new}


def _table_of(numbers: set[int]) -> Mapping[int, str]:
    """Return the one table of `NUMBERS` that has the class numbers."""
    fitting = {data_set: table for data_set, table in NUMBERS.items() if numbers <= table.keys()}
    exact = {data_set: table for data_set, table in fitting.items() if numbers == table.keys()}
    # A part of AffectNet's seven classes means the same with and without contempt.
    different = {tuple(table[n] for n in sorted(numbers)): table for table in (exact or fitting).values()}
    if len(different) == 1:
        return next(iter(different.values()))
    listed = ", ".join(map(str, sorted(numbers)))
    if not different:
        raise ConfigError("classes", f"no known data set has the class numbers {listed}; use OLD=NEW pairs")
    meanings = " or ".join(
        ",".join(f"{number}={name}" for number, name in zip(sorted(numbers), names, strict=True)) for names in different
    )
    raise ConfigError("classes", f"the numbers {listed} fit several data sets; use one of {meanings}")


def find_renamed(text: str, classes: Collection[str], *, others: Collection[str] = ()) -> Mapping[str, str]:
    """Find the classes that the setting `classes` renames.

    Args:
        text: `OLD=NEW,OLD=NEW`; an empty NEW leaves out the class OLD. The word `synonyms` in the list applies
            `match_synonyms` first; the pairs then rename its results.
        classes: class names.
        others: more names that pairs may have as OLD, such as the classes of another data set.

    Returns:
        Old name to new name, for the classes that change or are left out.

    Raises:
        ConfigError: the text has another form, or OLD is not a class.
    """
    try:
        wanted = parse_class_map(text)
    except ValueError as error:
        raise ConfigError("classes", str(error)) from None
    first = match_synonyms(classes) if wanted.has_synonyms else {}
    names = {name: first.get(name, name) for name in classes}
    for old in wanted.renamed:
        if old not in names.values() and old not in others:
            known = sorted(set(names.values()))
            hint = suggest_name(old, known, f"there are {', '.join(known)}")
            raise ConfigError("classes", f"there is no class '{old}' to rename (the form is OLD=NEW); {hint}")
    named = {name: wanted.renamed.get(middle, middle) for name, middle in names.items()}
    return {old: new for old, new in named.items() if old != new}


def suggest_classes(unknown: Sequence[str], known: Collection[str]) -> str:
    """Return a value of the setting `classes` that can map classes that a run doesn't know.

    Args:
        unknown: class names of a data set.
        known: class names of a run.

    Returns:
        `synonyms` if it gives one of them a known name, otherwise `OLD=NEW`.
    """
    try:
        renamed = match_synonyms(unknown)
    except ConfigError:
        renamed = {}
    return SYNONYMS if set(known) & set(renamed.values()) else "OLD=NEW"


def rename_classes(dataset: Dataset, text: str, *, others: Collection[str] = ()) -> Dataset:
    """Rename the classes of a data set, or leave some out. Classes with the same new name are merged.

    Args:
        dataset: the data set as it was read.
        text: the setting `classes`, see `find_renamed`.
        others: see `find_renamed`.

    Raises:
        ConfigError: see `find_renamed`.
        DatasetError: no image is left.
    """
    import pandas as pd

    renamed = find_renamed(text, dataset.classes, others=others)
    if not renamed:
        return dataset
    classes = tuple(sorted({renamed.get(name, name) for name in dataset.classes} - {""}))
    frame = dataset.frame
    labels = [renamed.get(name, name) for name in frame["label"].tolist()]
    frame = frame.assign(label=pd.Series(labels, frame.index, dtype=frame["label"].dtype))
    if "votes" in frame:
        votes = map_votes(frame["votes"].tolist(), [renamed.get(name, name) for name in dataset.classes], classes)
        frame = frame.assign(votes=pd.Series(votes, frame.index))
    frame = frame[frame["label"] != ""].reset_index(drop=True)
    if frame.empty:
        raise DatasetError("classes", f"{dataset.root}: no image is left; keep a class that has images")
    number = "1 class" if len(classes) == 1 else f"{len(classes)} classes"
    summary = f"{dataset.summary}; renamed: {pluralize(len(frame), 'image')} in {number}"
    renamed_dataset = replace(dataset, frame=frame, classes=classes, summary=summary)
    problems = [problem for problem in dataset.problems if problem.kind != "class_in_one_split"]
    return replace(renamed_dataset, problems=(*problems, *find_one_split_classes(renamed_dataset)))


def rename_together(datasets: Sequence[Dataset], text: str) -> list[Dataset]:
    """Rename the classes of several data sets. A pair's OLD must be a class of at least one of them.

    Args:
        datasets: the data sets as they were read.
        text: the setting `classes`, see `find_renamed`; empty to rename nothing.

    Raises:
        ConfigError: see `find_renamed`.
        DatasetError: a data set has no image left.
    """
    if not text:
        return list(datasets)
    others = {name for each in datasets for name in each.classes}
    return [rename_classes(each, text, others=others) for each in datasets]


def rename_probabilities(probabilities: Mapping[str, float], renamed: Mapping[str, str]) -> dict[str, float]:
    """Rename the classes of a prediction.

    Args:
        probabilities: class name to probability.
        renamed: old name to new name, as `find_renamed` returns it.

    Returns:
        New name to probability, the most probable class first. Probabilities of merged classes are added. If classes
        are left out, the others are scaled to sum to 1.
    """
    merged: dict[str, float] = {}
    for old, probability in probabilities.items():
        name = renamed.get(old, old)
        if name:
            merged[name] = merged.get(name, 0.0) + probability
    total = sum(merged.values()) if "" in renamed.values() else 1.0
    return {name: value / (total or 1.0) for name, value in sorted(merged.items(), key=lambda pair: -pair[1])}
