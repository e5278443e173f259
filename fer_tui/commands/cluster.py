"""`fer-tui cluster run|start|status|stop`."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any

import typer

from core.config.training_config import resolve
from core.errors import ConfigError, RunError
from core.jobs.cluster.access import check_cluster, find_token
from core.jobs.cluster.cluster_queue import ClusterQueue, RunResources, check_fits_here, check_resources
from core.runs.reader import read_run
from fer_tui.commands.options import ConfigOption, JsonOption, PresetOption, RunsOption, resolve_runs_folder
from fer_tui.commands.run_json import run_result
from fer_tui.commands.setting_options import add_config_options
from fer_tui.commands.train import chosen_configs, exit_status, report
from fer_tui.console import output
from fer_tui.console.progress import follow

app = typer.Typer(
    add_completion=False,
    help="Train many runs on one or more machines with Ray. Needs fer-tui[cluster].",
    rich_markup_mode=None,
)

AddressOption = Annotated[
    str | None,
    typer.Option(
        "--address",
        metavar="HOST:PORT",
        help="A Ray cluster that this machine belongs to, or 'local' for this machine's devices. [default: the "
        "queue's address while it runs or has unfinished runs, else local]",
        show_default=False,
    ),
]
# The --address that means no cluster.
LOCAL = "local"
WaitOption = Annotated[bool, typer.Option("--wait", help="Show the runs' progress until all have ended.")]


def run(
    context: typer.Context,
    seeds: Annotated[
        str | None,
        typer.Option(
            "--seeds", metavar="N,N,...", help="Seeds. Each model is trained once with each seed.", show_default=False
        ),
    ] = None,
    address: AddressOption = None,
    cpus_per_run: Annotated[
        float, typer.Option("--cpus-per-run", metavar="F", help="CPUs, and threads, for each run.")
    ] = 1.0,
    gpus_per_run: Annotated[
        float | None,
        typer.Option(
            "--gpus-per-run",
            metavar="F",
            help="GPUs for each run; may be a fraction. [default: 1 if there is a GPU, else 0]",
            show_default=False,
        ),
    ] = None,
    wait: WaitOption = False,
    config: ConfigOption = None,
    preset: PresetOption = None,
    runs: RunsOption = None,
    json: JsonOption = False,
    **flags: Any,
) -> int:
    """Queue one run for each model and seed. A background process trains them."""
    needs = RunResources(cpus_per_run, gpus_per_run)
    check_resources(needs)
    chosen = _seeds(seeds, flags)
    queue = ClusterQueue(resolve_runs_folder(context, runs))
    address = _address(queue, address)
    if address is None:
        check_fits_here(needs)
    configs = chosen_configs(context, config, preset, flags)
    if chosen:
        configs = [resolve({**each.model_dump(), "seed": seed}) for each in configs for seed in chosen]
    from core.runs.writer import create_runs

    began = time.time()
    made = create_runs(configs, queue.runs)
    queue.add(made, needs)
    output.print_message(
        f"queued {_count(made)}; 'fer-tui cluster status' shows the queue, 'fer-tui runs' shows their progress"
    )
    return _drive(queue, address, made, began, wait=wait, json=json)


add_config_options(run)
app.command("run")(run)


@app.command()
def start(
    context: typer.Context,
    address: AddressOption = None,
    wait: WaitOption = False,
    runs: RunsOption = None,
    json: JsonOption = False,
) -> int:
    """Resume the unfinished runs of the queue, for example after a stop or a reboot."""
    queue = ClusterQueue(resolve_runs_folder(context, runs))
    address = _address(queue, address)
    left = list(queue.unfinished())
    if not left:
        output.print_message(f"cluster: no unfinished runs in {queue.folder}")
        return 0
    output.print_message(f"cluster: resumes {_count(left)} of {queue.runs}; 'fer-tui cluster status' shows the queue")
    return _drive(queue, address, left, time.time(), wait=wait, json=json)


@app.command()
def status(context: typer.Context, runs: RunsOption = None, json: JsonOption = False) -> int:
    """Show whether the queue's driver runs, and the unfinished runs."""
    queue = ClusterQueue(resolve_runs_folder(context, runs))
    driver = queue.driver_snapshot()
    state = driver.state if driver.status else "none"
    left = [(read_run(path), needs) for path, needs in queue.unfinished().items()]
    if json:
        told = {name: driver.status.get(name) for name in ("pid", "host", "address")}
        found = [{"run": run.name, "state": run.state, "cpus": needs.cpus, "gpus": needs.gpus} for run, needs in left]
        output.print_json({"driver": {"state": state, **told, "message": driver.message}, "runs": found})
        return 0
    where = f"process {driver.status.get('pid')} on {driver.status.get('host')}" if state == "running" else ""
    output.print_lines("  ".join(filter(None, (f"driver: {state}", where, driver.message))) + "\n")
    if left:
        output.print_table(
            {"run": "left", "state": "left", "epochs": "right", "CPUs": "right", "GPUs": "right", "message": "left"},
            [
                (
                    (
                        run.name,
                        run.state,
                        f"{len(run.history)}/{run.config.get('epochs')}",
                        f"{needs.cpus:g}",
                        "auto" if needs.gpus is None else f"{needs.gpus:g}",
                        run.message,
                    ),
                    "",
                )
                for run, needs in left
            ],
        )
    if left and state != "running":
        output.print_message(f"unfinished: {_count(left)}; 'fer-tui cluster start' resumes them")
    return 0


@app.command()
def stop(context: typer.Context, runs: RunsOption = None) -> int:
    """Stop all runs after their current batch, and keep the queue."""
    queue = ClusterQueue(resolve_runs_folder(context, runs))
    queue.stop()
    left = _count(queue.unfinished())
    output.print_message(f"cluster: stopped; unfinished: {left}; 'fer-tui cluster start' resumes them")
    return 0


def _seeds(text: str | None, flags: dict[str, Any]) -> list[int]:
    """Parse the value of --seeds."""
    if text is None:
        return []
    if flags.get("seed") is not None:
        raise ConfigError("seeds", "can't be combined with --seed; remove one of them")
    words = [word.strip() for word in text.split(",")]
    if not all(word.isdecimal() for word in words):
        raise ConfigError("seeds", f"must be whole numbers separated by commas, such as 1,2,3 (got {text!r})")
    found = [int(word) for word in words]
    if len(set(found)) < len(found):
        raise ConfigError("seeds", f"has a duplicate, which would train the same run twice (got {text!r})")
    return found


def _count(runs: Collection[Any]) -> str:
    return f"{len(runs)} {'run' if len(runs) == 1 else 'runs'}"


def _address(queue: ClusterQueue, wanted: str | None) -> str | None:
    """Check and return the address of the cluster to use; None means this machine's devices.

    Raises:
        ConfigError: the cluster can't be used.
        RunError: the queue's driver uses another address.
    """
    token = find_token()
    if wanted is None:
        wanted = queue.address if queue.has_driver() or queue.unfinished() else None
    elif wanted == LOCAL:
        wanted = None
    if queue.has_driver() and wanted != queue.address:
        raise RunError(
            "address",
            f"the queue of {queue.runs} already runs on {queue.address or 'this machine'}; "
            "stop it first with 'fer-tui cluster stop'",
        )
    if wanted is not None:
        check_cluster(wanted, token)
    return wanted


def _drive(queue: ClusterQueue, address: str | None, made: list[Path], began: float, *, wait: bool, json: bool) -> int:
    """Start the queue's driver if it does not run, wait for the runs with --wait, and return the exit status."""
    try:
        if not queue.has_driver():
            queue.start(address)
        if wait:
            follow(made, queue.has_driver, began)
    except KeyboardInterrupt:
        output.print_message("the runs continue in the background; 'fer-tui cluster stop' stops them")
        raise
    if wait:
        ended = [read_run(path) for path in made]
        report(ended, json=json)
        return exit_status(ended)
    if json:
        output.print_json([run_result(read_run(path)) for path in made])
    sys.stdout.flush()
    return 0
