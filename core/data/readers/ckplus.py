"""The reader of CK+: sequences of frames with a label each, or the set of 48 x 48 images in a folder a class.

A sequence begins with a neutral face and ends with the peak of the expression. As in most of the literature, its last
three frames get its label. Its first frame is neutral.

Reference:
    Lucey et al., The extended Cohn-Kanade dataset (CK+): a complete dataset for action unit and emotion-specified
    expression, CVPR workshops 2010.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from core.data.dataset import UNSPLIT, Dataset, make_dataset
from core.data.folder_listing import first_folders, join, list_folder, peek_folders
from core.data.left_out import LeftOut, describe_people, summarize
from core.data.readers.base import Reader, ReadOptions
from core.data.readers.image_tree import FolderSource, read_image_tree
from core.errors import DatasetError, pluralize

# The labels of the sequences, 0 to 7. No sequence is neutral.
_NAMES = ("neutral", "angry", "contempt", "disgust", "fear", "happy", "sad", "surprise")
_PEAK_FRAMES = 3
_SUBJECT = re.compile(r"S\d{3}")
_FRAME = re.compile(r"(S\d{3})_\d{3}_\d{8}")
_LABEL = re.compile(r"S\d{3}_\d{3}_\d{8}_emotion\.txt")
_NOT_IMAGES = ("emotion", "facs", "landmark")


def _find_folders(root: Path) -> tuple[Path, Path] | None:
    """Return the folders of the images and of the labels; None if one of them is missing."""
    if any(map(_SUBJECT.fullmatch, first_folders(root))):
        # The folder of the images was given; the labels are beside it.
        root = root.parent
    images = labels = None
    for peek in peek_folders(root, depth=2):
        if not any(map(_SUBJECT.fullmatch, peek.folders)):
            continue
        name = peek.path.name.casefold()
        if name.startswith("emotion"):
            labels = labels or peek.path
        elif not name.startswith(_NOT_IMAGES):
            images = images or peek.path
    return (images, labels) if images and labels else None


def read_ckplus(root: Path, options: ReadOptions) -> Dataset:
    """Read the frames of the labelled sequences. The column `group` is the person.

    Without sequences, read a tree of image files, with the persons from the names of the images.

    Raises:
        DatasetError: there are no images.
        OSError: a file or folder can't be read.
    """
    found = _find_folders(root)
    if found is None:
        return _read_classes(root, options)
    images, labels = found
    base = images.parent
    left_out = LeftOut()
    rows: list[tuple[str, str, str]] = []
    unlabelled = 0
    for sequence in _sequences(images):
        frames = [name for name in list_folder(str(images / sequence)).images if _FRAME.match(name)]
        label = _read_label(labels / sequence, left_out)
        if label is None or not frames:
            unlabelled += bool(frames)
            continue
        named = {**dict.fromkeys(frames[-_PEAK_FRAMES:], label), frames[0]: _NAMES[0]}
        rows += [(join(f"{images.name}/{sequence}", frame), name, UNSPLIT) for frame, name in named.items()]
    if not rows:
        raise DatasetError(f"{root}: no sequence of {images} has a label in {labels}; unpack the images and the labels")
    people = [_person(path) for path, *_ in rows]
    summary = (
        f"the first frame (neutral) and the last {_PEAK_FRAMES} of each labelled sequence: {summarize(rows, left_out)}"
        f"; {pluralize(unlabelled, 'sequence')} without a label left out"
    )
    return make_dataset(
        base,
        rows,
        left_out.problems(),
        FolderSource(base, options.decoding),
        summary=summary,
        columns={"group": people},
    )


def _sequences(images: Path) -> Iterator[str]:
    """Yield the folders of the sequences, such as S005/001."""
    for subject in list_folder(str(images)).folders:
        if _SUBJECT.fullmatch(subject):
            yield from (f"{subject}/{name}" for name in list_folder(str(images / subject)).folders)


def _read_label(folder: Path, left_out: LeftOut) -> str | None:
    """Return the label of a sequence from its text file; None if there is none, or if it is broken."""
    if not folder.is_dir():
        return None
    files = sorted(path for path in folder.iterdir() if _LABEL.fullmatch(path.name))
    if not files:
        return None
    text = files[-1].read_text(encoding="utf-8", errors="replace")[:100].strip()
    for number, name in enumerate(_NAMES):
        if re.fullmatch(rf"0*{number}(\.0*)?(e\+?0+)?", text, re.IGNORECASE):
            return name
    where = files[-1].relative_to(folder.parent.parent.parent).as_posix()
    left_out.add("broken_row", where, reason=f"the label is '{text}', not 0 to 7")
    return None


def _read_classes(root: Path, options: ReadOptions) -> Dataset:
    if not root.is_dir():
        raise DatasetError(f"{root}: no such folder; give the folder with cohn-kanade-images and Emotion")
    dataset = read_image_tree(root, options)
    people = [_person(path) for path in dataset.frame["path"]]
    if not all(people):
        other = dataset.frame["path"].iloc[people.index("")]
        raise DatasetError(
            f"{root}: {other} has no name of CK+ such as S010_004_00000017.png; read it without the format ckplus"
        )
    summary = f"{dataset.summary}; {describe_people(people)}"
    return replace(dataset, frame=dataset.frame.assign(group=people), summary=summary)


def _person(path: str) -> str:
    match = _FRAME.match(path.rpartition("/")[2])
    return match[1] if match else ""


READER = Reader(
    "ckplus",
    "CK+: cohn-kanade-images with Emotion, or a folder a class with CK+'s file names",
    lambda root: _find_folders(root) is not None,
    read_ckplus,
)
