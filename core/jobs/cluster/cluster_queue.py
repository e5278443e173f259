"""A queue of runs for the devices of one machine or of several: what is to be done, and who does it.

The queue is a folder beside RUNS: `queue/` has a file for every run that has not come to its end, and beside it are
the `lock`, `status.json`, `stop` and `log.txt` of the driver, the one process that gives the runs to Ray
(`core.jobs.cluster.driver`), as a run directory has them. Nothing here needs Ray.
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

# Ray takes a while to start, longer on a busy machine; the driver says that it is there when it has.
STARTING = "connecting to Ray"
PAUSE = 0.2
# Of a processor or a GPU that Ray can count.
SMALLEST_PART = 0.0001


@dataclass(frozen=True)
class RunResources:
    """What a run takes of a machine while it trains.

    Attributes:
        cpus: processors, which are also the threads that it computes with; 0 for none of its own.
        gpus: GPUs, or a part of one; None for one where the cluster has any.
    """

    cpus: float = 1.0
    gpus: float | None = None


class ClusterQueue:
    """The queue beside a folder of runs."""

    def __init__(self, runs: Path) -> None:
        """`runs`: RUNS; on a cluster every machine must see it, and the data, under the same path."""
        # Not resolved: a link may lead elsewhere on another machine.
        self.runs = Path(os.path.abspath(runs))  # noqa: PTH100
        self.folder = self.runs.with_name(f"{self.runs.name}.cluster")
        self._entries = self.folder / "queue"

    def add(self, runs: Sequence[Path], needs: RunResources) -> None:
        """Put runs into the queue.

        Raises:
            RunError: it can't be written.
        """
        try:
            self._entries.mkdir(parents=True, exist_ok=True)
            for run in runs:
                files.write_json(self._entries / f"{run.name}.json", asdict(needs))
        except OSError as error:
            raise RunError(f"{self.folder}: {error.strerror}; it must be writable") from None

    def unfinished(self) -> dict[Path, RunResources]:
        """The runs that have not come to their end, in the order of their names, and what each takes."""
        try:
            entries = sorted(path for path in self._entries.iterdir() if path.suffix == ".json")
        except OSError:
            return {}
        named = ((self.runs / entry.stem, entry) for entry in entries)
        return {run: _needs(read_json(entry)) for run, entry in named if is_run(run)}

    def remove(self, run: Path) -> None:
        """Take a run out that has come to its end."""
        (self._entries / f"{run.name}.json").unlink(missing_ok=True)

    def driver_snapshot(self) -> RunSnapshot:
        """What the driver says of itself, as of a run: `running`, or how it ended."""
        return read_run(self.folder)

    def has_driver(self) -> bool:
        """Whether a driver works, here or on another host."""
        return self.driver_snapshot().state == "running"

    @property
    def address(self) -> str | None:
        """The cluster that the last driver used; None for this machine's own devices."""
        return self.driver_snapshot().status.get("address")

    def start(self, address: str | None) -> None:
        """Start a driver in the background, and wait until it works.

        Args:
            address: HOST:PORT of a cluster that this machine belongs to; None for this machine's own devices.

        Raises:
            FerError: it does not come to work; the message says why.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        words = [str(self.runs), *([address] if address else [])]
        # In its own folder: Ray's workers look for our modules in the driver's working directory first.
        process = start_detached(
            "core.jobs.cluster.driver", words, self.folder / LOG, ray_environment(), folder=self.folder
        )
        while process.poll() is None:
            driver = self.driver_snapshot()
            if driver.state == "running" and driver.message not in ("", STARTING):
                return
            time.sleep(PAUSE)
        # Another one may have been there first.
        if process.returncode and not self.has_driver():
            raise FerError(f"cluster: {self.driver_snapshot().message or _last_line(self.folder / 'log.txt')}")

    def stop(self) -> None:
        """Have the driver end its runs after their batch, and itself; returns when it has.

        Raises:
            RunError: there is no driver; the request can't be written.
        """
        if not self.has_driver():
            raise RunError(f"cluster: nothing is running for {self.runs}; 'fer-tui cluster status' tells of the queue")
        request_stop(self.folder)
        while self.has_driver():
            time.sleep(PAUSE)


def check_resources(needs: RunResources) -> None:
    """See that Ray can take the numbers.

    Raises:
        ConfigError: one is negative or no number, or asks for one GPU and a part of another.
    """
    for field, value in (("cpus_per_run", needs.cpus), ("gpus_per_run", needs.gpus)):
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise ConfigError(field, f"must be 0 or more (got {value:g})")
        if value is not None and 0 < value < SMALLEST_PART:
            raise ConfigError(field, f"a part must be {SMALLEST_PART} or more (got {value:g})")
    if needs.gpus is not None and needs.gpus > 1 and needs.gpus % 1:
        raise ConfigError("gpus_per_run", f"above 1 it must be a whole number (got {needs.gpus:g})")


def check_fits_here(needs: RunResources) -> None:
    """See that this machine alone has what a run takes: no other will join it.

    Raises:
        ConfigError: it has not.
    """
    cpus, gpus = os.cpu_count() or 1, len(sample_load().gpus)
    if needs.cpus > cpus:
        raise ConfigError("cpus_per_run", f"this machine has {cpus} (got {needs.cpus:g})")
    if (needs.gpus or 0) > gpus:
        raise ConfigError("gpus_per_run", f"this machine has {gpus or 'no GPU'} (got {needs.gpus:g})")


def _needs(content: Mapping[str, Any]) -> RunResources:
    """An entry's content; what is damaged counts as not told."""
    cpus, gpus = content.get("cpus"), content.get("gpus")
    usual = RunResources()
    return RunResources(
        float(cpus) if isinstance(cpus, int | float) else usual.cpus,
        float(gpus) if isinstance(gpus, int | float) else usual.gpus,
    )


def _last_line(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").split("\n")
    except OSError:
        return f"its driver ended; see {log}"
    return next((line for line in reversed(lines) if line.strip()), f"its driver ended; see {log}")
