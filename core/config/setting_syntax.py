"""Parse the settings whose text has a syntax of its own: paths, durations, folds and class maps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# The settings that decide how a data set is read: keyword arguments of `core.data.readers.reader_factory.read_dataset`.
READING_SETTINGS = ("format", "votes", "classes")
# The word in the setting `classes` that applies the table of synonyms.
SYNONYMS = "synonyms"

_DURATION = re.compile(r"(?:(?P<h>\d+(?:\.\d+)?)h)?(?:(?P<m>\d+(?:\.\d+)?)m)?(?:(?P<s>\d+(?:\.\d+)?)s?)?")


@dataclass(frozen=True)
class ClassMap:
    """The setting `classes`.

    Attributes:
        has_synonyms: whether the built-in table of synonyms and numbers is applied first.
        renamed: old class name to new class name; an empty new name leaves the class out.
    """

    has_synonyms: bool
    renamed: Mapping[str, str]


def parse_class_map(text: str) -> ClassMap:
    """Parse OLD=NEW pairs and the word `synonyms`, separated by commas, such as `anger=angry,contempt=`.

    Raises:
        ValueError: the text has another form, or renames a class twice.
    """
    has_synonyms = False
    renamed: dict[str, str] = {}
    for part in (part.strip() for part in text.split(",")):
        if part == SYNONYMS:
            has_synonyms = True
            continue
        old, separator, new = (word.strip() for word in part.partition("="))
        if not separator or not old:
            raise ValueError(f"'{part}' is not OLD=NEW; give pairs such as anger=angry,contempt= or '{SYNONYMS}'")
        if old in renamed:
            raise ValueError(f"class '{old}' is renamed twice; give it one new name")
        renamed[old] = new
    return ClassMap(has_synonyms, renamed)


def parse_fold(fold: str) -> tuple[int, int]:
    """Return K and N of a fold K/N.

    Raises:
        ValueError: the text has another form, or K or N is out of range.
    """
    part, _, parts = fold.partition("/")
    if not (part.isdecimal() and parts.isdecimal()):
        raise ValueError("must be K/N, such as 1/5")
    if not 1 <= int(part) <= int(parts) or not 2 <= int(parts) <= 100:
        raise ValueError("must be K/N with K from 1 to N and N from 2 to 100, such as 1/5")
    return int(part), int(parts)


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as 90, 90s, 60m, 1.5h or 1h30m.

    Raises:
        ValueError: the text has another form.
    """
    match = _DURATION.fullmatch(text.strip().lower())
    if not match or not any(match.groups()):
        raise ValueError("must be a duration such as 90s, 60m or 1h30m")
    hours, minutes, seconds = (float(match[unit] or 0) for unit in "hms")
    return hours * 3600 + minutes * 60 + seconds


def absolute_path(text: Path | str) -> Path:
    """Return a path as an absolute one, `~` being the user's home folder.

    Raises:
        ValueError: the home folder is unknown.
    """
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise ValueError("names the home folder of an unknown user") from None
