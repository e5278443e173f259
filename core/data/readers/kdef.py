"""The readers of KDEF and JAFFE, whose file names have the person and the expression.

All views of KDEF are read: straight, half profiles and full profiles.

References:
    Lundqvist, Flykt and Öhman, The Karolinska Directed Emotional Faces, Karolinska Institutet, 1998.
    Lyons, Akamatsu, Kamachi and Gyoba, Coding facial expressions with Gabor wavelets, FG 1998.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from core.data.dataset import UNSPLIT, Dataset, make_dataset
from core.data.folder_listing import FolderTree, join, peek_folders
from core.data.images import IMAGE_SUFFIXES
from core.data.left_out import LeftOut, describe_people, summarize
from core.data.readers.base import Reader, ReadOptions
from core.data.readers.image_tree import FolderSource
from core.data.split_names import known_split
from core.errors import DatasetError

# A folder of a class has one expression, a folder of a person or of all images has more.
_MIN_EXPRESSIONS = 3


@dataclass(frozen=True)
class NamedSet:
    """A data set whose file names have the labels.

    Attributes:
        title: its name.
        pattern: matches the beginning of an image's name, with the groups `person`, `code`, and perhaps `view`.
        classes: the class of each code.
        views: the words for each view.
        example: the name of an image.
    """

    title: str
    pattern: re.Pattern[str]
    classes: Mapping[str, str]
    views: Mapping[str, str]
    example: str

    def can_read(self, root: Path) -> bool:
        """Return whether a folder in `root` has images of several expressions, by their names."""
        for peek in peek_folders(root):
            names = [name for name in peek.files if name.lower().endswith(IMAGE_SUFFIXES)]
            matches = [match for name in names if (match := self.pattern.match(name))]
            if 2 * len(matches) > len(names) and len({match["code"].upper() for match in matches}) >= _MIN_EXPRESSIONS:
                return True
        return False

    def read(self, root: Path, options: ReadOptions) -> Dataset:
        """Read the images in all folders, those of splits too. The column `group` is the person.

        Raises:
            DatasetError: no image has such a name.
            OSError: a folder can't be listed.
        """
        rows: list[tuple[str, str, str]] = []
        people: list[str] = []
        views: Counter[str] = Counter()
        left_out = LeftOut()
        tree = FolderTree(root)
        pending = [""]
        while root.is_dir() and pending:
            folder = pending.pop()
            listing = tree.list(folder)
            split = next(filter(None, map(known_split, folder.split("/"))), UNSPLIT)
            for name in listing.folders:
                if name in listing.links:
                    left_out.add("foreign_file", join(folder, name))
                else:
                    pending.append(join(folder, name))
            for kind, names in listing.others.items():
                for name in names:
                    left_out.add(kind, join(folder, name))
            for name in listing.images:
                match = self.pattern.match(name)
                if match is None:
                    left_out.add("no_label", join(folder, name))
                    continue
                rows.append((join(folder, name), self.classes[match["code"].upper()], split))
                people.append(match["person"].upper())
                views[self.views.get(match.groupdict().get("view", "").upper(), "")] += 1
        if not rows:
            raise DatasetError(
                f"{root}: no image has a name of {self.title} such as {self.example}; choose another format"
            )
        summary = f"{summarize(rows, left_out)}; {describe_people(people)}"
        for view in dict.fromkeys(self.views.values()):
            summary += f", {views[view]:,} {view}" if views[view] else ""
        source = FolderSource(root, options.decoding)
        return make_dataset(root, rows, left_out.problems(), source, summary=summary, columns={"group": people})


_KDEF = NamedSet(
    "KDEF",
    # Series, gender and number of the person; expression; view.
    re.compile(
        r"(?P<person>[AB][FM]\d\d)(?P<code>AF|AN|DI|HA|NE|SA|SU)(?P<view>S|HL|HR|FL|FR)(?![A-Z])", re.IGNORECASE
    ),
    {"AF": "fear", "AN": "angry", "DI": "disgust", "HA": "happy", "NE": "neutral", "SA": "sad", "SU": "surprise"},
    {"S": "straight", "HL": "half profile", "HR": "half profile", "FL": "full profile", "FR": "full profile"},
    "AF01ANS.JPG",
)
_JAFFE = NamedSet(
    "JAFFE",
    re.compile(r"(?P<person>[A-Z]{2})[.-](?P<code>AN|DI|FE|HA|NE|SA|SU)\d[.-]\d+", re.IGNORECASE),
    {"AN": "angry", "DI": "disgust", "FE": "fear", "HA": "happy", "NE": "neutral", "SA": "sad", "SU": "surprise"},
    {},
    "KA.AN1.39.tiff",
)

READER = Reader("kdef", "KDEF: names such as AF01ANS.JPG", _KDEF.can_read, _KDEF.read)
JAFFE_READER = Reader("jaffe", "JAFFE: names such as KA.AN1.39.tiff", _JAFFE.can_read, _JAFFE.read)
