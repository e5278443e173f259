"""A process that trains one run: `python -m core.worker RUN`, started by `core.run_queue`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from core.errors import FerError
from core.run_queue import load_config
from core.trainer import train


def main(run: Path) -> int:
    """Train a run; a signal ends it after its batch, a second one at once."""
    stop = threading.Event()

    def ask(number: int, frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, ask)
    try:
        # In a thread, so that a signal is heard while TensorFlow holds the one that trains.
        states: list[str] = []
        worker = threading.Thread(target=lambda: states.append(train(load_config(run), run, stop)), daemon=True)
        worker.start()
        while worker.is_alive():
            worker.join(0.2)
    except FerError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0 if states and states[0] in ("completed", "stopped") else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
