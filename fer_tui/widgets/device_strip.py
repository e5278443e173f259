"""One line on what the machine is doing."""

from __future__ import annotations

import socket

from textual.widgets import Static

from core.runs.reader import FINAL_STATES, RunSnapshot
from core.system.hardware import SystemLoad
from fer_tui.console.output import escape_control

GIB = 1024**3


def format_gib(used: int, total: int) -> str:
    """Memory as people read it."""
    return f"{used / GIB:.1f}/{total / GIB:.1f} GiB"


def describe_load(load: SystemLoad) -> str:
    """Each GPU's load and memory, else that there is none and what the CPU does."""
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
    """The load of this machine, or that the run is on another one."""

    def __init__(self, *, id: str) -> None:
        super().__init__(id=id, markup=False)

    def show(self, run: RunSnapshot | None, load: SystemLoad | None) -> None:
        """Take the chosen run and the newest sample."""
        host = run.status.get("host") if run else None
        if run is not None and host and host != socket.gethostname():
            verb = "ran" if run.state in FINAL_STATES else "runs"
            text = f"{verb} on {escape_control(host)}, whose load is not seen from here"
        else:
            text = describe_load(load) if load else ""
        if text != self.content:
            self.update(text)
