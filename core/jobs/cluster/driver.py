"""The process that gives a queue's runs to Ray: `python -m core.jobs.cluster.driver RUNS [HOST:PORT]`."""

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
from core.jobs.cluster.task import REPORTED_STATES, ChildLostError, run_in_child
from core.jobs.run_queue import BEAT_INTERVAL, LISTEN_INTERVAL
from core.runs.names import STATUS, STOP
from core.runs.reader import FINAL_STATES, read_json, read_state
from core.runs.resume import set_final_state
from core.runs.writer import RunWriter, enqueue, request_stop
from core.system import files, log
from core.system.processes import this_process
from core.system.program import set_up_program

logger = logging.getLogger(__name__)

FINISHED_STATES = ("completed", "failed", "diverged")
# Bytes: nothing but names goes through Ray's shared memory, of which it takes a third of the machine's unless told.
OBJECT_STORE = 100 * files.MIB


class Driver:
    """Gives runs to Ray, and sees to those that wait."""

    def __init__(self, queue: ClusterQueue, stop: threading.Event, writer: RunWriter) -> None:
        """`stop` ends the runs after their batch; `writer` is that of the queue's folder."""
        self._queue = queue
        self._stop = stop
        self._writer = writer
        self._me = this_process()
        self._tasks: dict[Any, Path] = {}
        self._unwritable: set[Path] = set()
        self._beaten = time.monotonic()

    def connect(self, address: str | None) -> None:
        """Join a cluster, or start Ray for this machine's own devices.

        Raises:
            FerError: it can't be joined, or takes orders from anybody.
        """
        import ray

        where: dict[str, Any] = {"address": address}
        if address is None:
            where = {"address": "local", "include_dashboard": False, "object_store_memory": OBJECT_STORE}
            where["_node_ip_address"] = "127.0.0.1"
        # Of the time before, where runs came while we left.
        ray.shutdown()
        try:
            ray.init(**where, log_to_driver=False, configure_logging=False)
        except Exception as error:
            logger.error("%s", error)
            raise FerError(f"Ray: {first_line(error)}; see {self._queue.folder / 'log.txt'}") from error
        self._train = ray.remote(max_calls=1)(run_in_child)

    def work(self) -> None:
        """Train what is in the queue, and what comes meanwhile; returns when nothing is left, or all have stopped."""
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
        """Give Ray what it does not have."""
        known = set(self._tasks.values())
        for run, needs in self._queue.unfinished().items():
            if run in known:
                continue
            state = read_state(run)
            if state in FINISHED_STATES:
                # A driver before this one was killed when it had not noted that yet.
                self._queue.remove(run)
                continue
            try:
                if state in FINAL_STATES:
                    (run / STOP).unlink(missing_ok=True)
                if state != "running":
                    enqueue(run)
            except OSError as error:
                if run not in self._unwritable:
                    logger.warning("%s: %s; tried again and again", run, error.strerror)
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
        """Say what there is, and what a run asks for that no machine has."""
        import ray

        alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        total = {kind: sum(node.get(kind, 0) for node in alive) for kind in ("CPU", "GPU")}
        message = f"{len(alive)} machines, {total['CPU']:g} CPUs, {total['GPU']:g} GPUs"
        for needs in self._queue.unfinished().values():
            gpus = self._gpus(needs)
            if not any(node.get("CPU", 0) >= needs.cpus and node.get("GPU", 0) >= gpus for node in alive):
                message += f"; none has {needs.cpus:g} CPUs and {gpus:g} GPUs: a run waits until one joins"
                break
        self._writer.update(message=message)

    def _record_result(self, run: Path, task: Any) -> None:
        """Note what came of a run; one that stopped because we stop stays in the queue."""
        import ray
        from ray.exceptions import RayError

        try:
            state = ray.get(task)
        except RayError as error:
            state = read_state(run)
            if state not in REPORTED_STATES:
                # Where somebody else works on it after all, it stays in the queue, and is waited for.
                with contextlib.suppress(OSError, RunError):
                    set_final_state(run, "failed", _why(error))
                state = read_state(run)
        if state in FINISHED_STATES or (state == "stopped" and not self._stop.is_set()):
            self._queue.remove(run)

    def _refresh_runs(self) -> None:
        """Keep the hearts of waiting runs beating, and see which shall stop."""
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
            set_final_state(run, "stopped", "stopped before it began")
            # Not when Ray comes to it: a driver after this one would train it.
            self._queue.remove(run)
        elif state == "stopped":
            # By somebody who means this run alone, whatever is asked of all of them before Ray has done with it.
            self._queue.remove(run)
        elif state == "interrupted" or (is_ours and is_due):
            # Its machine is lost, and Ray gives it to another.
            enqueue(run)

    def _stop_run(self, run: Path, state: str, *, is_ours: bool) -> None:
        """Stop a run that nobody works on, and ask who works on it to."""
        if state in REPORTED_STATES:
            return
        if is_ours or state == "interrupted":
            # One that is worked on after all is refused: only its clock is wrong.
            with contextlib.suppress(RunError):
                set_final_state(run, "stopped", "stopped with its queue; 'fer-tui cluster start' goes on")
                return
        request_stop(run)

    def _waits_for_us(self, run: Path) -> bool:
        status = read_json(run / STATUS)
        return all(status.get(name) == value for name, value in self._me.items())


def _why(error: Exception) -> str:
    """What Ray says of a run that it gave up, in a line."""
    cause = getattr(error, "cause", error)
    if isinstance(cause, RunError):
        return str(cause)
    if isinstance(cause, ChildLostError):
        return f"{first_line(cause)}; begun {RETRIES + 1} times, and lost each time, as happens when memory runs out"
    return f"Ray: {first_line(cause)}; 'fer-tui resume' goes on"


def main(runs: Path, address: str | None = None) -> int:
    """Drive the queue beside RUNS to its end; the exit status."""
    queue, stop = ClusterQueue(runs), threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        stop.set()

    try:
        token = find_token()
        if address is not None:
            check_cluster(address, token)
        # Again where runs came while we left: whoever put them there saw us at work.
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
