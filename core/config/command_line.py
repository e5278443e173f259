"""A config as shells and forms have it: the command that gives it again, and each value as its flag takes it."""

from __future__ import annotations

import shlex
from decimal import Decimal
from typing import Any

from core.config.training_config import TrainingConfig, resolve


def train_command(config: TrainingConfig, *others: TrainingConfig) -> str:
    """The `fer-tui train` that gives this config again, quoted for a shell; with several, these one after another.

    Besides data and model it has the protocol where that is not the default, and the settings that differ from what
    `resolve` makes of these three. Configs that can't share their settings take a line each.
    """
    configs = (config, *others)
    settings: dict[str, Any] = {}
    for each in configs:
        settings |= _non_default_settings(each)
    shared = [resolve({**settings, "data": config.data, "model": each.model}) for each in configs]
    if shared != list(configs):
        return "\n".join(train_command(each) for each in configs)
    words = ["fer-tui", "train", "--data", str(config.data)]
    for each in configs:
        words += ["--model", each.model]
    for name in TrainingConfig.model_fields:
        if name not in settings:
            continue
        flag = name.replace("_", "-")
        value = settings[name]
        if isinstance(value, bool):
            words.append(f"--{flag}" if value else f"--no-{flag}")
        else:
            words += [f"--{flag}", format_value(name, value)]
    return shlex.join(words)


def _non_default_settings(config: TrainingConfig) -> dict[str, Any]:
    """The settings, besides data and model, that a command line has to have."""
    settings = config.model_dump()
    usual = resolve({name: settings[name] for name in ("data", "model", "protocol")}).model_dump()
    usual["protocol"] = TrainingConfig.model_fields["protocol"].default
    return {name: value for name, value in settings.items() if value != usual[name]}


def format_value(name: str, value: Any) -> str:
    """A setting's value as its flag and the form take it, without loss."""
    if value is None:
        return "none"
    # A duration knows no exponent.
    is_seconds = name == "time_budget" and isinstance(value, int | float)
    return f"{Decimal(repr(value)):f}s" if is_seconds else str(value)
