"""Names of classes: other people's words for an expression, and the ones that a run or a user wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from core.data.dataset import Dataset
from core.errors import ConfigError

# The word of FER2013, then those of other data sets; RAF-DB and AffectNet number them.
SYNONYMS: Mapping[str, tuple[str, ...]] = {
    "angry": ("anger",),
    "contempt": ("contemptuous",),
    "disgust": ("disgusted",),
    "fear": ("afraid", "fearful"),
    "happy": ("happiness", "joy"),
    "neutral": (),
    "sad": ("sadness",),
    "surprise": ("surprised",),
}


def parse_class_map(text: str, classes: Sequence[str]) -> Mapping[str, str]:
    """Parse the setting `classes`.

    Args:
        text: `NEW=OLD,NEW=OLD`; an empty NEW leaves the class OLD out. Or `synonyms`: the words of FER2013 for the
            synonyms that are among `classes`.
        classes: the classes of the data set.

    Returns:
        Old name to new name, of the classes that change.

    Raises:
        ConfigError: it is not of this form, or names a class that the data set has not.
    """
    if text == "synonyms":
        words = {word: name for name, synonyms in SYNONYMS.items() for word in (name, *synonyms)}
        found = {name: words[name.casefold()] for name in classes if name.casefold() in words}
        return {old: new for old, new in found.items() if old != new}
    renamed: dict[str, str] = {}
    for part in text.split(","):
        new, separator, old = (word.strip() for word in part.partition("="))
        if not separator or not old:
            raise ConfigError("classes", f"'{part.strip()}' is not NEW=OLD, such as angry=anger")
        if old not in classes:
            raise ConfigError("classes", f"the data set has no class '{old}'; it has {', '.join(classes)}")
        renamed[old] = new
    return renamed


def rename_classes(dataset: Dataset, text: str) -> Dataset:
    """Rename the classes of a data set, or leave some out.

    Args:
        dataset: as a reader gives it.
        text: see `parse_class_map`.

    Raises:
        ConfigError: see `parse_class_map`.
    """
    renamed = parse_class_map(text, dataset.classes)
    frame = dataset.frame
    frame = frame.assign(label=frame["label"].replace(dict(renamed)))
    frame = frame[frame["label"] != ""].reset_index(drop=True)
    return replace(dataset, frame=frame, classes=tuple(sorted(frame["label"].unique())))
