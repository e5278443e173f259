"""Names of folders that are splits: known names, and names that only look like one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from core.errors import DatasetError

# The names of splits in lower case, without punctuation and without the affixes below. FER2013's public test is its
# validation split.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training", "trn"),
    "validation": ("validation", "validate", "valid", "val", "dev", "devel", "development", "publictest"),
    "test": ("test", "testing", "tst", "privatetest"),
}
_SPLITS = {name: split for split, names in _NAMES.items() for name in names}
# Validation, or test where another folder is validation.
_EVALUATION = ("eval", "evaluation")
_AFFIXES = ("dataset", "data", "set", "split", "images", "image", "imgs", "img", "faces", "folder")
# Words that make a name look like a split.
_SPLIT_WORDS = {*_SPLITS, *_EVALUATION, "trainset", "testset", "valset", "fold", "holdout", "split", "subset"}


def known_split(name: str) -> str | None:
    """Return the split that a folder's name means: train, validation or test; None for any other name.

    Case, punctuation and words such as "set" or "images" don't count: `Training_Set` is train.
    """
    word = _bare_word(name)
    return "validation" if word in _EVALUATION else _SPLITS.get(word)


def looks_like_split(name: str) -> bool:
    """Return whether a word of a name is a known split's, as in `FER2013Train` or `train-2`."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)
    return known_split(name) is None and any(word.lower() in _SPLIT_WORDS for word in words)


def assign_splits(names: Iterable[str], where: str) -> dict[str, str]:
    """Find the splits among the names of folders.

    Args:
        names: the names of the folders.
        where: the folder that they are in, for the error.

    Returns:
        Split to name, in the order train, validation, test.

    Raises:
        DatasetError: two folders are the same split.
    """
    found: dict[str, str] = {}
    # Names with two meanings come last.
    for name in sorted(names, key=lambda name: (_bare_word(name) in _EVALUATION, name)):
        split = known_split(name)
        if split is None:
            continue
        if split in found and _bare_word(name) in _EVALUATION and "test" not in found:
            split = "test"
        if split in found:
            raise DatasetError(
                f"{where}: '{found[split]}' and '{name}' are both names of the {split} split; keep one folder"
            )
        found[split] = name
    return {split: found[split] for split in _NAMES if split in found}


def _bare_word(name: str) -> str:
    """Return a name in lower case, without punctuation and affixes."""
    word = "".join(character for character in name.casefold() if character.isalnum())
    for affix in _AFFIXES:
        for shorter in (word.removesuffix(affix), word.removeprefix(affix)):
            if shorter and shorter != word:
                return _bare_word(shorter)
    return word
