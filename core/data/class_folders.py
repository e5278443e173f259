"""Whether folders are classes: from their names, and from the names of what is inside."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence

from core.data.class_names import WORDS
from core.data.dataset import Problem
from core.data.folder_listing import FolderTree, join
from core.data.split_names import known_split, looks_like_split

Rows = list[tuple[str, str, str]]

# The codes of KDEF, AKDEF and JAFFE, after the person's code: AF01ANS, KA.AN1.39.
_CODES = re.compile(r"[\W_\d]*(AF|AN|DI|FE|HA|NE|SA|SU)(?:S|HL|HR|FL|FR|\d+)?(?![A-Za-z])")
# Names of folders that say what is inside, but not of which class.
_GENERIC = {"image", "images", "img", "imgs", "picture", "pictures", "pics", "photo", "photos", "face", "faces"}
_GENERIC |= {"aligned", "cropped", "original", "originals", "data", "all", "frames", "files", "jpg", "png", "raw"}
# The check for persons looks at so many images of each class, and wants so many expressions in the names.
_NAMES_PER_CLASS = 50
_MIN_EXPRESSIONS = 3
# A link to a parent folder must not be followed for ever.
_MAX_DEPTH = 8


def is_expression(name: str) -> bool:
    """Return whether a word of a name is an expression's, as in `0_Happiness`."""
    return any(word in WORDS for word in re.findall("[a-z]+", name.casefold()))


def has_generic_name(name: str) -> bool:
    """Return whether a name is one such as `images` or `faces-48`, which names no class."""
    words = re.findall("[a-z]+", name.casefold())
    return bool(words) and all(word in _GENERIC for word in words)


def lone_folder(tree: FolderTree, folder: str) -> str | None:
    """Return the name of the folder that must be followed to the data set, as unpacking an archive creates them.

    It is the only folder that is not empty, and has folders but no images itself. None if there is no such folder, or
    if it is a split or a class. In the folder of a split, the split's own name is followed.
    """
    listing = tree.list(folder)
    full = [name for name in listing.folders if not tree.list(join(folder, name)).is_empty]
    if listing.images or len(full) != 1 or folder.count("/") >= _MAX_DEPTH:
        return None
    name = full[0]
    split = known_split(name)
    if tree.list(join(folder, name)).images or is_expression(name):
        return None
    return name if split is None or split == known_split(folder.rpartition("/")[2]) else None


def find_wrong_level(tree: FolderTree, base: str) -> str | None:
    """Return what is wrong if the classes are a level deeper than the folders in `base`; None if they are not."""
    names = [name for name in tree.list(base).folders if known_split(name) is None and not looks_like_split(name)]
    if any(is_expression(name) for name in names):
        return None
    for name in names:
        inner = tree.list(join(base, name))
        found = [folder for folder in inner.folders if is_expression(folder)]
        if len(found) > 1 and not inner.images:
            path = join(base, name)
            return (
                f"'{path}' has folders of classes ({', '.join(found[:3])}), so it is no class; give "
                f"{tree.root / path}, or move the images of each class into one folder: <class>/*.jpg"
            )
    return None


def check_class_folders(rows: Rows) -> list[Problem]:
    """Find classes that are persons: their images have different expressions in their names.

    Args:
        rows: path, label and split of every image.
    """
    names: dict[str, list[str]] = defaultdict(list)
    for path, label, _ in rows:
        if len(names[label]) < _NAMES_PER_CLASS:
            names[label].append(path.rpartition("/")[2])
    found = {label: {_expression_in(name, label) for name in some} - {None} for label, some in names.items()}
    persons = [label for label in names if not is_expression(label) and len(found[label]) >= _MIN_EXPRESSIONS]
    if 2 * len(persons) <= len(names):
        return []
    some = ", ".join(f"'{name}'" for name in sorted(persons)[:3])
    message = (
        f"the folders look like persons, not classes: the names of the images in {some} have different expressions, "
        f"such as {names[persons[0]][0]}; move the images of each expression into a folder with its name"
    )
    return [Problem("not_classes", message)]


def _expression_in(name: str, folder: str) -> str | None:
    """Return the expression that an image's name contains as a word, or as a code after the folder's name."""
    stem = name.rpartition(".")[0]
    for word in re.findall("[a-z]+", stem.casefold()):
        if word in WORDS:
            return WORDS[word]
    code = _CODES.match(stem.upper().removeprefix(folder.upper()))
    return code[1] if code else None


def merge_spellings(rows: Rows, folders: Mapping[str, Sequence[str]] | None = None) -> tuple[Rows, list[Problem]]:
    """Merge classes whose names differ only in case, Unicode form, or blanks at the ends.

    Args:
        rows: path, label and split of every image; train before validation.
        folders: the folders of each label; None if the labels are not names of folders.

    Returns:
        The rows, with the first spelling that has neither blanks at the ends nor another Unicode form than NFC; and a
        problem if there are such classes.
    """
    spellings: dict[str, list[str]] = defaultdict(list)
    for label in dict.fromkeys(label for _, label, _ in rows):
        spellings[_clean(label).casefold()].append(label)
    alike = [labels for labels in spellings.values() if len(labels) > 1]
    if not alike:
        return rows, []
    names = {label: min(labels, key=lambda name: name != _clean(name)) for labels in alike for label in labels}
    places = folders or {label: [label] for label in names}
    groups = "; ".join(" and ".join(places[label][0] for label in labels) for labels in alike[:3])
    more = f" and {len(alike) - 3:,} more" if len(alike) > 3 else ""
    what, named = (
        ("labels that differ", "images of a class the same label")
        if folders is None
        else ("folders whose names differ", "folders of a class the same name")
    )
    message = f"{what} only in case, Unicode form or blanks are read as one class: {groups}{more}; give the {named}"
    paths = () if folders is None else tuple(path for labels in alike for label in labels for path in folders[label])
    renamed = [(path, names.get(label, label), split) for path, label, split in rows]
    return renamed, [Problem("names_differ_in_case", message, paths)]


def _clean(name: str) -> str:
    return unicodedata.normalize("NFC", name).strip()
