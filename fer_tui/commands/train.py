"""`fer-tui train`, `resume` and `stop`."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from core.comparison.table import compare
from core.config import training_config as configs
from core.config.presets import find_preset
from core.config.training_config import TrainingConfig
from core.errors import ConfigError, FerError, RunError
from core.runs.progress import describe_silence
from core.runs.reader import FINAL_STATES, RunSnapshot, find_run, read_run
from core.runs.writer import request_stop
from core.system.limits import check_limits
from core.training.checks import check_files
from fer_tui.commands.options import (
    ConfigOption,
    JsonOption,
    PresetOption,
    RunArgument,
    RunsOption,
    resolve_runs_folder,
)
from fer_tui.commands.run_json import run_result
from fer_tui.commands.runs import print_comparison
from fer_tui.commands.setting_options import add_config_options
from fer_tui.console import output, terminal
from fer_tui.console.progress import follow, format_ending


def train(
    context: typer.Context,
    config: ConfigOption = None,
    preset: PresetOption = None,
    runs: RunsOption = None,
    json: JsonOption = False,
    **flags: Any,
) -> int:
    """Train one or more models on a data set and compare them. Several models are trained one after another."""
    resolved = chosen_configs(context, config, preset, flags)
    from core.runs.writer import create_runs

    return train_runs(create_runs(resolved, resolve_runs_folder(context, runs)), json=json)


def chosen_configs(
    context: typer.Context, file: Path | None, preset: str | None, flags: dict[str, Any]
) -> list[TrainingConfig]:
    """Return one config for each model on the command line, and print warnings about the data set.

    Args:
        context: the command's context, which holds the options given before the command.
        file: --config.
        preset: --preset.
        flags: the values of the options that `add_config_options` adds.

    Raises:
        ConfigError: a value is not allowed.
        DatasetError: the data set can't be read.
    """
    settings = configs.read_toml(file) if file else {}
    given = {name: value for name, value in flags.items() if value not in (None, [])}
    given.setdefault("data", context.obj.data or settings.get("data"))
    models = given.pop("model", None)
    names = models or settings.get("model")
    chosen = names if names and isinstance(names, list) else [names]
    begun = find_preset(preset).settings if preset is not None else {}
    try:
        resolved = [configs.resolve({**begun, **settings, **given, "model": name}) for name in chosen]
    except ConfigError:
        # Check the flags and the file separately, so that the error names the one that is wrong.
        for name in chosen if models else ():
            configs.resolve({**given, "model": name})
        if file:
            for name in chosen:
                configs.resolve({**settings, "data": given["data"], "model": name}, source=file.name)
        raise
    output.print_warnings(check_files(resolved))
    return resolved


add_config_options(train)


def resume(
    context: typer.Context,
    run: RunArgument,
    epochs: Annotated[
        int | None, typer.Option("--epochs", metavar="N", help="New total number of epochs.", show_default=False)
    ] = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            "--learning-rate", metavar="F", help="New learning rate, for example after a NaN loss.", show_default=False
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", metavar="PATH", help="New path of the run's data set, if it has moved.", show_default=False
        ),
    ] = None,
    runs: RunsOption = None,
    json: JsonOption = False,
) -> int:
    """Resume a stopped, failed or interrupted run. It keeps its settings.

    A diverged run needs a lower --learning-rate. A completed run needs a higher total with --epochs. If the run can't
    be resumed, it stays as it was.
    """
    from core.runs.resume import move_data, requeue, resume_caveat

    path = find_run(run, resolve_runs_folder(context, runs))
    snapshot, data = read_run(path), data or context.obj.data
    if learning_rate is not None:
        # Check the flag here too, because the function returns below if the run is completed.
        configs.check_settings({"learning_rate": learning_rate})
    is_complete = epochs is None and snapshot.state == "completed" and bool(snapshot.evaluation)
    if is_complete and data is not None:
        move_data(path, data)
        snapshot = read_run(path)
        output.print_message(f"{path.name}: its data set is now read from {snapshot.environment.get('data')}")
    elif is_complete:
        output.print_message(f"{path.name}: already completed; add --epochs N to train it further")
    if is_complete:
        if json:
            output.print_json([run_result(snapshot)])
        return 0
    check_limits()
    requeue(path, epochs, learning_rate, data)
    note = resume_caveat(path)
    if note:
        output.print_message(f"{path.name}: {note}")
    return train_runs([path], json=json)


def stop(context: typer.Context, run: RunArgument, runs: RunsOption = None) -> int:
    """Stop a run after its current batch, and wait until it ends."""
    path = find_run(run, resolve_runs_folder(context, runs))
    if read_run(path).state in FINAL_STATES:
        raise RunError(f"{path.name}: the run is not running ({read_run(path).state})")
    request_stop(path)
    while (found := read_run(path)).state not in FINAL_STATES:
        if silence := describe_silence(found):
            raise RunError(f"{path.name}: {silence}")
        time.sleep(0.2)
    output.print_message(f"{path.name}: {found.state}")
    return 0


def train_runs(runs: Sequence[Path], *, json: bool, is_reported: bool = True) -> int:
    """Train runs in child processes, show their progress in this process, and return the exit status.

    Args:
        runs: the run directories.
        json: whether to print the results as JSON instead of a table.
        is_reported: whether to print the results on stdout.
    """
    from core.jobs.run_queue import RunQueue, describe_error
    from core.jobs.worker import fork_worker
    from core.runs.resume import set_final_state

    began = time.time()
    try:
        queue = RunQueue(runs, first_child=fork_worker(runs[0]))
    except OSError as error:
        message = f"no process can be started: {error.strerror}; raise the limit of processes ('ulimit -u')"
        for run in runs:
            set_final_state(run, "failed", message)
        raise RunError(message) from None
    with terminal.keep_messages_on_terminal(), terminal.signals_to(queue.stop, queue.kill) as signals:
        worker = threading.Thread(target=queue.work, name="trainer", daemon=True)
        worker.start()
        follow(runs, worker.is_alive, began)
        while worker.is_alive():
            worker.join(0.2)
        for error in queue.errors.values():
            if len(runs) == 1:
                raise error if isinstance(error, FerError) else RunError(describe_error(error)) from error
            output.print_error(describe_error(error))
        snapshots = [read_run(path) for path in runs]
        try:
            if is_reported:
                report(snapshots, json=json)
        except OSError:
            # A lost SSH connection closes stdout; the exit status below still reports the signal.
            if not signals:
                raise
            output.discard_stdout()
    if signals:
        return 128 + signals[0]
    return 1 if queue.errors else exit_status(snapshots)


def report(snapshots: Sequence[RunSnapshot], *, json: bool) -> None:
    """Print the results of runs on stdout, and their problems and warnings on stderr."""
    for run in snapshots:
        for problem in run.environment.get("problems", ()):
            if problem["kind"] in ("undecodable", "damaged_checkpoint"):
                output.print_message(f"warning: {run.name}: {problem['message']}")
        if run.state == "interrupted":
            output.print_message(format_ending(run))
    if json:
        output.print_json([run_result(run) for run in snapshots])
    else:
        print_comparison(compare(snapshots, with_published=False))
        for run in snapshots:
            for warning in run.warnings:
                output.print_message(f"warning: {run.name}: {warning.get('message', '')}")
    sys.stdout.flush()


def exit_status(snapshots: Sequence[RunSnapshot]) -> int:
    """Return 0 if every run completed or was stopped, else 1."""
    return 0 if all(run.state in ("completed", "stopped") for run in snapshots) else 1
