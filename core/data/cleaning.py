"""Write a cleaned copy of a data set, or a manifest, without the images that `core.data.audit` finds fault with."""

from __future__ import annotations

import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from core.data.audit import inspect_images
from core.data.dataset import SPLITS, UNSPLIT, Dataset, FileSource, ImageFile
from core.data.folder_listing import LEFT_OUT_LIST
from core.data.images import IMAGE_SUFFIXES
from core.data.left_out import LEFT_OUT_KINDS
from core.data.manifest_file import manifest_rows, write_manifest
from core.data.parquet_files import PARQUET, check_pyarrow, is_parquet
from core.data.split_names import known_split, looks_like_split
from core.errors import DatasetError
from core.system import files

_CSV = ".csv"
# The longest name of a class folder, in bytes.
_MAX_NAME = 100
# Of copies in several splits, the one in the last split is kept.
_KEPT_LAST = (UNSPLIT, *SPLITS)


@dataclass(frozen=True)
class LeftOutImage:
    """An image that a cleaned data set does not have, or a file that is not part of the data set.

    Attributes:
        path: its path in the data set.
        label: its class; empty for a file that the reader left out.
        split: its split; empty for a file that the reader left out.
        reason: the kind of the problem, such as `blank` or `duplicate`.
        detail: more about the reason, such as the path of the image that is kept.
    """

    path: str
    label: str
    split: str
    reason: str
    detail: str


@dataclass(frozen=True)
class Cleaned:
    """What `write_cleaned` wrote.

    Attributes:
        images: the number of images.
        left_out: what was left out.
        list: the CSV file that lists it.
    """

    images: int
    left_out: tuple[LeftOutImage, ...]
    list: Path

    def counts(self) -> dict[str, int]:
        """Return the number of images and files for each reason, the most common first."""
        return dict(Counter(image.reason for image in self.left_out).most_common())


def write_cleaned(dataset: Dataset, out: Path, progress: Callable[[int], None] = lambda done: None) -> Cleaned:
    """Write what is left of a data set after `find_left_out`, and a list of what is not. The data set stays as it is.

    Args:
        dataset: the data set.
        out: a new or empty folder for `<split>/<class>/*`, with the list in it; or a new file that ends in .csv or
            .parquet for a manifest, with the list beside. A manifest refers to the files of the data set. Images that
            are no files, such as rows of fer2013.csv, are written into a folder beside the manifest.
        progress: called with the number of decoded images.

    Raises:
        DatasetError: `out` is not new, is inside of the data set or can't be written; no image is left; or a class
            can't be a folder's name.
    """
    is_manifest = out.name.lower().endswith((_CSV, PARQUET))
    _check_output(dataset, out, is_manifest=is_manifest)
    left_out = find_left_out(dataset, progress)
    gone = {image.path for image in left_out if image.split}
    frame = dataset.frame[~dataset.frame["path"].isin(gone)].reset_index(drop=True)
    if frame.empty:
        raise DatasetError(f"{dataset.root}: no image is left; 'fer-tui data check' says why")
    kept = replace(dataset, frame=frame)
    try:
        out.absolute().parent.mkdir(parents=True, exist_ok=True)
        if is_manifest:
            list_path = out.with_name(f"{out.stem}-{LEFT_OUT_LIST}")
            files.write_bytes(list_path, _to_csv(left_out))
            _write_manifest(kept, out)
        else:
            list_path = out / LEFT_OUT_LIST
            _write_folder(out, lambda folder: _fill_folder(kept, folder, left_out))
    except OSError as error:
        raise DatasetError(f"{out}: can't be written ({error.strerror or error}); name another place") from None
    return Cleaned(len(frame), left_out, list_path)


def _check_output(dataset: Dataset, out: Path, *, is_manifest: bool) -> None:
    """Check that the output is new, and outside of the data set.

    Raises:
        DatasetError: it is not.
    """
    folder = _images_folder(out) if is_manifest else out
    if is_manifest and out.exists() and (out.is_dir() or out.stat().st_size):
        raise DatasetError(f"{out}: this exists and is not empty; name a new file")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DatasetError(f"{folder}: this exists and is not empty; name a new place")
    if dataset.root.is_dir() and out.resolve().is_relative_to(dataset.root.resolve()):
        raise DatasetError(f"{out}: this is inside of the data set {dataset.root}; name a place outside")
    if is_manifest and is_parquet(out):
        check_pyarrow(out)
    for label in () if is_manifest else dataset.classes:
        _check_folder_name(label)


def find_left_out(dataset: Dataset, progress: Callable[[int], None] = lambda done: None) -> tuple[LeftOutImage, ...]:
    """Find the images that a cleaned data set does not have, and the files that the reader left out.

    An image is left out if it can't be decoded or is blank; if the same pixels have another label too, because at most
    one of the labels is correct; or if it is a copy. Of copies in several splits, the one in test is kept, otherwise
    the one in validation. The evaluation splits then have their published images, and the model is not trained on them.
    Of copies in one split, the first is kept.

    Returns:
        The images and files, sorted by path.
    """
    seen = inspect_images(dataset, progress)
    frame = dataset.frame
    path, label, split = (frame[column].tolist() for column in ("path", "label", "split"))
    found: dict[str, tuple[str, str]] = {name: ("undecodable", reason) for name, reason in seen.undecodable}
    found |= dict.fromkeys(seen.blank, ("blank", "all pixels have nearly the same value"))
    for rows in seen.same_pixels:
        if path[rows[0]] in found:
            continue
        if len({label[row] for row in rows}) > 1:
            for row in rows:
                other = next(each for each in rows if label[each] != label[row])
                found[path[row]] = "conflicting_labels", f"the same pixels are '{label[other]}' in {path[other]}"
            continue
        kept = max(rows, key=lambda row: (_KEPT_LAST.index(split[row]), -row))
        for row in rows:
            if row != kept:
                kind = "duplicate" if split[row] == split[kept] else "duplicate_across_splits"
                found[path[row]] = kind, f"the same pixels as {path[kept]}"
    left_out = [
        LeftOutImage(path[row], label[row], split[row], *found[path[row]])
        for row in range(len(path))
        if path[row] in found
    ]
    left_out += [
        LeftOutImage(name, "", "", problem.kind, "left out by the reader")
        for problem in dataset.problems
        if problem.kind in LEFT_OUT_KINDS
        for name in problem.paths
    ]
    return tuple(sorted(left_out, key=lambda image: image.path))


def _to_csv(left_out: Sequence[LeftOutImage]) -> bytes:
    rows = ((image.path, image.label, image.split, image.reason, image.detail) for image in left_out)
    return files.to_csv([("path", "label", "split", "reason", "detail"), *rows])


def _write_folder(out: Path, fill: Callable[[Path], None]) -> None:
    """Fill a new or empty folder. Its content appears only when it is complete."""
    place = out.absolute()
    with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as scratch:
        # The temporary folder itself is the user's alone, whatever the umask.
        new = Path(scratch, "new")
        new.mkdir()
        fill(new)
        if not place.exists():
            new.rename(place)
            return
        # Do not replace an existing folder: it may be the working directory of a shell.
        for path in sorted(new.iterdir(), key=lambda path: path.name == "train"):
            path.rename(place / path.name)


def _fill_folder(dataset: Dataset, folder: Path, left_out: Sequence[LeftOutImage]) -> None:
    """Write all images into `<split>/<class>/`, or `<class>/` for a data set without splits, and the list."""
    _fill_images(dataset, folder, _file_names(dataset))
    (folder / LEFT_OUT_LIST).write_bytes(_to_csv(left_out))


def _check_folder_name(label: str) -> None:
    """Check that a folder of this name is read as a class.

    Raises:
        DatasetError: it is not.
    """
    is_bad = "/" in label or "\\" in label or "\0" in label or label.startswith(".") or label != label.strip()
    if (
        is_bad
        or len(label.encode(errors="surrogateescape")) > _MAX_NAME
        or known_split(label)
        or looks_like_split(label)
    ):
        raise DatasetError(
            "classes",
            f"'{label[:50]}' can't be the name of a class folder; rename the class, or write a manifest: name a file "
            "that ends in .csv",
        )


def _file_names(dataset: Dataset) -> dict[str, str]:
    """Return the relative path of each image in a copy: the image's own name, with a number if it is taken."""
    frame = dataset.frame
    # Some file systems do not distinguish upper and lower case.
    taken: set[str] = set()
    numbers: Counter[str] = Counter()
    names: dict[str, str] = {}
    for path, label, split in zip(frame["path"], frame["label"], frame["split"], strict=True):
        folder = label if split == UNSPLIT else f"{split}/{label}"
        own = PurePosixPath(_own_name(dataset, path))
        name = wanted = f"{folder}/{own}"
        while name.casefold() in taken:
            numbers[wanted.casefold()] += 1
            name = f"{folder}/{own.stem}-{numbers[wanted.casefold()] + 1}{own.suffix}"
        taken.add(name.casefold())
        names[path] = name
    return names


def _own_name(dataset: Dataset, path: str) -> str:
    """Return the name of an image's file, or a name for the PNG file that is written for it."""
    place = _whole_file(dataset, path)
    if place is not None:
        return place.path.name.lstrip(".")
    # A row, such as fer2013.csv#00017, or a part of a file, such as group.jpg#0,0,48,48.
    file, _, part = path.rpartition("/")[2].partition("#")
    end = f"-{part.replace(',', '-')}" if part else ""
    return f"{PurePosixPath(file).stem}{end}.png".lstrip(".")


def _whole_file(dataset: Dataset, path: str) -> ImageFile | None:
    """Return the file that an image is, if a copy of it is the same image in a folder; None if it must be written."""
    if not isinstance(dataset.source, FileSource):
        return None
    place = dataset.source.locate(path)
    is_listed = place.path.name.lower().lstrip(".").endswith(IMAGE_SUFFIXES)
    return place if place.box is None and is_listed else None


def _write_image(dataset: Dataset, path: str, target: Path) -> None:
    """Copy an image's file, or write its pixels as PNG."""
    place = _whole_file(dataset, path)
    if place is None:
        dataset.image(path).save(target, "PNG")
    else:
        shutil.copyfile(place.path, target)


def _images_folder(out: Path) -> Path:
    """Return the folder for the images of a manifest that are no files."""
    return out.with_name(f"{out.stem}-images")


def _write_manifest(dataset: Dataset, out: Path) -> None:
    """Write a manifest, and before it the images that are no files."""
    if isinstance(dataset.source, FileSource):
        places = [dataset.source.locate(path) for path in dataset.frame["path"]]
    else:
        folder = _images_folder(out)
        frame = dataset.frame.assign(label="images", split=UNSPLIT)
        names = {path: name.partition("/")[2] for path, name in _file_names(replace(dataset, frame=frame)).items()}
        _write_folder(folder, lambda new: _fill_images(dataset, new, names))
        places = [ImageFile(folder / names[path]) for path in dataset.frame["path"]]
    write_manifest(out, manifest_rows(dataset, places, out.absolute().parent))


def _fill_images(dataset: Dataset, folder: Path, names: Mapping[str, str]) -> None:
    """Write images to their relative paths in a folder."""
    for path, name in names.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        _write_image(dataset, path, target)
