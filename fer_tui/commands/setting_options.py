"""Make command options from the fields of TrainingConfig."""

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
    """Return a TrainingConfig field as an option of a command; `TrainingConfig` checks its value."""
    field = TrainingConfig.model_fields[name]
    flag = f"--{name.replace('_', '-')}"
    choices = [str(choice) for choice in configs.allowed_values(name)]
    default = "" if field.is_required() else f" [default: {'none' if field.default is None else field.default}]"
    help_text = f"{field.description}{default}".replace(" [default: False]", "")
    if name == "model":
        option = typer.Option(flag, metavar="NAME", help=help_text + " May be repeated.", autocompletion=complete_model)
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
    """Return the names of the data set formats, for shell completion."""
    from core.data.readers.reader_factory import READERS

    return ["auto", *READERS]


def add_config_options(command: Any, names: Iterable[str] = TrainingConfig.model_fields) -> None:
    """Replace a command's `**flags` by one option for each named TrainingConfig field that is not yet a parameter."""
    own = [p for p in inspect.signature(command, eval_str=True).parameters.values() if p.name != "flags"]
    options = [setting_option(name) for name in names if name not in {p.name for p in own}]
    command.__signature__ = inspect.Signature([*own, *options])
    command.__annotations__ = {p.name: p.annotation for p in (*own, *options)}


def given_settings(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that were given among a command's `**flags`, as validated by TrainingConfig.

    Raises:
        ConfigError: a value is invalid.
    """
    given = {name: value for name, value in flags.items() if value is not None}
    config = configs.resolve({"data": ".", "model": next(iter(MODELS)), **given})
    return {name: getattr(config, name) for name in given}
