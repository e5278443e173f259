"""The reader of RAF-DB's basic expressions: a list of labels, and the images in Image/aligned or Image/original.

Reference:
    Li, Deng and Du, Reliable crowdsourcing and deep locality-preserving learning for expression recognition in the
    wild, CVPR 2017.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from core.data.class_names import NUMBERS, rename_classes
from core.data.dataset import Dataset, make_dataset
from core.data.folder_listing import join, list_folder, peek_folders
from core.data.left_out import LeftOut, summarize
from core.data.readers.base import Reader, ReadOptions
from core.data.readers.image_tree import FolderSource, read_image_tree
from core.errors import DatasetError, pluralize

# The released list has the first name.
_LIST_NAMES = ("list_patition_label.txt", "list_partition_label.txt")
_LIST_FOLDER = "EmoLabel"
_NAMES: Mapping[str, str] = {str(number): name for number, name in NUMBERS["RAF-DB"].items()}
# The labels of the compound expressions, which have a list of the same name.
_COMPOUND = {"8", "9", "10", "11"}
# Where the images may be, relative to the folder of the data set. Aligned images are preferred.
_IMAGE_FOLDERS = ("Image/aligned", "Image/original", "aligned", "original", "Image", "")
# An archive may have been unpacked into a folder of its own name.
_IMAGE_FOLDERS += ("Image/aligned/aligned", "Image/original/original", "aligned/aligned", "original/original")
_ALIGNED = "_aligned"
_SPLITS = ("train", "test")


def _find_list(root: Path) -> Path | None:
    """Return the list of the basic expressions in a folder, or that of the images in a folder; None if there is none.

    `root` may also be the list itself.
    """
    if root.is_file():
        return root if root.name in _LIST_NAMES else None
    folders = [peek.path for peek in peek_folders(root)]
    if root.name.casefold() in ("aligned", "original", "image"):
        folders += [parent / _LIST_FOLDER for parent in root.resolve().parents[:2]]
    found = [path for folder in folders for name in _LIST_NAMES if (path := folder / name).is_file()]
    # RAF-DB's compound expressions are in a folder beside.
    return min(found, key=lambda path: "compound" in str(path).casefold(), default=None)


def read_rafdb(root: Path, options: ReadOptions) -> Dataset:
    """Read the images that the list names. The classes have FER2013's names.

    Without a list, read a tree of image files whose folders are the numbers 1 to 7.

    Raises:
        DatasetError: there are no images, or the labels are not those of the basic expressions.
        OSError: a file or folder can't be read.
    """
    path = _find_list(root)
    if path is None:
        return _read_numbered_folders(root, options)
    base = path.parent.parent if path.parent.name == _LIST_FOLDER else path.parent
    left_out = LeftOut()
    labels = _read_list(path, left_out)
    folder, images = _find_images(base, labels)
    rows = []
    for name, label in labels.items():
        file = images.pop(name, None)
        if file is None:
            left_out.add("missing_file", join(folder, f"{name}.jpg"))
        else:
            rows.append((join(folder, file), _NAMES[label], name.partition("_")[0]))
    for file in images.values():
        left_out.add("no_label", join(folder, file))
    if not rows:
        raise DatasetError(f"{path}: none of its images is in {base / _IMAGE_FOLDERS[0]}; unpack aligned.zip there")
    version = "aligned" if rows[0][0].rpartition(".")[0].endswith(_ALIGNED) else "original"
    summary = f"{version} images by {path.name}: {summarize(rows, left_out)}"
    return make_dataset(base, rows, left_out.problems(), FolderSource(base, options.decoding), summary=summary)


def _read_list(path: Path, left_out: LeftOut) -> dict[str, str]:
    """Return the label of each image, by the image's name without its ending.

    Raises:
        DatasetError: the labels are those of the compound expressions.
    """
    labels: dict[str, str] = {}
    for line, cells in _lines(path):
        name = cells[0].rpartition(".")[0]
        label = cells[-1]
        if label in _COMPOUND:
            raise DatasetError(
                f"{path}: line {line}: label {label} is a compound expression of RAF-DB, which is not read; give the "
                "folder 'basic'"
            )
        reason = ""
        if len(cells) != 2:
            reason = f"{pluralize(len(cells), 'word')}, not 2"
        elif name.partition("_")[0] not in _SPLITS:
            reason = "the name does not begin with train_ or test_"
        elif label not in _NAMES:
            reason = f"the label is '{label[:20]}', not 1 to 7"
        elif name in labels:
            reason = "the image is listed twice"
        if reason:
            left_out.add("broken_row", f"{path.name}#{line:05d}", reason=reason)
        else:
            labels[name] = label
    return labels


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the words of each line that is not empty."""
    with path.open(encoding="utf-8-sig", errors="surrogateescape") as file:
        for number, line in enumerate(file, start=1):
            if cells := line.replace(",", " ").split():
                yield number, cells


def _find_images(base: Path, labels: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Return the first folder with images of the list, and its images: their names in the list to file names."""
    for folder in _IMAGE_FOLDERS:
        if (base / folder).is_dir():
            files = list_folder(str(base / folder)).images
            images = {file.rpartition(".")[0].removesuffix(_ALIGNED): file for file in files}
            if labels.keys() & images.keys():
                return folder, images
    return _IMAGE_FOLDERS[0], {}


def _read_numbered_folders(root: Path, options: ReadOptions) -> Dataset:
    if not root.is_dir():
        raise DatasetError(f"{root}: neither RAF-DB's {_LIST_NAMES[0]} nor a folder with it")
    dataset = read_image_tree(root, options)
    if other := [name for name in dataset.classes if name not in _NAMES]:
        raise DatasetError(
            f"{root}: neither {_LIST_NAMES[0]} nor folders 1 to 7 (there is '{other[0]}'); read it without the format "
            "rafdb"
        )
    return rename_classes(dataset, ",".join(f"{number}={_NAMES[number]}" for number in dataset.classes))


READER = Reader(
    "rafdb",
    "RAF-DB: list_patition_label.txt with Image/aligned or Image/original",
    lambda root: _find_list(root) is not None,
    read_rafdb,
)
