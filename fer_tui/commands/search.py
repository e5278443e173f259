"""`fer-tui search`."""

from __future__ import annotations

import contextlib
import math
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from core.config import training_config as configs
from core.config.command_line import train_command
from core.config.setting_syntax import parse_duration
from core.errors import ConfigError
from core.jobs.search_space import Space, first_values, read_space
from core.models.registry import MODELS
from core.runs.reader import read_run
from core.training.checks import check_files
from fer_tui.commands.options import JsonOption, RunsOption, resolve_runs_folder
from fer_tui.commands.run_json import run_result
from fer_tui.commands.setting_options import add_config_options
from fer_tui.console import output, terminal
from fer_tui.console.progress import follow
from fer_tui.console.state_colours import terminal_style

if TYPE_CHECKING:
    from core.jobs.search import Search, TrialResult


def search(
    context: typer.Context,
    space: Annotated[
        list[str] | None,
        typer.Option(
            "--space",
            metavar="FIELD=LOW..HIGH[:log|:STEP]|A,B,C",
            help="Values to try for a setting, such as learning_rate=1e-4..1e-2:log. May be repeated.",
            show_default=False,
        ),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials",
            metavar="N",
            min=1,
            help="Total number of trials in the study. [default: no limit; Ctrl+C stops]",
            show_default=False,
        ),
    ] = None,
    time_budget: Annotated[
        str | None,
        typer.Option(
            "--time-budget", metavar="VALUE", help="Time limit of the search: 90s, 60m, 1h30m.", show_default=False
        ),
    ] = None,
    prune: Annotated[
        bool, typer.Option("--prune/--no-prune", help="Stop a trial that is worse than the median of earlier trials.")
    ] = True,
    study: Annotated[
        Path | None,
        typer.Option(
            "--study", metavar="FILE", help="File of the Optuna study. [default: RUNS.study]", show_default=False
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE.toml",
            help="TOML file of settings, with the search space in a table [search]. Flags override it.",
            show_default=False,
        ),
    ] = None,
    runs: RunsOption = None,
    json: JsonOption = False,
    **flags: Any,
) -> int:
    """Search for the best settings. Each trial is a run, ranked by its validation metric.

    Run the same command again to continue the study, or at the same time in another process to share it.
    """
    from core.jobs.search import Search, study_file

    given = {name: value for name, value in flags.items() if value not in (None, [])}
    if context.obj.data:
        given.setdefault("data", context.obj.data)
    settings, chosen = _resolve_search(config, given, space or [])
    where = resolve_runs_folder(context, runs)
    seconds = math.inf if time_budget is None else _seconds(time_budget)
    first = configs.resolve({**settings, **first_values(chosen)})
    output.print_warnings(check_files([first]))
    _quieten_optuna()
    work = Search(settings, chosen, where, study or study_file(where), prune=prune)
    work.deadline = time.monotonic() + seconds
    with terminal.keep_messages_on_terminal(), terminal.signals_to(work.stop, work.kill) as signals:
        _work(work, trials)
        try:
            _report(work, json=json)
        except OSError:
            if not signals:
                raise
            output.discard_stdout()
    if signals:
        return 128 + signals[0]
    return 1 if work.best() is None and "failed" in {trial.state for trial in work.results()} else 0


add_config_options(search)


def _resolve_search(file: Path | None, given: dict[str, Any], told: list[str]) -> tuple[dict[str, Any], Space]:
    """Return the settings that all trials share, and the search space. Flags override the file.

    Raises:
        ConfigError: a value is not allowed, or a field has two values.
    """
    settings = configs.read_toml(file) if file else {}
    name = file.name if file else ""
    table = settings.pop("search", {})
    if not isinstance(table, dict):
        raise ConfigError("search", "must be a table, [search], of fields to search over", source=name)
    wishes = {field: (values, f"{name}: [search]") for field, values in table.items() if field not in given}
    models, where = given.pop("model", None), ""
    if not models:
        models, where = settings.pop("model", None) or [], name
    if isinstance(models, list) and len(models) > 1:
        wishes["model"] = (models, where)
    elif models:
        given["model"] = models[0] if isinstance(models, list) else models
    flags = _flags(told)
    for field in flags:
        if field in given:
            raise ConfigError("space", f"{field} is also set by its own flag; remove one of them")
    wishes |= {field: (values, "") for field, values in flags.items()}
    settings = {field: value for field, value in settings.items() if field not in wishes}
    if not wishes:
        raise ConfigError("space", "nothing to search over; give one, such as --space learning_rate=1e-4..1e-2:log")
    # Check the flags and the file separately, so that the error names the one that is wrong.
    asked = {"data": settings.get("data"), "model": settings.get("model")}
    if "model" in wishes:
        asked["model"] = next(iter(MODELS))
    configs.resolve({**asked, **given})
    if file:
        named = {field: given[field] for field in asked if field in given}
        configs.resolve({**asked, **settings, **named}, source=name)
    space = read_space(wishes, {**settings, **given})
    return {**settings, **given}, space


def _flags(told: list[str]) -> dict[str, str]:
    """Return the values given with --space by field."""
    flags: dict[str, str] = {}
    for text in told:
        field, equals, values = text.partition("=")
        field = field.strip().replace("-", "_")
        if not equals:
            raise ConfigError("space", f"must be FIELD=VALUES, such as width=0.5,1,2 (got {text!r})")
        if field in flags:
            raise ConfigError("space", f"{field} is given twice; remove one of them")
        flags[field] = values.strip()
    return flags


def _seconds(text: str) -> float:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise ConfigError("time_budget", f"{error} (got {text!r})") from None
    if not seconds > 0:
        raise ConfigError("time_budget", f"must be above 0 (got {text!r})")
    return seconds


def _work(work: Search, trials: int | None) -> None:
    """Train one trial after another and show the progress of each."""
    while (begun := work.begin(trials)) is not None:
        trial, run = begun
        output.print_message(f"trial {trial.number}: {parameters(trial.params)}")
        began = time.time()
        worker = threading.Thread(target=work.train, args=(trial, run), name="search", daemon=True)
        worker.start()
        follow([run], worker.is_alive, began)
        while worker.is_alive():
            worker.join(0.2)
        told = work.tell(trial, run)
        figure = "" if told.value is None else f": {work.monitor} {told.value:.4f}"
        why = f"; {told.message}" if told.message else ""
        output.print_message(f"trial {told.number}: {told.state}{figure}{why}")


def parameters(chosen: Any) -> str:
    """Format a trial's settings on one line, with numbers to four digits."""
    return "  ".join(
        f"{name} {value:.4g}" if isinstance(value, float) and math.isfinite(value) else f"{name} {value}"
        for name, value in chosen.items()
    )


def _report(work: Search, *, json: bool) -> None:
    """Print all trials, then the best trial's metrics and the command that trains it again."""
    found, best = work.results(), work.best()
    run = read_run(best.run) if best and best.run else None
    command = train_command(work.config(best.parameters)) if best else None
    if json:
        told = (
            {"number": best.number, "value": best.value, **run_result(run), "command": command}
            if best and run
            else None
        )
        output.print_json(
            {"study": work.name, "monitor": work.monitor, "trials": list(map(_trial_json, found)), "best": told}
        )
    else:
        output.print_table(
            {"trial": "right", "state": "left", work.monitor: "right", "run": "left", "settings": "left"},
            [(_cells(trial), "bold" if trial == best else terminal_style(trial.state)) for trial in found],
        )
        if best and run:
            kept = run.kept_epoch() or {}
            figures = "  ".join(f"{name} {kept[name]:.4f}" for name in ("val_loss", "val_accuracy") if name in kept)
            output.print_lines(f"best: trial {best.number}  {figures}  epoch {kept.get('epoch', 0):.0f}\n{command}\n")
    sys.stdout.flush()


def _trial_json(trial: TrialResult) -> dict[str, Any]:
    return {
        "number": trial.number,
        "state": trial.state,
        "value": trial.value,
        "settings": dict(trial.parameters),
        "run": trial.run.name if trial.run else None,
        "message": trial.message,
    }


def _cells(trial: TrialResult) -> tuple[str, ...]:
    value = "" if trial.value is None else f"{trial.value:.4f}"
    name = trial.run.name if trial.run else ""
    return str(trial.number), trial.state, value, name, trial.message or parameters(trial.parameters)


def _quieten_optuna() -> None:
    """Let Optuna log errors only: `search` prints the trials itself."""
    # If Optuna is not installed, `Search` raises an error with the command that installs it.
    with contextlib.suppress(ImportError):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
