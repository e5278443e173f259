"""Convert a config to a `fer-tui train` command, and a value to the text that its flag accepts."""

from __future__ import annotations

import shlex
from decimal import Decimal
from typing import Any

from core.config.training_config import TrainingConfig, resolve


def train_command(config: TrainingConfig, *others: TrainingConfig) -> str:
    """Return the `fer-tui train` command that reproduces these configs, quoted for a shell.

    The command has `--data`, `--model`, `--protocol` if it is not the default, and each setting that differs from the
    result of `resolve` for these three. If one command can't reproduce all configs, each gets its own line.
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
    """Return the settings, other than data and model, that a command line must include."""
    settings = config.model_dump()
    usual = resolve({name: settings[name] for name in ("data", "model", "protocol")}).model_dump()
    usual["protocol"] = TrainingConfig.model_fields["protocol"].default
    return {name: value for name, value in settings.items() if value != usual[name]}


def format_value(name: str, value: Any) -> str:
    """Format a setting's value, without loss, as the text that its flag and the form accept."""
    if value is None:
        return "none"
    # A duration may not have an exponent.
    is_seconds = name == "time_budget" and isinstance(value, int | float)
    return f"{Decimal(repr(value)):f}s" if is_seconds else str(value)
