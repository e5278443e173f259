"""A queue of runs for the devices of one or more machines.

The queue is a folder beside RUNS. Its folder `queue/` has a file for every unfinished run. The driver is the process
that submits the runs to Ray (`core.jobs.cluster.driver`). Its `lock`, `status.json`, `stop` and `log.txt` are in the
queue's folder and have the same format as in a run directory. This module does not import Ray.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.errors import ConfigError, FerError, RunError
from core.jobs.cluster.access import ray_environment
from core.runs.names import LOG
from core.runs.reader import RunSnapshot, is_run, read_json, read_run
from core.runs.writer import request_stop
from core.system import files
from core.system.hardware import sample_load
from core.system.processes import start_detached

# The driver's message until Ray has started.
STARTING = "connecting to Ray"
PAUSE = 0.2
# The smallest fraction of a CPU or GPU that Ray supports.
SMALLEST_PART = 0.0001


@dataclass(frozen=True)
class RunResources:
    """The resources that a run reserves while it trains.

    Attributes:
        cpus: the number of CPUs, which is also the number of threads; 0 reserves none.
        gpus: the number of GPUs, or a fraction of one; None for one GPU if the cluster has any.
    """

    cpus: float = 1.0
    gpus: float | None = None


class ClusterQueue:
    """The queue beside a folder of runs."""

    def __init__(self, runs: Path) -> None:
        """`runs` is the folder RUNS. On a cluster every machine must have it and the data under the same path."""
        # Do not resolve links, which may have other targets on other machines.
        self.runs = Path(os.path.abspath(runs))  # noqa: PTH100
        self.folder = self.runs.with_name(f"{self.runs.name}.cluster")
        self._entries = self.folder / "queue"

    def add(self, runs: Sequence[Path], needs: RunResources) -> None:
        """Add runs to the queue.

        Raises:
            RunError: the queue's folder can't be written.
        """
        try:
            self._entries.mkdir(parents=True, exist_ok=True)
            for run in runs:
                files.write_json(self._entries / f"{run.name}.json", asdict(needs))
        except OSError as error:
            raise RunError(f"{self.folder}: {error.strerror}; make the folder writable") from None

    def unfinished(self) -> dict[Path, RunResources]:
        """Return the unfinished runs, sorted by name, and the resources of each."""
        try:
            entries = sorted(path for path in self._entries.iterdir() if path.suffix == ".json")
        except OSError:
            return {}
        named = ((self.runs / entry.stem, entry) for entry in entries)
        return {run: _needs(read_json(entry)) for run, entry in named if is_run(run)}

    def remove(self, run: Path) -> None:
        """Remove a finished run."""
        (self._entries / f"{run.name}.json").unlink(missing_ok=True)

    def driver_snapshot(self) -> RunSnapshot:
        """Read the driver's status, which has the same states as a run."""
        return read_run(self.folder)

    def has_driver(self) -> bool:
        """Return whether a driver is running, on this or another host."""
        return self.driver_snapshot().state == "running"

    @property
    def address(self) -> str | None:
        """The address of the last driver's cluster; None for this machine's devices."""
        return self.driver_snapshot().status.get("address")

    def start(self, address: str | None) -> None:
        """Start a driver in the background and wait until it is connected to Ray.

        Args:
            address: HOST:PORT of a cluster that this machine belongs to; None for this machine's devices.

        Raises:
            FerError: the driver could not start; the message has the reason.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        words = [str(self.runs), *([address] if address else [])]
        # Use the queue's folder as working directory, because Ray's workers import modules from it first.
        process = start_detached(
            "core.jobs.cluster.driver", words, self.folder / LOG, ray_environment(), folder=self.folder
        )
        while process.poll() is None:
            driver = self.driver_snapshot()
            if driver.state == "running" and driver.message not in ("", STARTING):
                return
            time.sleep(PAUSE)
        # The start also succeeds if another driver was faster.
        if process.returncode and not self.has_driver():
            raise FerError(f"cluster: {self.driver_snapshot().message or _last_line(self.folder / 'log.txt')}")

    def stop(self) -> None:
        """Ask the driver to stop its runs after their batch, and wait until the driver has ended.

        Raises:
            RunError: no driver is running, or the stop request can't be written.
        """
        if not self.has_driver():
            raise RunError(f"cluster: nothing is running for {self.runs}; see the queue with 'fer-tui cluster status'")
        request_stop(self.folder)
        while self.has_driver():
            time.sleep(PAUSE)


def check_resources(needs: RunResources) -> None:
    """Check that Ray supports the numbers.

    Raises:
        ConfigError: a number is negative, not finite or too small, or it is a fraction of more than one GPU.
    """
    for field, value in (("cpus_per_run", needs.cpus), ("gpus_per_run", needs.gpus)):
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise ConfigError(field, f"must be 0 or more (got {value:g})")
        if value is not None and 0 < value < SMALLEST_PART:
            raise ConfigError(field, f"a fraction must be {SMALLEST_PART} or more (got {value:g})")
    if needs.gpus is not None and needs.gpus > 1 and needs.gpus % 1:
        raise ConfigError("gpus_per_run", f"above 1 it must be an integer (got {needs.gpus:g})")


def check_fits_here(needs: RunResources) -> None:
    """Check that this machine has the resources of a run, for a queue without a cluster.

    Raises:
        ConfigError: the machine has too few CPUs or GPUs.
    """
    cpus, gpus = os.cpu_count() or 1, len(sample_load().gpus)
    if needs.cpus > cpus:
        raise ConfigError("cpus_per_run", f"this machine has {cpus} (got {needs.cpus:g})")
    if (needs.gpus or 0) > gpus:
        raise ConfigError("gpus_per_run", f"this machine has {gpus or 'no GPU'} (got {needs.gpus:g})")


def _needs(content: Mapping[str, Any]) -> RunResources:
    """Return the resources in a queue file; invalid values become the defaults."""
    cpus, gpus = content.get("cpus"), content.get("gpus")
    default = RunResources()
    return RunResources(
        float(cpus) if isinstance(cpus, int | float) else default.cpus,
        float(gpus) if isinstance(gpus, int | float) else default.gpus,
    )


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").split("\n")
    except OSError:
        return f"its driver ended; see {log}"
    return next((line for line in reversed(lines) if line.strip()), f"its driver ended; see {log}")
