"""The types of a run's JSON files, and the check of a file's values against these types.

Run directories may come from other versions, other programs and other people. The annotations below are the only
definition of the files: type checkers read them, and `valid_fields` checks the files' values against them.
"""

# No `from __future__ import annotations`: `valid_fields` needs the annotations as types, not as text.

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
    """A warning about a run (`core.runs.run_audit`)."""

    code: str  # the detector's code
    message: NotRequired[str]  # the metric, what it means and what to do


class StoredProblem(TypedDict):
    """A problem of a run's data or checkpoint."""

    kind: str  # a core.data.dataset.Problem.kind, or damaged_checkpoint
    message: str  # what is wrong
    paths: list[str]  # the files, relative to the data set's root or the run


class ClassScores(TypedDict):
    """A class's row of the per-class report."""

    precision: float  # 0 to 1
    recall: float  # 0 to 1
    f1: float  # 0 to 1
    support: int  # images of the class


class Intervals(TypedDict):
    """Bootstrap intervals (`core.evaluation.statistics.bootstrap_intervals`)."""

    level: NotRequired[float]  # share of the resamples that an interval covers, 0 to 1
    resamples: NotRequired[int]  # number of resamples
    accuracy: list[float]  # lower and upper end
    macro_f1: list[float]  # lower and upper end


class ConfigFile(TypedDict, total=False):
    """config.json: the settings that readers use. `core.config.training_config.TrainingConfig` defines all settings."""

    model: str  # a name in core.models.registry.MODELS
    protocol: str  # a name in core.config.protocol.PROTOCOLS
    encoding: str  # a name in core.data.encoding.ENCODINGS
    augmentation: str  # a name in core.data.augmentation.POLICIES
    monitor: str  # the column of history.csv that decides which epoch is the best
    keep: str  # best or last: the epoch whose model is kept
    control: str  # none or noise: what replaces the images
    devices: str  # auto, cpu, all or cpu:N
    epochs: int  # total number of epochs to train
    image_size: int  # height and width of the model's input, pixels
    channels: int  # channels of the model's input, 1 or 3
    seed: int  # seed of weights, shuffling, augmentation and dropout
    learning_rate: float  # initial learning rate
    validation_share: float  # share of train to hold out if there is no validation split, 0 to 1
    format: str  # name of the data set's reader, or auto
    votes: str  # majority or soft: how annotators' votes become labels
    classes: str | None  # how classes are renamed; None renames none
    exclude: str | None  # path of a file of decisions: images to exclude
    relabel: str | None  # path of a file of decisions: labels to change
    fold: str | None  # PART/PARTS: the part of train to validate on; None without k-fold
    flip_average: bool  # whether predictions are means over an image and its mirror image


class EnvironmentFile(TypedDict, total=False):
    """environment.json: the versions, machine and data that a run uses."""

    started: str  # start time, UTC in ISO 8601
    command: list[str]  # the words of the command line
    versions: Mapping[str, str]  # package to version
    device: str  # description of the device
    devices: list[str]  # TensorFlow's device names
    precision: str  # Keras's dtype policy
    feed: str  # where the training images are stored: host or device
    jit_compile: str  # whether XLA compiles the training step: on or off
    host: str  # host name of the machine
    platform: str  # operating system
    git_commit: str | None  # commit of the checkout; None for an installed package
    data: str  # absolute path of the data set
    decoding: int  # version of the image decoder (core.data.images.decode_image); a run without it has version 1
    fingerprint: str  # SHA-256 of the data set
    classes: list[str]  # the classes in the order of the model's outputs
    validation_classes: list[str]  # the classes in the order of validation's encoding
    counts: Mapping[str, Mapping[str, int]]  # split to class to number of images
    train_images: int  # number of decoded training images
    validation_images: int  # number of decoded validation images
    skipped: int  # number of images that can't be decoded
    parameters: int  # number of the model's weights, including non-trainable weights
    problems: list[StoredProblem]  # problems found before the first step
    val_images: int  # number of images that the val_* metrics of an epoch cover
    batches: Mapping[str, float | None]  # class mixture (core.runs.run_audit.measure_batches); None for NaN
    warnings: list[Finding]  # warnings known before the first step


class StatusFile(Owner, total=False):
    """status.json: the progress of a run, and the process that writes it."""

    state: str | None  # one of core.runs.reader.STATES except `interrupted`
    message: str | None  # the run's latest message
    epoch: int | None  # current epoch, counted from 1; 0 before the first
    epochs: int | None  # total number of epochs; None until known
    batch: int | None  # current batch of the epoch, counted from 0
    batches: int | None  # number of batches per epoch; None until known
    address: str | None  # a queue's Ray cluster, HOST:PORT; None if the queue uses this machine's devices


class LockFile(Owner, total=False):
    """lock: the process that writes a run."""

    token: str  # hexadecimal digits, unique for each lock


class EvaluationFile(TypedDict, total=False):
    """evaluation.json: metrics of the kept epoch's model over the whole split. Shares are from 0 to 1."""

    images: int  # number of images of the split
    accuracy: float | None  # share of correct predictions
    balanced_accuracy: float | None  # mean recall of the classes that have images
    macro_f1: float | None  # mean F1 of the classes that have images
    loss: float | None  # mean cross-entropy, nats; None for NaN
    classes: list[str]  # the classes in alphabetical order
    confusion_matrix: list[list[int]]  # numbers of images; rows are true classes, columns predicted classes
    per_class: Mapping[str, ClassScores]  # class to its row of the report
    majority_accuracy: float | None  # accuracy of always predicting the most common class
    intervals: Intervals  # 95 % bootstrap intervals
    leaked_images: int  # number of images whose exact pixels are also in train
    leak_free_accuracy: float | None  # accuracy without the leaked images; None if no image is left
    split: str  # train, validation or test
    seconds: float  # duration of the evaluation
    epoch: int  # the reported epoch, counted from 1
    val_images: int  # number of images that the epoch's val_* metrics cover
    val_counts: Mapping[str, int]  # class to number of images that the epoch's val_* metrics cover
    warnings: list[Finding]  # all warnings of the run


def valid_fields(content: Mapping[str, Any], kind: type[T]) -> T:
    """Return a file's content without the values whose type is not the type that `kind` declares.

    Keys that `kind` does not declare are kept. A confusion matrix whose size is not the number of classes is removed.
    A bool is not a number. NaN and infinity are not valid. An int is valid as a float unless it is too large.

    Args:
        content: the file's object, as `json.loads` returns it.
        kind: the file's TypedDict.
    """
    checks = _checks(kind)
    found = {name: value for name, value in content.items() if name not in checks or checks[name](value)}
    if kind is EvaluationFile and not is_square(found.get("confusion_matrix", ()), found.get("classes", ())):
        found.pop("confusion_matrix", None)
    return cast(T, found)


@cache
def _checks(kind: type) -> Mapping[str, Check]:
    """Return a check for each key of a TypedDict."""
    return {name: _check(annotation) for name, annotation in kind.__annotations__.items()}


@cache
def _check(annotation: Any) -> Check:
    """Return the check of values for an annotation.

    Raises:
        TypeError: values of this type can't be checked.
    """
    if is_typeddict(annotation):
        return partial(_is_object, annotation.__required_keys__, _checks(annotation))
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is NotRequired:
        return _check(parts[0])
    if origin is list:
        return partial(_is_list, _check(parts[0]))
    if origin is Mapping:
        return partial(_is_mapping, _check(parts[1]))
    # A plain type or a union of plain types. json.loads returns no subclasses, so comparing `type(value)` is enough.
    types = set(parts or (annotation,))
    if origin not in (None, UnionType) or not types <= PLAIN:
        raise TypeError(f"{annotation}: there is no check for values of this type")
    return partial(_is_number, types | {int}) if float in types else partial(_is_plain, types)


def _is_plain(types: set[type], value: object) -> bool:
    return type(value) in types


def _is_number(types: set[type], value: object) -> bool:
    # The range check also rejects NaN, infinity, and an int that is larger than any float.
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
    """Return whether a confusion matrix has one row and one column per class."""
    return len(matrix) == len(classes) and all(len(row) == len(classes) for row in matrix)
