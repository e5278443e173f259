"""What a search may choose from: a range or a list of values for each of some TrainingConfig fields."""

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
# A trial's figure is compared with the others': what it is a figure of must not differ between them.
FIXED = ("data", "protocol", "control", "monitor", "keep", "validation_share")
# Part of val_loss itself, which a search would lower by having less of them.
IN_LOSS = ("l2", "label_smoothing")


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included: drawn evenly in the logarithm, in steps, or evenly."""

    # Part of a study's name: it keeps its first name, so that old studies are found.
    kind: ClassVar[str] = "Range"

    low: float
    high: float
    step: float | None = None
    log: bool = False

    def suggest(self, trial: optuna.Trial, field: str) -> float:
        """A trial's number; a whole one where both ends are."""
        if isinstance(self.low, int) and isinstance(self.high, int):
            return trial.suggest_int(field, self.low, self.high, step=int(self.step or 1), log=self.log)
        return trial.suggest_float(field, self.low, self.high, step=self.step, log=self.log)

    def values(self) -> tuple[float, ...]:
        """The ends, between which every value is allowed if they are."""
        return self.low, self.high


@dataclass(frozen=True)
class Categorical:
    """A few values without an order."""

    kind: ClassVar[str] = "Choices"

    options: tuple[Any, ...]

    def suggest(self, trial: optuna.Trial, field: str) -> Any:
        """A trial's value."""
        return trial.suggest_categorical(field, self.options)

    def values(self) -> tuple[Any, ...]:
        """All of them."""
        return self.options


Space = Mapping[str, Range | Categorical]


def read_space(definitions: Mapping[str, tuple[Any, str]], settings: Mapping[str, Any]) -> Space:
    """A search's space, every value of it checked.

    Args:
        wishes: TrainingConfig fields to what was told, text in SYNTAX or a list of values, and the file that it
            stands in, for errors; text of no file counts as told by `space`.
        settings: the settings that all trials share; `data` and `model` must be among them, or in the space.

    Raises:
        ConfigError: a field is unknown or can't be searched over, a value is not allowed, or trials can't be judged
            by the monitor.
    """
    space: dict[str, Range | Categorical] = {}
    shared = dict(settings)
    # The model first: what is chosen besides is checked with one of the models.
    for field in sorted(definitions, key=lambda name: name != "model"):
        told, file = definitions[field]
        try:
            space[field] = dimension = _checked(field, told, shared)
        except ConfigError as error:
            if isinstance(told, str) and not file:
                raise ConfigError("space", str(error)) from None
            raise ConfigError(error.field, error.message, source=file) from None
        if field == "model":
            shared["model"] = dimension.values()[0]
    _check_objective(resolve({**settings, **first_values(space)}), space)
    return space


def _checked(field: str, told: Any, shared: Mapping[str, Any]) -> Range | Categorical:
    """What a field may be, each value of it as a config has it, with the settings that are shared."""
    if field in FIXED:
        raise ConfigError(field, "trials that differ in it can't be compared; give it one value")
    if field not in TrainingConfig.model_fields:
        # Tells the nearest name.
        resolve({field: told})
    dimension = _dimension(field, told)
    values = [getattr(resolve({**shared, field: value}), field) for value in dimension.values()]
    if isinstance(dimension, Range):
        return dimension
    return Categorical(tuple(dict.fromkeys(str(value) if isinstance(value, Path) else value for value in values)))


def _check_objective(config: TrainingConfig, space: Space) -> None:
    """Refuse what trials can't be judged by: a monitor of training, and a figure that the space has a part in."""
    if PROTOCOLS[config.protocol].has_own_steps:
        raise ConfigError("protocol", "a search goes by the whole validation split; use the sound protocol")
    if not config.monitor.startswith("val_"):
        raise ConfigError(
            "monitor", f"{config.monitor} is a figure of training; a search goes by validation, such as val_accuracy"
        )
    for field in IN_LOSS:
        if field in space and config.monitor == "val_loss":
            raise ConfigError("space", f"{field} is a part of val_loss; set monitor to val_accuracy to search over it")


def first_values(space: Space) -> dict[str, Any]:
    """One place in the space, for what has to be looked at before a search begins."""
    return {field: dimension.values()[0] for field, dimension in space.items()}


def _dimension(field: str, told: Any) -> Range | Categorical:
    if isinstance(told, str) and ".." in told:
        return _range(field, told)
    options = told.split(",") if isinstance(told, str) else told
    if not isinstance(options, Sequence) or len(options) < 2 or "" in options:
        raise ConfigError(field, f"must be {SYNTAX} (got {told!r})")
    return Categorical(tuple(options))


def _range(field: str, told: str) -> Range:
    kind = _number(field)
    if kind is None:
        raise ConfigError(field, f"has no range; list its values, as A,B,C (got {told!r})")
    ends, _, how = told.partition(":")
    low, _, high = ends.partition("..")
    try:
        numbers = [Decimal(text) for text in (low, high, *([how] if how not in ("", "log") else []))]
        if kind is int and any(number != int(number) for number in numbers):
            raise ConfigError(field, f"is a whole number (got {told!r})")
    except (InvalidOperation, ValueError, OverflowError):
        raise ConfigError(field, f"must be {SYNTAX} (got {told!r})") from None
    if not all(number.is_finite() for number in numbers) or numbers[0] >= numbers[1]:
        raise ConfigError(field, f"LOW must be below HIGH (got {told!r})")
    if how == "log":
        if numbers[0] <= 0:
            raise ConfigError(field, f"LOW must be above 0 for :log (got {told!r})")
        return Range(kind(numbers[0]), kind(numbers[1]), log=True)
    if not how:
        return Range(kind(numbers[0]), kind(numbers[1]))
    bottom, top, step = numbers
    if not 0 < step <= top - bottom:
        raise ConfigError(field, f"STEP must be above 0 and fit between the ends (got {told!r})")
    return Range(kind(bottom), kind(bottom + (top - bottom) // step * step), kind(step))


def _number(field: str) -> type[int] | type[float] | None:
    """Whether a field takes any whole number, any number, or neither."""
    annotation = TrainingConfig.model_fields[field].annotation
    kinds = () if get_origin(annotation) is Literal else (get_args(annotation) or (annotation,))
    return int if int in kinds else float if float in kinds else None
