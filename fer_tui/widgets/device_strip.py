"""One line with the machine's load."""

from __future__ import annotations

import socket

from textual.widgets import Static

from core.runs.reader import FINAL_STATES, RunSnapshot
from core.system.hardware import SystemLoad
from fer_tui.console.output import escape_control

GIB = 1024**3


def format_gib(used: int, total: int) -> str:
    """Return used and total memory in GiB."""
    return f"{used / GIB:.1f}/{total / GIB:.1f} GiB"


def describe_load(load: SystemLoad) -> str:
    """Return each GPU's load and memory; without a GPU, the CPU's load and the main memory."""
    if not load.gpus:
        return f"no GPU   CPU {load.cpu} %   memory {format_gib(load.used, load.total)}"
    if len(load.gpus) == 1:
        gpu = load.gpus[0]
        memory = format_gib(gpu.used, gpu.total)
        return f"{escape_control(gpu.name)} {_percent(gpu.utilization)}   memory {memory}   CPU {load.cpu} %"
    return "   ".join(
        f"GPU {gpu.index} {_percent(gpu.utilization)} {format_gib(gpu.used, gpu.total)}" for gpu in load.gpus
    )


def _percent(busy: int | None) -> str:
    return "load ?" if busy is None else f"{busy} %"


class DeviceStrip(Static):
    """The load of this machine, or the name of the host that trains the run."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, markup=False)

    def show(self, run: RunSnapshot | None, load: SystemLoad | None) -> None:
        """Show the load for the highlighted run."""
        host = run.status.get("host") if run else None
        if run is not None and host and host != socket.gethostname():
            verb = "ran" if run.state in FINAL_STATES else "runs"
            text = f"{verb} on {escape_control(host)}; its load is not available here"
        else:
            text = describe_load(load) if load else ""
        if text != self.content:
            self.update(text)
