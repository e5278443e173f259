"""Access control for Ray: only clients with the cluster's shared token may use it.

Ray listens on all network interfaces, regardless of its settings, and runs any code that it receives.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from core.errors import ConfigError, FerError
from core.system import extras

# The first request of every client to Ray's head node.
QUESTION = "/ray.rpc.NodeInfoGcsService/GetClusterId"
TIMEOUT = 5.0
# The number of restarts of a run whose process, worker or machine was lost.
RETRIES = 5


def ray_environment() -> dict[str, str]:
    """Return the environment variables of a process that uses Ray in any working directory.

    They turn off Ray's usage statistics and give tasks that run out of memory the same number of retries as others.
    """
    variables = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_task_oom_retries": str(RETRIES)}
    if variables.get("RAY_AUTH_TOKEN_PATH"):
        variables["RAY_AUTH_TOKEN_PATH"] = str(Path(variables["RAY_AUTH_TOKEN_PATH"]).absolute())
    return variables


def find_token(environment: Mapping[str, str] = os.environ) -> str:
    """Return the token that Ray uses.

    Raises:
        ConfigError: Ray's token authentication is off, or there is no token.
        FerError: Ray is not installed.
    """
    if not extras.is_installed("cluster"):
        raise FerError(f"cluster: Ray is not installed; {extras.install_command('cluster')}")
    if environment.get("RAY_AUTH_MODE") != "token":
        raise ConfigError(
            "cluster: RAY_AUTH_MODE must be 'token', because Ray listens on all interfaces and runs any code that it "
            "receives; export RAY_AUTH_MODE=token here and where you start the cluster"
        )
    if environment.get("RAY_AUTH_TOKEN"):
        return environment["RAY_AUTH_TOKEN"]
    named = environment.get("RAY_AUTH_TOKEN_PATH")
    path = Path(named or os.path.expanduser("~/.ray/auth_token"))  # noqa: PTH111 (Path.home needs a home folder)
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        token = ""
    if not token:
        raise ConfigError(
            f"cluster: there is no token in {path}; create one with 'ray get-auth-token --generate' and copy it to "
            "every machine of the cluster"
        )
    return token


def check_cluster(address: str, token: str) -> None:
    """Check that a cluster accepts our token and rejects requests without a token.

    Args:
        address: HOST:PORT of the cluster's head node.
        token: our token.

    Raises:
        ConfigError: the address is not HOST:PORT, no cluster answers, or it has a different token or none.
    """
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdecimal() and 0 < int(port) < 65_536):
        raise ConfigError("address", f"must be HOST:PORT, such as 10.0.0.1:6379 (got {address!r})")
    if not _answers(address, token):
        raise ConfigError("address", f"{address} has another token; copy the cluster's token to this machine")
    if _answers(address, None):
        raise ConfigError(
            "address", f"{address} runs any code without a token; restart the cluster with RAY_AUTH_MODE=token"
        )


def _answers(address: str, token: str | None) -> bool:
    """Return whether a cluster's head node accepts a request with this token, or without one if it is None.

    Raises:
        ConfigError: no cluster answers at the address.
    """
    import grpc

    metadata = (("authorization", f"Bearer {token}"),) if token else None
    with grpc.insecure_channel(address, [("grpc.enable_http_proxy", 0)]) as channel:
        try:
            channel.unary_unary(QUESTION)(b"", timeout=TIMEOUT, metadata=metadata)
        except grpc.RpcError as error:
            # The error of a failed call is also the call itself (see `grpc.Call`).
            if error.code() == grpc.StatusCode.UNAUTHENTICATED:
                return False
            raise ConfigError(
                "address",
                f"no cluster answers at {address}; start one with 'ray start --head', "
                "or set address to local to use this machine's own devices",
            ) from None
    return True
