"""Settings of a run as options of commands, made from TrainingConfig itself."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer

from core.config import training_config as configs
from core.config.training_config import TrainingConfig
from core.models.registry import MODELS
from fer_tui.commands.options import complete_model


def setting_option(name: str) -> inspect.Parameter:
    """A TrainingConfig field as an option of a command: checked by the model itself, absent unless given."""
    field = TrainingConfig.model_fields[name]
    flag = f"--{name.replace('_', '-')}"
    choices = [str(choice) for choice in configs.allowed_values(name)]
    default = "" if field.is_required() else f" [{'none' if field.default is None else field.default}]"
    help_text = f"{field.description}{default}".replace(" [False]", "")
    if name == "model":
        option = typer.Option(
            flag, metavar="NAME", help=help_text + " Several in a row.", autocompletion=complete_model
        )
        annotation: Any = Annotated[list[str] | None, option]
    elif field.annotation is bool:
        annotation = Annotated[bool | None, typer.Option(f"{flag}/--no-{flag[2:]}", help=help_text, show_default=False)]
    else:
        metavar = "|".join(choices) or ("PATH" if name in ("data", "exclude", "relabel") else "VALUE")
        complete = _complete_format if name == "format" else (lambda: choices) if choices else None
        annotation = Annotated[
            str | None,
            typer.Option(flag, metavar=metavar, help=help_text, autocompletion=complete, show_default=False),
        ]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _complete_format() -> list[str]:
    """Names of data set formats for the shell."""
    from core.data.readers.reader_factory import READERS

    return ["auto", *READERS]


def add_config_options(command: Any, names: Iterable[str] = TrainingConfig.model_fields) -> None:
    """Give a command an option for fields of TrainingConfig that are no parameters of its own, for its `**flags`."""
    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "flags"]
    options = [setting_option(name) for name in names if name not in {p.name for p in own}]
    command.__signature__ = inspect.Signature([*own, *options])
    command.__annotations__ = {p.name: p.annotation for p in (*own, *options)}


def given_settings(flags: Mapping[str, Any]) -> dict[str, Any]:
    """The settings among a command's `**flags` that were given, as TrainingConfig takes them.

    Raises:
        ConfigError: a value is not allowed.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    config = configs.resolve({"data": ".", "model": next(iter(MODELS)), **given})
    return {name: getattr(config, name) for name in given}
