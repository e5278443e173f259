"""TrainingConfig: all settings of a run, for the command line, the screens and the run directory.

A config has four layers. Each overrides the one before: the defaults below, the model's recipe, the protocol's
settings, and the user's settings (the config file, then flags). A run stores the complete result.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from core.config.protocol import PROTOCOLS
from core.config.setting_syntax import absolute_path, parse_class_map, parse_duration, parse_fold
from core.errors import ConfigError, suggest_name
from core.models.registry import IMAGENET, MODELS, ModelSpec, find_model
from core.system.toml_file import read_toml_file

ProtocolName = Literal["sound", "published"]
EncodingName = Literal["label", "frequency"]
AugmentationName = Literal["none", "basic", "extended", "strong"]
Metric = Literal["loss", "accuracy", "precision", "recall", "val_loss", "val_accuracy", "val_precision", "val_recall"]
# Values of `devices` for a run on a single device.
ONE_DEVICE = ("auto", "cpu")
# Default memory for decoded images, in MiB.
IMAGE_MEMORY = 2048


def _field(default: Any, group: str, description: str, **bounds: Any) -> Any:
    """Return a field with its help text and the group that it is shown in."""
    return Field(default, description=description, json_schema_extra={"group": group}, **bounds)


class TrainingConfig(BaseModel):
    """The complete settings of one run. Create one with `resolve`."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    data: Path = _field(..., "What", "Data set: ROOT/<split>/<class>/*.jpg, ROOT/<class>/*.jpg or fer2013.csv.")
    model: str = _field(..., "What", "Model: a name from `fer-tui models`.")
    protocol: ProtocolName = _field(
        "sound", "What", "Training and validation protocol: sound, or the article's (published)."
    )

    epochs: int = _field(30, "Training", "Maximum number of epochs.", ge=1, le=100_000)
    batch_size: int = _field(64, "Training", "Batch size, in images.", ge=1, le=65_536)
    seed: int = _field(23, "Training", "Seed for initial weights, shuffling, augmentation and dropout.", ge=0, lt=2**31)
    time_budget: float | None = _field(
        None, "Training", "Stop before an epoch that would end after this time, such as 90s, 60m or 1h30m.", gt=0
    )
    monitor: Metric = _field("val_loss", "Training", "Metric for the best epoch and early stopping.")
    patience: int | None = _field(
        10,
        "Training",
        "Stop after this number of epochs without an improvement of the monitor; 'none' disables early stopping.",
        ge=0,
    )
    min_delta: float = _field(0.0, "Training", "Minimum change of the monitor that counts as an improvement.", ge=0)
    keep: Literal["best", "last"] = _field(
        "best", "Training", "Epoch whose weights are kept and reported: the monitor's best epoch, or the last epoch."
    )
    track: Literal["none", "tensorboard", "mlflow", "both"] = _field(
        "none",
        "Training",
        "Also log the run to TensorBoard files in its directory, to an MLflow server, or to both.",
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
    channels: Literal[1, 3] = _field(1, "Data", "Channels of the model's input: 1 (grey) or 3 (colour).")
    encoding: EncodingName = _field(
        "label", "Data", "Order of the model's outputs: label (alphabetical) or frequency (rarest class first)."
    )
    augmentation: AugmentationName = _field("basic", "Data", "Augmentation policy for the training images.")
    normalization: Literal["none", "scale", "per_image", "dataset"] = _field(
        "scale",
        "Data",
        "Pixel normalization: none (0-255), scale (0-1), per_image or dataset (mean 0, standard deviation 1).",
    )
    class_weights: Literal["none", "balanced", "sqrt_balanced", "max_over_count"] = _field(
        "none",
        "Data",
        "Class weights of the loss: none, balanced (n / classes / count), sqrt_balanced, max_over_count (max / count).",
    )
    validation_share: float = _field(
        0.1, "Data", "Fraction of train to hold out if the data set has no validation split.", gt=0, lt=1
    )
    control: Literal["none", "noise"] = _field(
        "none", "Data", "Control experiment: noise trains on random pixels instead of the images."
    )
    exclude: Path | None = _field(None, "Data", "CSV of images to exclude: column path (see `fer-tui review`).")
    relabel: Path | None = _field(None, "Data", "CSV of new labels: columns path and new_label (see `fer-tui review`).")
    fold: str | None = _field(
        None, "Data", "Validate on fold K of N of train, such as 1/5, instead of the validation split."
    )
    limit: int | None = _field(
        None, "Data", "Maximum number of training images, stratified by class; validation keeps all images.", ge=1
    )

    width: float = _field(1.0, "Model", "Multiplier for the model's filters and units.", gt=0, le=16)
    variant: Literal["text", "code"] = _field(
        "text", "Model", "Source of the layers of models 3 and 4: the article's text, or its author's code."
    )
    weights: str | None = _field(
        None, "Model", "Initial weights of model 1's EfficientNet: imagenet, a weights file, or none (random)."
    )
    dropout: float | None = _field(
        None, "Model", "Dropout rate of the dense layers; 'none' keeps the model's own rate.", ge=0, lt=1
    )
    l2: float = _field(0.0, "Model", "L2 penalty on the kernels.", ge=0)
    output_bias: Literal["zero", "prior"] = _field(
        "zero", "Model", "Initial bias of the last layer: zero, or the log frequencies of the classes (prior)."
    )
    flip_average: bool = _field(
        False, "Model", "Average the kept model's predictions for an image and its mirror image; takes twice the time."
    )

    optimizer: Literal["adam", "sgd"] = _field("adam", "Optimizer", "Optimizer: adam, or sgd (with momentum).")
    learning_rate: float = _field(1e-3, "Optimizer", "Learning rate; with a schedule, the highest.", gt=0)
    beta_1: float = _field(0.9, "Optimizer", "Decay rate of Adam's first moment.", ge=0, lt=1)
    beta_2: float = _field(0.999, "Optimizer", "Decay rate of Adam's second moment.", ge=0, lt=1)
    epsilon: float = _field(1e-7, "Optimizer", "Adam's epsilon.", gt=0)
    momentum: float = _field(0.9, "Optimizer", "SGD's momentum (Nesterov).", ge=0, lt=1)
    schedule: Literal["constant", "cosine", "plateau"] = _field(
        "constant",
        "Optimizer",
        "Learning rate schedule: constant, cosine (to zero over all epochs), or plateau (times 0.2 after 3 epochs "
        "without improvement).",
    )
    warmup_epochs: float = _field(0.0, "Optimizer", "Epochs of linear warm-up from zero (cosine only).", ge=0)
    ema: float = _field(
        0.0,
        "Optimizer",
        "Decay per step of the weights' moving average, over one epoch at most; the averaged weights are validated and "
        "kept; 0 disables averaging.",
        ge=0,
        lt=1,
    )
    label_smoothing: float = _field(0.0, "Optimizer", "Fraction of each target spread over all classes.", ge=0, lt=1)

    devices: str = _field(
        "auto", "Device", "Devices: auto (first GPU, else CPU), cpu, all (every GPU), or cpu:N (N logical CPUs)."
    )
    precision: Literal["auto", "float32", "mixed_float16", "mixed_bfloat16"] = _field(
        "auto",
        "Device",
        "Precision; auto is mixed_bfloat16 on GPUs from compute capability 8.0, mixed_float16 on 7.x, else float32.",
    )
    feed: Literal["auto", "host", "device"] = _field(
        "auto",
        "Device",
        "Memory for the images: host (RAM) or device (GPU memory); auto is device if they fit into GPU memory.",
    )
    jit_compile: Literal["auto", "on", "off"] = _field(
        "auto",
        "Device",
        "Compile the training steps with XLA; auto is on for a long run on one GPU, if the model supports it.",
    )
    image_memory: int = _field(
        IMAGE_MEMORY, "Device", "Memory limit for decoded images, in MiB; above it they are stored on disk.", ge=0
    )
    deterministic: bool = _field(False, "Device", "Bit-identical weights from the same seed (one device; slower).")

    @field_validator("data", "exclude", "relabel")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        # The user may resume or evaluate the run from another working directory.
        return None if path is None else absolute_path(path)

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
            raise ValueError(f"{spec.name} scales pixels itself; set normalization to none")
        return normalization

    @field_validator("weights")
    @classmethod
    def _weights_fit(cls, weights: str | None, info: ValidationInfo) -> str | None:
        spec = _spec(info)
        if weights is None or spec is None:
            return weights
        if not spec.takes_weights:
            raise ValueError(f"{spec.name} has no pretrained weights; set weights to none")
        if weights == IMAGENET and (info.data.get("width"), info.data.get("channels")) != (1.0, 3):
            raise ValueError("the ImageNet weights need width 1 and channels 3; else set weights to none")
        return weights if weights == IMAGENET else str(absolute_path(weights))

    @field_validator("channels", mode="before")
    @classmethod
    def _number(cls, value: Any) -> Any:
        # The value of a flag is text, which pydantic does not convert for a Literal of numbers.
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
        # The setting was a bool in version 0.1.0: stored runs and TOML files may have true or false.
        return {"true": "on", "false": "off"}.get(str(value).strip().lower(), value)

    @field_validator("feed", "jit_compile")
    @classmethod
    def _check_device_support(cls, value: str, info: ValidationInfo) -> str:
        spec, devices = _spec(info), info.data.get("devices", "auto")
        if value in ("device", "on") and devices not in ONE_DEVICE:
            raise ValueError(f"needs a single device, but devices is {devices}; set {info.field_name} to auto")
        if value == "on" and spec and not spec.supports_xla:
            raise ValueError(f"XLA can't compile {spec.name}'s augmentation; set jit_compile to auto")
        return value

    @field_validator("deterministic")
    @classmethod
    def _without_xla(cls, deterministic: bool, info: ValidationInfo) -> bool:
        if deterministic and info.data.get("jit_compile") == "on":
            raise ValueError("XLA has operations that are not deterministic; set jit_compile to auto")
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
        """Whether the run trains on a single device."""
        return self.devices in ONE_DEVICE

    @property
    def can_resume_exactly(self) -> bool:
        """Whether a resumed run ends with exactly the weights of an uninterrupted run."""
        return self.deterministic and self.is_single_device


def _spec(info: ValidationInfo) -> ModelSpec | None:
    """Return the model of the config under validation; None if the model's name is invalid."""
    return MODELS.get(info.data.get("model", ""))


def _none(value: Any) -> Any:
    """Return None for the text 'none' from a flag or a TOML file, which has no null; any other value unchanged."""
    return None if isinstance(value, str) and value.strip().lower() == "none" else value


def resolve(settings: Mapping[str, Any], *, source: str = "") -> TrainingConfig:
    """Return a run's config: the defaults, overridden by the model's recipe, the protocol's settings and `settings`.

    Args:
        settings: TrainingConfig field names and values, such as `{"data": "faces", "model": "compact"}`; both required.
        source: the file that has the settings, for error messages; empty if no file has them.

    Raises:
        ConfigError: a key is unknown or missing, or a value is invalid.
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
    """Return the error message of each invalid setting in a form, by field name.

    Args:
        settings: TrainingConfig field names and values, or the user's text. If `data` or `model` is missing, the check
            uses a placeholder data set or the first model.
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
    """Check the names and values of incomplete settings, such as a form's defaults, as `resolve` does.

    Args:
        settings: TrainingConfig field names and values; `model` may be a list of names.
        source: as in `resolve`.

    Raises:
        ConfigError: a key is unknown, or a value is invalid.
    """
    models = settings.get("model") or next(iter(MODELS))
    for model in models if isinstance(models, list) else [models]:
        resolve({"data": ".", **settings, "model": model}, source=source)


def _errors(error: ValidationError, source: str = "") -> list[ConfigError]:
    """Return a ConfigError for each of pydantic's errors, in the same order."""
    found: list[ConfigError] = []
    for fault in error.errors(include_url=False):
        text = fault["msg"].removeprefix("Value error, ")
        message = f"{text[0].lower()}{text[1:]} (got {fault['input']!r})"
        found.append(ConfigError(str(next(iter(fault["loc"]), "")), message, source=source))
    return found


def read_toml(path: Path) -> dict[str, Any]:
    """Read the settings in a flat TOML file. `resolve` checks the keys.

    Raises:
        ConfigError: the file can't be read or is not TOML.
    """
    try:
        return read_toml_file(path)
    except OSError as error:
        raise ConfigError("config", f"{path}: {error.strerror}; name a TOML file") from None
    except ValueError as error:
        raise ConfigError("config", f"{path}: {error}") from None


def allowed_values(field: str) -> tuple[Any, ...]:
    """Return a field's allowed values if they are a fixed set, else an empty tuple."""
    annotation = TrainingConfig.model_fields[field].annotation
    return tuple(a for a in get_args(annotation) if isinstance(a, str | int))
