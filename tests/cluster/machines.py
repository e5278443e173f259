"""Ray nodes that act as separate machines in a private network, which can't be reached from outside."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from fcntl import ioctl
from pathlib import Path

import psutil

# Set inside the private network.
ALONE = "FER_OWN_NETWORK"
ADDRESS = "127.0.0.1:6379"
SIOCSIFFLAGS, IFF_UP = 0x8914, 0x1
OBJECT_STORE = str(100 * 1024**2)


def own_network() -> list[str]:
    """Return the command prefix that creates a private network; empty if the system does not permit it."""
    words = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    tried = shutil.which("unshare") and subprocess.run([*words, "true"], capture_output=True, check=False)
    return words if tried and tried.returncode == 0 else []


def move_to_own_network() -> None:
    """Restart this script in a network with only a loopback interface, unless it already runs in one."""
    if ALONE not in os.environ:
        words = own_network() or sys.exit("this system does not permit a private network: 'unshare --net' fails")
        os.execvpe(words[0], [*words, sys.executable, *sys.argv], {**os.environ, ALONE: "1"})
    with socket.socket() as any_socket:
        ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", IFF_UP))


class RayCluster:
    """A cluster of a head node and other nodes that join and leave, each with one CPU."""

    def __init__(self) -> None:
        self._place = tempfile.TemporaryDirectory(prefix="ray")
        self._environment = {
            **os.environ,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": secrets.token_hex(16),
            "RAY_USAGE_STATS_ENABLED": "0",
            # The interval of health checks. Ray notices a broken connection at once.
            "RAY_health_check_period_ms": "1000",
        }
        os.environ.update(self._environment)
        self.nodes = [
            self._start("--head", "--port=6379", "--include-dashboard=false", f"--temp-dir={self._place.name}")
        ]

    def add(self) -> psutil.Process:
        """Add a machine; return its first process."""
        self.nodes.append(self._start(f"--address={ADDRESS}"))
        return self.nodes[-1]

    def _start(self, *words: str) -> psutil.Process:
        before = self._joined()
        ray = Path(sys.executable).with_name("ray")
        with (Path(self._place.name) / "said.txt").open("ab") as said:
            process = subprocess.Popen(
                [ray, "start", "--block", "--num-cpus=1", f"--object-store-memory={OBJECT_STORE}", *words],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                env=self._environment,
            )
        while self._joined() == before:
            assert process.poll() is None, (Path(self._place.name) / "said.txt").read_text()
            time.sleep(0.1)
        return psutil.Process(process.pid)

    def _joined(self) -> int:
        """Return the number of machines that have joined."""
        said = Path(self._place.name) / "said.txt"
        return said.read_text().count("Ray runtime started") if said.exists() else 0

    def lose(self, node: psutil.Process) -> None:
        """Kill all processes of a machine, as in a power failure."""
        self.nodes.remove(node)
        for process in [node, *node.children(recursive=True)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        node.wait()

    def close(self) -> None:
        """Kill all machines."""
        for node in [*self.nodes]:
            self.lose(node)
        with contextlib.suppress(OSError):
            self._place.cleanup()


@contextlib.contextmanager
def ray_cluster() -> Iterator[RayCluster]:
    """Run a cluster of one machine for the duration of the block."""
    cluster = RayCluster()
    try:
        yield cluster
    finally:
        cluster.close()
