"""The process that submits a queue's runs to Ray: `python -m core.jobs.cluster.driver RUNS [HOST:PORT]`."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

from core.errors import FerError, RunError, first_line
from core.jobs.cluster.access import RETRIES, check_cluster, find_token
from core.jobs.cluster.cluster_queue import STARTING, ClusterQueue, RunResources
from core.jobs.cluster.task import REPORTED_STATES, ChildLostError, UnchangedError, run_in_child
from core.jobs.run_queue import BEAT_INTERVAL, LISTEN_INTERVAL
from core.runs.history import read_history
from core.runs.names import HISTORY, STATUS, STOP
from core.runs.reader import FINAL_STATES, read_json, read_state
from core.runs.resume import set_final_state
from core.runs.rollback import keep_files
from core.runs.writer import RunWriter, enqueue, request_stop
from core.system import files, log
from core.system.processes import this_process
from core.system.program import set_up_program

logger = logging.getLogger(__name__)

FINISHED_STATES = ("completed", "failed", "diverged")
# Bytes of Ray's shared memory, which only transfers names. By default Ray takes a third of the machine's memory.
OBJECT_STORE = 100 * files.MIB


class Driver:
    """Submits runs to Ray, and refreshes or stops the runs that wait."""

    def __init__(self, queue: ClusterQueue, stop: threading.Event, writer: RunWriter) -> None:
        """`stop` ends the runs after their batch. `writer` writes the status of the queue's folder."""
        self._queue = queue
        self._stop = stop
        self._writer = writer
        self._me = this_process()
        self._tasks: dict[Any, Path] = {}
        self._unwritable: set[Path] = set()
        self._beaten = time.monotonic()

    def connect(self, address: str | None) -> None:
        """Connect to a cluster, or start Ray for this machine's devices.

        Args:
            address: HOST:PORT of the cluster; None for this machine's devices.

        Raises:
            FerError: Ray can't be started or reached.
        """
        import ray

        where: dict[str, Any] = {"address": address}
        if address is None:
            where = {"address": "local", "include_dashboard": False, "object_store_memory": OBJECT_STORE}
            where["_node_ip_address"] = "127.0.0.1"
        # Close the previous connection, if runs were added while the driver ended.
        ray.shutdown()
        try:
            ray.init(**where, log_to_driver=False, configure_logging=False)
        except Exception as error:
            logger.error("%s", error)
            raise FerError(f"Ray: {first_line(error)}; see {self._queue.folder / 'log.txt'}") from error
        self._train = ray.remote(max_calls=1)(run_in_child)

    def work(self) -> None:
        """Train the queue's runs, including runs added meanwhile, until none is left or all have stopped."""
        import ray

        while self._writer.is_owner():
            if not self._stop.is_set():
                self._submit()
            if self._tasks:
                ended, _ = ray.wait(list(self._tasks), timeout=LISTEN_INTERVAL)
                for task in ended:
                    self._record_result(self._tasks.pop(task), task)
            self._refresh_runs()
            if self._stop.is_set():
                if all(read_state(run) in REPORTED_STATES for run in self._tasks.values()):
                    return
            elif not self._tasks and not self._queue.unfinished():
                return

    def _submit(self) -> None:
        """Submit the unfinished runs that Ray does not have yet."""
        known = set(self._tasks.values())
        for run, needs in self._queue.unfinished().items():
            if run in known:
                continue
            state = read_state(run)
            if state in FINISHED_STATES:
                # An earlier driver was killed before it removed the run.
                self._queue.remove(run)
                continue
            try:
                if state in FINAL_STATES:
                    # A run without an epoch has nothing to keep, and is failed if it can't be trained.
                    if read_history(run / HISTORY):
                        keep_files(run)
                    (run / STOP).unlink(missing_ok=True)
                if state != "running":
                    enqueue(run)
            except OSError as error:
                if run not in self._unwritable:
                    logger.warning("%s: %s; trying again until it is writable", run, error.strerror)
                self._unwritable.add(run)
                continue
            task = self._train.options(
                num_cpus=needs.cpus,
                num_gpus=self._gpus(needs),
                max_retries=RETRIES,
                retry_exceptions=[ChildLostError],
            )
            self._tasks[task.remote(str(run), needs.cpus)] = run
        if set(self._tasks.values()) != known:
            self._report_resources()

    def _gpus(self, needs: RunResources) -> float:
        import ray

        return float(ray.cluster_resources().get("GPU", 0) > 0) if needs.gpus is None else needs.gpus

    def _report_resources(self) -> None:
        """Write the cluster's resources to the status, with a note if no machine has enough for a run."""
        import ray

        alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        total = {kind: sum(node.get(kind, 0) for node in alive) for kind in ("CPU", "GPU")}
        message = f"{len(alive)} machines, {total['CPU']:g} CPUs, {total['GPU']:g} GPUs"
        for needs in self._queue.unfinished().values():
            gpus = self._gpus(needs)
            if not any(node.get("CPU", 0) >= needs.cpus and node.get("GPU", 0) >= gpus for node in alive):
                message += f"; a run waits for a machine with {needs.cpus:g} CPUs and {gpus:g} GPUs"
                break
        self._writer.update(message=message)

    def _record_result(self, run: Path, task: Any) -> None:
        """Record a run's result. A run that stopped together with the driver stays in the queue."""
        import ray
        from ray.exceptions import RayError

        try:
            state = ray.get(task)
        except RayError as error:
            if isinstance(getattr(error, "cause", None), UnchangedError):
                logger.warning("%s", _why(error))
                self._queue.remove(run)
                return
            state = read_state(run)
            if state not in REPORTED_STATES:
                # If another process still trains the run, it stays in the queue and the driver waits for it.
                with contextlib.suppress(OSError, RunError):
                    set_final_state(run, "failed", _why(error))
                state = read_state(run)
        if state in FINISHED_STATES or (state == "stopped" and not self._stop.is_set()):
            self._queue.remove(run)

    def _refresh_runs(self) -> None:
        """Write the heartbeats of waiting runs, and handle stop requests."""
        is_due = time.monotonic() - self._beaten > BEAT_INTERVAL
        for run in self._tasks.values():
            with contextlib.suppress(OSError, RunError):
                self._refresh_run(run, is_due=is_due)
        if is_due:
            self._beaten = time.monotonic()
            self._report_resources()

    def _refresh_run(self, run: Path, *, is_due: bool) -> None:
        state = read_state(run)
        is_ours = state == "queued" and self._waits_for_us(run)
        if self._stop.is_set():
            self._stop_run(run, state, is_ours=is_ours)
        elif is_ours and (run / STOP).exists():
            set_final_state(run, "stopped", "stopped before it started")
            # Remove the run now, not when Ray schedules it: otherwise a later driver would train it.
            self._queue.remove(run)
        elif state == "stopped":
            # A user stopped this single run. Remove it before a stop of the whole queue can keep it there.
            self._queue.remove(run)
        elif state == "interrupted" or (is_ours and is_due):
            # An interrupted run lost its machine, and Ray moves it to another machine.
            enqueue(run)

    def _stop_run(self, run: Path, state: str, *, is_ours: bool) -> None:
        """Mark a waiting run as stopped, or ask the process that trains the run to stop."""
        if state in REPORTED_STATES:
            return
        if is_ours or state == "interrupted":
            # RunError: a process still trains the run, and only its clock is wrong.
            with contextlib.suppress(RunError):
                set_final_state(run, "stopped", "stopped with its queue; resume it with 'fer-tui cluster start'")
                return
        request_stop(run)

    def _waits_for_us(self, run: Path) -> bool:
        status = read_json(run / STATUS)
        return all(status.get(name) == value for name, value in self._me.items())


def _why(error: Exception) -> str:
    """Return a one-line message for a run that Ray gave up."""
    cause = getattr(error, "cause", error)
    if isinstance(cause, RunError):
        return str(cause)
    if isinstance(cause, ChildLostError):
        return f"{first_line(cause)}; failed {RETRIES + 1} times; a common cause is a lack of memory"
    return f"Ray: {first_line(cause)}; resume the run with 'fer-tui resume'"


def main(runs: Path, address: str | None = None) -> int:
    """Train the queue beside RUNS to its end; return the exit status."""
    queue, stop = ClusterQueue(runs), threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        stop.set()

    try:
        token = find_token()
        if address is not None:
            check_cluster(address, token)
        # Drive again if runs were added while the driver ended, because their process saw a running driver.
        while True:
            _drive(queue, address, stop, ask)
            if stop.is_set() or not queue.unfinished():
                return 0
    except FerError as error:
        sys.stderr.write(f"{error}\n")
        return 1


def _drive(queue: ClusterQueue, address: str | None, stop: threading.Event, ask: Any) -> None:
    with RunWriter(queue.folder, stop) as writer:
        writer.update(message=STARTING, address=address)
        driver = Driver(queue, stop, writer)
        try:
            driver.connect(address)
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                signal.signal(number, ask)
            driver.work()
        except BaseException as error:
            writer.update(state="failed", message=first_line(error) if isinstance(error, Exception) else "killed")
            raise
        writer.update(state="stopped" if stop.is_set() else "completed", message="")


if __name__ == "__main__":
    set_up_program()
    with log.log_to_stderr():
        sys.exit(main(Path(sys.argv[1]), *sys.argv[2:]))
