"""Search spaces: a range or a list of values for some of the TrainingConfig fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, get_args, get_origin

from core.config.protocol import PROTOCOLS
from core.config.training_config import TrainingConfig, resolve
from core.errors import ConfigError

if TYPE_CHECKING:
    import optuna

SYNTAX = "LOW..HIGH, LOW..HIGH:log, LOW..HIGH:STEP or A,B,C"
# Fields that all trials must share, because their results could not be compared otherwise.
FIXED = ("data", "protocol", "control", "monitor", "keep", "validation_share")
# Fields that are part of val_loss: a search would lower val_loss only by reducing them.
IN_LOSS = ("l2", "label_smoothing")


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included, drawn uniformly, in steps, or uniformly in the log domain."""

    # Part of a study's name. Do not change it, so that old studies are found.
    kind: ClassVar[str] = "Range"

    low: float
    high: float
    step: float | None = None
    log: bool = False

    def suggest(self, trial: optuna.Trial, field: str) -> float:
        """Suggest a trial's number; an integer if both ends are integers."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(field, self.low, self.high, step=int(self.step or 1), log=self.log)
        return trial.suggest_float(field, self.low, self.high, step=self.step, log=self.log)

    def values(self) -> tuple[float, ...]:
        """Return the ends of the range. If both are valid, all values in between are valid."""
        return self.low, self.high


@dataclass(frozen=True)
class Categorical:
    """A list of values without an order."""

    kind: ClassVar[str] = "Choices"

    options: tuple[Any, ...]

    def suggest(self, trial: optuna.Trial, field: str) -> Any:
        """Suggest a trial's value."""
        return trial.suggest_categorical(field, self.options)

    def values(self) -> tuple[Any, ...]:
        """Return all values."""
        return self.options


Space = Mapping[str, Range | Categorical]


def read_space(definitions: Mapping[str, tuple[Any, str]], settings: Mapping[str, Any]) -> Space:
    """Read a search space and check its values.

    Args:
        definitions: for each TrainingConfig field, its values (text in SYNTAX or a list) and the file that defines
            them, for error messages; an empty file name stands for the option `space`.
        settings: the settings that all trials share; `data` and `model` must be in the settings or in the space.

    Raises:
        ConfigError: a field is unknown or can't be searched, a value is invalid, or the monitor does not fit a search.
    """
    space: dict[str, Range | Categorical] = {}
    shared = dict(settings)
    # Read the model first, because the other fields are checked with it.
    for field in sorted(definitions, key=lambda name: name != "model"):
        definition, file = definitions[field]
        try:
            space[field] = dimension = _checked(field, definition, shared)
        except ConfigError as error:
            if isinstance(definition, str) and not file:
                raise ConfigError("space", str(error)) from None
            raise ConfigError(error.field, error.message, source=file) from None
        if field == "model":
            shared["model"] = dimension.values()[0]
    _check_objective(resolve({**settings, **first_values(space)}), space)
    return space


def _checked(field: str, definition: Any, shared: Mapping[str, Any]) -> Range | Categorical:
    """Return a field's dimension, with its values checked and converted by TrainingConfig."""
    if field in FIXED:
        raise ConfigError(field, "can't be searched: trials that differ in it can't be compared; set one value")
    if field not in TrainingConfig.model_fields:
        # The error suggests the closest field name.
        resolve({field: definition})
    dimension = _dimension(field, definition)
    values = [getattr(resolve({**shared, field: value}), field) for value in dimension.values()]
    if isinstance(dimension, Range):
        return dimension
    return Categorical(tuple(dict.fromkeys(str(value) if isinstance(value, Path) else value for value in values)))


def _check_objective(config: TrainingConfig, space: Space) -> None:
    """Reject a protocol without the whole validation split, a training metric, and a loss that the space changes."""
    if PROTOCOLS[config.protocol].has_own_steps:
        raise ConfigError("protocol", "a search needs the whole validation split; use the sound protocol")
    if not config.monitor.startswith("val_"):
        raise ConfigError(
            "monitor", f"{config.monitor} is a training metric; use a validation metric, such as val_accuracy"
        )
    for field in IN_LOSS:
        if field in space and config.monitor == "val_loss":
            raise ConfigError("space", f"{field} is part of val_loss; set monitor to val_accuracy to search over it")


def first_values(space: Space) -> dict[str, Any]:
    """Return the first value of every field, for checks before a search begins."""
    return {field: dimension.values()[0] for field, dimension in space.items()}


def _dimension(field: str, definition: Any) -> Range | Categorical:
    if isinstance(definition, str) and ".." in definition:
        return _range(field, definition)
    options = [part.strip() for part in definition.split(",")] if isinstance(definition, str) else definition
    if not isinstance(options, Sequence) or len(options) < 2 or "" in options:
        raise ConfigError(field, f"must be {SYNTAX} (got {definition!r})")
    return Categorical(tuple(options))


def _range(field: str, text: str) -> Range:
    kind = _number(field)
    if kind is None:
        raise ConfigError(field, f"has no range; list its values, as A,B,C (got {text!r})")
    ends, _, how = (part.strip() for part in text.partition(":"))
    low, _, high = ends.partition("..")
    try:
        numbers = [Decimal(part) for part in (low, high, *([how] if how not in ("", "log") else []))]
        if kind is int and any(number != int(number) for number in numbers):
            raise ConfigError(field, f"must be an integer (got {text!r})")
    except (InvalidOperation, ValueError, OverflowError):
        raise ConfigError(field, f"must be {SYNTAX} (got {text!r})") from None
    if not all(number.is_finite() for number in numbers) or numbers[0] >= numbers[1]:
        raise ConfigError(field, f"LOW must be below HIGH (got {text!r})")
    if how == "log":
        if numbers[0] <= 0:
            raise ConfigError(field, f"LOW must be above 0 for :log (got {text!r})")
        return Range(kind(numbers[0]), kind(numbers[1]), log=True)
    if not how:
        return Range(kind(numbers[0]), kind(numbers[1]))
    bottom, top, step = numbers
    if not 0 < step <= top - bottom:
        raise ConfigError(field, f"STEP must be above 0 and at most HIGH - LOW (got {text!r})")
    return Range(kind(bottom), kind(bottom + (top - bottom) // step * step), kind(step))


def _number(field: str) -> type[int] | type[float] | None:
    """Return a numeric field's type, int or float; None for other fields."""
    annotation = TrainingConfig.model_fields[field].annotation
    kinds = () if get_origin(annotation) is Literal else (get_args(annotation) or (annotation,))
    return int if int in kinds else float if float in kinds else None
