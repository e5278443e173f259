"""The types of a run's JSON files, and the check that a file's values have them.

Run directories come from other versions, other programs and other people. The annotations below are the only list of
what a file may hold: type checkers read them, and `fitting` holds what is on disk against them.
"""

# Without `from __future__ import annotations`, so that annotations are types and not text: `fitting` uses them.

import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from types import NoneType, UnionType
from typing import Any, NotRequired, TypedDict, TypeVar, cast, get_args, get_origin, is_typeddict

from core.system.processes import Owner

Check = Callable[[object], bool]
PLAIN = {str, int, float, bool, NoneType}
LARGEST = sys.float_info.max
T = TypeVar("T", bound=Mapping[str, object])


class Finding(TypedDict):
    """A warning of the audit (`core.runs.run_audit`)."""

    code: str  # which detector found it
    message: NotRequired[str]  # the figure, what it means and what to do


class StoredProblem(TypedDict):
    """A problem that a run met with its data or its checkpoint."""

    kind: str  # of core.data.dataset.Problem.kind, or damaged_checkpoint
    message: str  # what is wrong
    paths: list[str]  # of the files, relative to the data set's root or the run


class ClassScores(TypedDict):
    """A class's row of the per-class report."""

    precision: float  # 0 to 1
    recall: float  # 0 to 1
    f1: float  # 0 to 1
    support: int  # images of the class


class Intervals(TypedDict):
    """Bootstrap intervals (`core.evaluation.statistics.bootstrap_intervals`)."""

    level: NotRequired[float]  # share of the resamples that an interval covers, 0 to 1
    resamples: NotRequired[int]  # how many were drawn
    accuracy: list[float]  # lower and upper end
    macro_f1: list[float]  # lower and upper end


class ConfigFile(TypedDict, total=False):
    """config.json: the settings that readers use; `core.config.training_config.TrainingConfig` has all of them."""

    model: str  # name in core.models.registry.MODELS
    protocol: str  # name in core.config.protocol.PROTOCOLS
    encoding: str  # name in core.data.encoding.ENCODINGS
    augmentation: str  # name in core.data.augmentation.POLICIES
    monitor: str  # the column of history.csv that tells the best epoch
    keep: str  # best or last: which epoch's model is kept
    control: str  # none or noise: what takes the place of the images
    devices: str  # auto, cpu, all or cpu:N
    epochs: int  # how many are wanted
    image_size: int  # height and width of the model's input, pixels
    channels: int  # of the model's input, 1 or 3
    seed: int  # of weights, shuffling, augmentation and dropout
    learning_rate: float  # at the start
    validation_share: float  # of train that is held out where there is no validation split, 0 to 1
    format: str  # name of the data set's reader, or auto
    votes: str  # majority or soft: what becomes of annotators' votes
    classes: str | None  # how classes are renamed; None renames none
    exclude: str | None  # path of a file of decisions: images to leave out
    relabel: str | None  # path of a file of decisions: labels to change
    fold: str | None  # PART/PARTS of train that validates; None without k-fold
    flip_average: bool  # whether predictions are means over an image and its mirror image


class EnvironmentFile(TypedDict, total=False):
    """environment.json: what a run stood on."""

    started: str  # when, UTC in ISO 8601
    command: list[str]  # the words of the command line
    versions: Mapping[str, str]  # package to version
    device: str  # in words
    devices: list[str]  # TensorFlow's names
    precision: str  # Keras's dtype policy
    feed: str  # where the training images lie: host or device
    jit_compile: str  # whether XLA compiles the training step: on or off
    host: str  # network name of the machine
    platform: str  # operating system
    git_commit: str | None  # of the checkout; None for an installed package
    data: str  # absolute path of the data set
    decoding: int  # version of the image decoder (core.data.images.decode_image); a run without it has version 1
    fingerprint: str  # SHA-256 of the data set
    classes: list[str]  # in the order of the model's outputs
    validation_classes: list[str]  # in the order of validation's encoding
    counts: Mapping[str, Mapping[str, int]]  # split to class to images
    train_images: int  # decoded, to train on
    validation_images: int  # decoded, to validate on
    skipped: int  # images that can't be decoded
    parameters: int  # weights of the model, non-trainable ones included
    problems: list[StoredProblem]  # met before the first step
    val_images: int  # that the val_* figures of an epoch cover
    batches: Mapping[str, float | None]  # how mixed they are (core.runs.run_audit.measure_batches); None for NaN
    warnings: list[Finding]  # known before the first step


class StatusFile(Owner, total=False):
    """status.json: how far a run is, and which process says so."""

    state: str | None  # of core.runs.reader.STATES, but never `interrupted`
    message: str | None  # what the run last said of itself
    epoch: int | None  # under way, counted from 1; 0 before the first
    epochs: int | None  # wanted; None before they are known
    batch: int | None  # under way in the epoch, counted from 0
    batches: int | None  # of an epoch; None before they are known
    address: str | None  # of a queue's driver: HOST:PORT of the Ray cluster; None for this machine's own devices


class LockFile(Owner, total=False):
    """lock: which process writes a run."""

    token: str  # hex digits, different for every lock


class EvaluationFile(TypedDict, total=False):
    """evaluation.json: figures of the kept epoch's model over the whole split; shares are 0 to 1."""

    images: int  # of the split
    accuracy: float | None  # share of right answers
    balanced_accuracy: float | None  # mean recall of the classes that have images
    macro_f1: float | None  # mean F1 of the classes that have images
    loss: float | None  # mean cross-entropy, nats; None for NaN
    classes: list[str]  # in alphabetical order
    confusion_matrix: list[list[int]]  # images, rows true and columns predicted; a row and a column for each class
    per_class: Mapping[str, ClassScores]  # class to its row of the report
    majority_accuracy: float | None  # accuracy of always saying the commonest class
    intervals: Intervals  # 95 %, bootstrap
    leaked_images: int  # whose exact pixels train has
    leak_free_accuracy: float | None  # accuracy without them; None where no image is left
    split: str  # train, validation or test
    seconds: float  # that the evaluation took
    epoch: int  # the reported epoch, counted from 1
    val_images: int  # that its val_* figures cover
    val_counts: Mapping[str, int]  # class to images that its val_* figures cover
    warnings: list[Finding]  # all that the audit found


def valid_fields(content: Mapping[str, Any], kind: type[T]) -> T:
    """The part of a file's content that has the types of `kind`; keys that `kind` does not have stay as they are.

    A value of another type is left out as a whole, and so is a confusion matrix that is not square with the classes.
    A bool is no number, and neither are NaN and infinities. An int is a float too, unless it is too large for one.

    Args:
        content: the file's object, as `json.loads` gives it.
        kind: the file's TypedDict.
    """
    checks = _checks(kind)
    found = {name: value for name, value in content.items() if name not in checks or checks[name](value)}
    if kind is EvaluationFile and not is_square(found.get("confusion_matrix", ()), found.get("classes", ())):
        found.pop("confusion_matrix", None)
    return cast(T, found)


@cache
def _checks(kind: type) -> Mapping[str, Check]:
    """A check for each key of a TypedDict."""
    return {name: _check(annotation) for name, annotation in kind.__annotations__.items()}


@cache
def _check(annotation: Any) -> Check:
    """The check of a value that an annotation means."""
    if is_typeddict(annotation):
        return partial(_is_object, annotation.__required_keys__, _checks(annotation))
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is NotRequired:
        return _check(parts[0])
    if origin is list:
        return partial(_is_list, _check(parts[0]))
    if origin is Mapping:
        return partial(_is_mapping, _check(parts[1]))
    # A plain type or a union of them. json.loads gives no subclasses, so that the type of True is bool, never int.
    types = set(parts or (annotation,))
    if origin not in (None, UnionType) or not types <= PLAIN:
        raise TypeError(f"{annotation}: there is no check for values of this type")
    return partial(_is_number, types | {int}) if float in types else partial(_is_plain, types)


def _is_plain(types: set[type], value: object) -> bool:
    return type(value) in types


def _is_number(types: set[type], value: object) -> bool:
    # False for NaN and infinities too, and for an int that no float is as large as.
    return type(value) in types and (not isinstance(value, int | float) or -LARGEST <= value <= LARGEST)


def _is_list(fits: Check, value: object) -> bool:
    return isinstance(value, list) and all(map(fits, value))


def _is_mapping(fits: Check, value: object) -> bool:
    return isinstance(value, dict) and all(map(fits, value.values()))


def _is_object(required: frozenset[str], checks: Mapping[str, Check], value: object) -> bool:
    if not isinstance(value, dict) or not required <= value.keys():
        return False
    return all(name not in checks or checks[name](part) for name, part in value.items())


def is_square(matrix: Sequence[Sequence[Any]], classes: Sequence[str]) -> bool:
    """Whether a confusion matrix has a row and a column a class."""
    return len(matrix) == len(classes) and all(len(row) == len(classes) for row in matrix)
