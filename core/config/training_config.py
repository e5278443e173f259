"""TrainingConfig: every knob of a run, shared by the command line, the screens and the run directory.

A config is made in four layers, each over the one before: the defaults below, the model's own recipe, the
protocol's settings, and what the user said (config file, then flags). What a run stores is the whole result.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from core.config.protocol import PROTOCOLS
from core.config.setting_syntax import parse_class_map, parse_duration, parse_fold
from core.errors import ConfigError, suggest_name
from core.models.registry import IMAGENET, MODELS, ModelSpec, find_model

ProtocolName = Literal["sound", "published"]
EncodingName = Literal["label", "frequency"]
AugmentationName = Literal["none", "basic", "extended", "strong"]
Metric = Literal["loss", "accuracy", "precision", "recall", "val_loss", "val_accuracy", "val_precision", "val_recall"]
# Values of `devices` by which a run is not mirrored.
ONE_DEVICE = ("auto", "cpu")
# MiB of decoded images that a process holds unless it is told.
IMAGE_MEMORY = 2048


def _field(default: Any, group: str, description: str, **bounds: Any) -> Any:
    """A field with its help and the group that it is shown under."""
    return Field(default, description=description, json_schema_extra={"group": group}, **bounds)


class TrainingConfig(BaseModel):
    """One run's settings, every default resolved; make one with `resolve`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    data: Path = _field(..., "What", "Data set: ROOT/<split>/<class>/*.jpg, ROOT/<class>/*.jpg or fer2013.csv.")
    model: str = _field(..., "What", "Model, a name from `fer-tui models`.")
    protocol: ProtocolName = _field(
        "sound", "What", "How training and validation are done: sound, or as the article did it (published)."
    )

    epochs: int = _field(30, "Training", "Passes over the training images at the most.", ge=1, le=100_000)
    batch_size: int = _field(64, "Training", "Images a step.", ge=1, le=65_536)
    seed: int = _field(23, "Training", "Seed of initial weights, shuffling, augmentation and dropout.", ge=0, lt=2**31)
    time_budget: float | None = _field(
        None, "Training", "Start no epoch that would end after this long: 90s, 60m, 1h30m.", gt=0
    )
    monitor: Metric = _field("val_loss", "Training", "What chooses the best epoch and stops early.")
    patience: int | None = _field(
        10,
        "Training",
        "Stop after so many epochs without a better monitor: 1 when two epochs are the same; 'none' never stops early.",
        ge=0,
    )
    min_delta: float = _field(0.0, "Training", "The least change of the monitor that counts as better.", ge=0)
    keep: Literal["best", "last"] = _field(
        "best", "Training", "The epoch that is kept and reported: the monitor's best, or the last one."
    )
    track: Literal["none", "tensorboard", "mlflow", "both"] = _field(
        "none",
        "Training",
        "Log the run elsewhere too: TensorBoard's files in its directory, an MLflow server, both.",
    )

    format: str = _field(
        "auto", "Data", "Format of the data set: auto (detect it), or a format that `fer-tui data formats` lists."
    )
    votes: Literal["majority", "soft"] = _field(
        "majority",
        "Data",
        "Labels from several annotators' votes (FER+): majority, one class an image, or soft, the share of each class.",
    )
    classes: str | None = _field(
        None,
        "Data",
        "Rename classes: OLD=NEW,OLD=NEW; an empty NEW leaves a class out; 'synonyms' gives other data sets' words and "
        "numbers the names of FER2013's classes.",
    )
    image_size: int = _field(48, "Data", "Width and height of the model's input in pixels.", ge=16, le=1024)
    channels: Literal[1, 3] = _field(1, "Data", "Channels of the model's input: 1 grey, 3 colour.")
    encoding: EncodingName = _field(
        "label", "Data", "Order of the outputs: label (alphabetical) or frequency (ascending training count)."
    )
    augmentation: AugmentationName = _field("basic", "Data", "Random changes to training images.")
    normalization: Literal["none", "scale", "per_image", "dataset"] = _field(
        "scale",
        "Data",
        "Pixels into the network: none (0-255), scale (0-1), per_image or dataset (mean 0, deviation 1).",
    )
    class_weights: Literal["none", "balanced", "sqrt_balanced", "max_over_count"] = _field(
        "none",
        "Data",
        "Weight of a class in the loss: none, balanced (n / classes / count), its square root, max_over_count.",
    )
    validation_share: float = _field(
        0.1, "Data", "Share of train held out for validation where the data set has none.", gt=0, lt=1
    )
    control: Literal["none", "noise"] = _field(
        "none", "Data", "Train on the images (none), or on noise in their place: what labels and listing alone score."
    )
    exclude: Path | None = _field(
        None, "Data", "CSV of images to leave out, by their column path (see `fer-tui review`)."
    )
    relabel: Path | None = _field(None, "Data", "CSV of images and their new labels: columns path and new_label.")
    fold: str | None = _field(
        None, "Data", "Part of train to validate on, K/N such as 1/5, in place of the validation split."
    )
    limit: int | None = _field(
        None, "Data", "Train on so many images at the most, evenly by class; validation stays whole.", ge=1
    )

    width: float = _field(1.0, "Model", "Factor on the model's filters and units.", gt=0, le=16)
    variant: Literal["text", "code"] = _field(
        "text", "Model", "Models 3 and 4 as the article's text has them, or as its author's code has them."
    )
    weights: str | None = _field(
        None, "Model", "Model 1's EfficientNet starts from imagenet, a weights file, or at random (none)."
    )
    dropout: float | None = _field(
        None, "Model", "Dropout of the dense layers; 'none' leaves the model's own.", ge=0, lt=1
    )
    l2: float = _field(0.0, "Model", "L2 penalty on kernels.", ge=0)
    output_bias: Literal["zero", "prior"] = _field(
        "zero", "Model", "Last layer's initial bias: zero, or the log frequencies of the classes (prior)."
    )
    flip_average: bool = _field(
        False, "Model", "Average what the kept model says to an image and to its mirror image; twice the time."
    )

    optimizer: Literal["adam", "sgd"] = _field("adam", "Optimizer", "Adam, or SGD with momentum.")
    learning_rate: float = _field(1e-3, "Optimizer", "Highest learning rate.", gt=0)
    beta_1: float = _field(0.9, "Optimizer", "Adam's decay of the first moment.", ge=0, lt=1)
    beta_2: float = _field(0.999, "Optimizer", "Adam's decay of the second moment.", ge=0, lt=1)
    epsilon: float = _field(1e-7, "Optimizer", "Adam's epsilon.", gt=0)
    momentum: float = _field(0.9, "Optimizer", "SGD's momentum (Nesterov).", ge=0, lt=1)
    schedule: Literal["constant", "cosine", "plateau"] = _field(
        "constant",
        "Optimizer",
        "Learning rate over time: constant, cosine to zero over all epochs, or plateau: a fifth of it after "
        "three epochs without a better monitor.",
    )
    warmup_epochs: float = _field(0.0, "Optimizer", "Epochs in which the rate rises from zero (cosine).", ge=0)
    ema: float = _field(
        0.0,
        "Optimizer",
        "Decay a step of the weights' moving average, which is then validated and kept; it spans an epoch at the most. "
        "0 averages nothing.",
        ge=0,
        lt=1,
    )
    label_smoothing: float = _field(0.0, "Optimizer", "Share of every target spread over all classes.", ge=0, lt=1)

    devices: str = _field(
        "auto", "Device", "auto (first GPU, else CPU), cpu, all (every GPU), or cpu:N (N logical CPUs)."
    )
    precision: Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"] = _field(
        "auto",
        "Device",
        "Arithmetic; auto is mixed_bfloat16 on GPUs from compute capability 8.0, mixed_float16 on 7.x, else float32.",
    )
    feed: Literal["auto", "host", "device"] = _field(
        "auto",
        "Device",
        "Where images lie: host (its memory) or device (the GPU's); auto is device on a GPU that has room for them.",
    )
    jit_compile: Literal["auto", "on", "off"] = _field(
        "auto",
        "Device",
        "Compile the training steps with XLA; auto is on for a long run on one GPU, where the model supports it.",
    )
    image_memory: int = _field(
        IMAGE_MEMORY, "Device", "MiB of decoded images to hold in memory; more lie in a file on disk.", ge=0
    )
    deterministic: bool = _field(False, "Device", "Same seed, same weights to the last bit (one device; slower).")

    @field_validator("data", "exclude", "relabel")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        # A run is resumed and evaluated from other folders too.
        try:
            return None if path is None else path.expanduser().absolute()
        except RuntimeError:
            raise ValueError("names the home of a user whom nobody knows") from None

    @field_validator("model")
    @classmethod
    def _known_model(cls, name: str) -> str:
        return find_model(name).name

    @field_validator("format")
    @classmethod
    def _check_format(cls, name: str) -> str:
        # The readers know the names; a format is always chosen, so that 'none' can't be one.
        if not name.strip() or _none(name) is None:
            raise ValueError("must be auto or a format that 'fer-tui data formats' lists")
        return name

    @field_validator("image_size")
    @classmethod
    def _large_enough(cls, size: int, info: ValidationInfo) -> int:
        spec = _spec(info)
        if spec and size < spec.min_image_size:
            raise ValueError(f"{spec.name} needs {spec.min_image_size} or more")
        return size

    @field_validator("normalization")
    @classmethod
    def _scaled_once(cls, normalization: str, info: ValidationInfo) -> str:
        spec = _spec(info)
        if spec and spec.scales_pixels and normalization != "none":
            raise ValueError(f"{spec.name} scales its pixels itself; leave it at none")
        return normalization

    @field_validator("weights")
    @classmethod
    def _weights_fit(cls, weights: str | None, info: ValidationInfo) -> str | None:
        spec = _spec(info)
        if weights is None or spec is None:
            return weights
        if not spec.takes_weights:
            raise ValueError(f"{spec.name} has no pretrained weights; leave it at none")
        if weights == IMAGENET and (info.data.get("width"), info.data.get("channels")) != (1.0, 3):
            raise ValueError("the ImageNet weights need width 1 and channels 3; else set weights to none")
        return weights if weights == IMAGENET else str(Path(weights).expanduser().absolute())

    @field_validator("channels", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        # A flag gives text, which a Literal of numbers does not take.
        return int(value) if isinstance(value, str) and value.isdecimal() else value

    @field_validator("devices")
    @classmethod
    def _known_devices(cls, devices: str) -> str:
        if not re.fullmatch(r"auto|cpu|all|cpu:[1-9]\d?", devices):
            raise ValueError("must be auto, cpu, all or cpu:N")
        return devices

    @field_validator("jit_compile", mode="before")
    @classmethod
    def _on_or_off(cls, value: Any) -> Any:
        # It was a bool once: in runs of 0.1.0, and in people's TOML files.
        return {"true": "on", "false": "off"}.get(str(value).strip().lower(), value)

    @field_validator("feed", "jit_compile")
    @classmethod
    def _check_device_support(cls, value: str, info: ValidationInfo) -> str:
        spec, devices = _spec(info), info.data.get("devices", "auto")
        if value in ("device", "on") and devices not in ONE_DEVICE:
            raise ValueError(f"needs one device, and devices is {devices}; leave it at auto")
        if value == "on" and spec and not spec.supports_xla:
            raise ValueError(f"{spec.name} augments its images by layers that XLA can't compile; leave it at auto")
        return value

    @field_validator("deterministic")
    @classmethod
    def _without_xla(cls, deterministic: bool, info: ValidationInfo) -> bool:
        if deterministic and info.data.get("jit_compile") == "on":
            raise ValueError("not every operation of XLA is deterministic; set jit_compile to auto")
        return deterministic

    @field_validator("time_budget", mode="before")
    @classmethod
    def _seconds(cls, value: Any) -> Any:
        return parse_duration(value) if isinstance(value, str) and value.strip().lower() != "none" else _none(value)

    @field_validator("fold", "classes")
    @classmethod
    def _check_syntax(cls, text: str | None, info: ValidationInfo) -> str | None:
        if text is not None:
            (parse_fold if info.field_name == "fold" else parse_class_map)(text)
        return text

    @field_validator("patience", "limit", "weights", "dropout", "exclude", "relabel", "fold", "classes", mode="before")
    @classmethod
    def _optional(cls, value: Any) -> Any:
        return _none(value)

    @property
    def is_single_device(self) -> bool:
        """Whether the run is not mirrored over several devices."""
        return self.devices in ONE_DEVICE

    @property
    def can_resume_exactly(self) -> bool:
        """Whether the run, interrupted and gone on with, ends with the very weights of one that never was."""
        return self.deterministic and self.is_single_device


def _spec(info: ValidationInfo) -> ModelSpec | None:
    """The model that a config under validation names; None where that name is the fault."""
    return MODELS.get(info.data.get("model", ""))


def _none(value: Any) -> Any:
    """'none' in a flag or a TOML file, which has no null, as None."""
    return None if isinstance(value, str) and value.strip().lower() == "none" else value


def resolve(settings: Mapping[str, Any], *, source: str = "") -> TrainingConfig:
    """One run's config: the defaults, the model's recipe, the protocol's settings, then `settings`.

    Args:
        settings: field names of TrainingConfig to values; `data` and `model` must be among them.
        source: the file that the settings stand in, for errors; empty where they stand in none.

    Raises:
        ConfigError: a key is unknown, missing, or its value is not allowed.
    """
    known = TrainingConfig.model_fields
    for key in settings:
        if key not in known:
            hint = suggest_name(key, known, "see 'fer-tui train --help' for the names")
            raise ConfigError(f"unknown key '{key}'; {hint}", source=source)
    if not settings.get("data"):
        raise ConfigError("data", "no data set given; name a folder of faces or a fer2013.csv")
    if not settings.get("model"):
        raise ConfigError("model", f"no model given; choose from {', '.join(MODELS)}")
    try:
        model = find_model(str(settings["model"]))
    except ValueError as error:
        raise ConfigError("model", str(error), source=source) from None
    protocol = str(settings.get("protocol", known["protocol"].default))
    by_protocol = PROTOCOLS[protocol].settings(model) if protocol in PROTOCOLS else {}
    layers = {**model.defaults(), **by_protocol, **settings}
    try:
        return TrainingConfig.model_validate(layers)
    except ValidationError as error:
        raise _errors(error, source)[0] from error


def validation_errors(settings: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with each setting of a form that is being filled in: field names to a line each.

    Args:
        settings: field names of TrainingConfig to values or to what was typed; without `data` or `model` the others
            are checked as they would be with some data set and the first model.
    """
    model = str(settings.get("model") or next(iter(MODELS)))
    try:
        resolve({**settings, "data": settings.get("data") or ".", "model": model})
    except ConfigError as error:
        cause = error.__cause__
        found = _errors(cause) if isinstance(cause, ValidationError) else [error]
        return {each.field: each.message for each in reversed(found)}
    return {}


def check_settings(settings: Mapping[str, Any], *, source: str = "") -> None:
    """Check settings that are not a whole run's, such as a form's defaults: their names and values, as `resolve` does.

    Args:
        settings: field names of TrainingConfig to values; `model` may be a list of names.
        source: as in `resolve`.

    Raises:
        ConfigError: a key is unknown, or its value is not allowed.
    """
    models = settings.get("model") or next(iter(MODELS))
    for model in models if isinstance(models, list) else [models]:
        resolve({"data": ".", **settings, "model": model}, source=source)


def _errors(error: ValidationError, source: str = "") -> list[ConfigError]:
    """An error for each fault that pydantic found, in its order."""
    found: list[ConfigError] = []
    for fault in error.errors(include_url=False):
        text = fault["msg"].removeprefix("Value error, ")
        message = f"{text[0].lower()}{text[1:]} (got {fault['input']!r})"
        found.append(ConfigError(str(next(iter(fault["loc"]), "")), message, source=source))
    return found


def read_toml(path: Path) -> dict[str, Any]:
    """The settings in a flat TOML file; keys are checked by `resolve`.

    Raises:
        ConfigError: the file can't be read or is not TOML.
    """
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError("config", f"{path}: {error.strerror}; name a TOML file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigError("config", f"{path}: not TOML: {error}") from None


def allowed_values(field: str) -> tuple[Any, ...]:
    """The values that a field may take, where they are a fixed set; else empty."""
    annotation = TrainingConfig.model_fields[field].annotation
    return tuple(a for a in get_args(annotation) if isinstance(a, str | int))
