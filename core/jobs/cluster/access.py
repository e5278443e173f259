"""Who may use Ray: nobody without the token that all machines of a cluster share.

Ray listens on every interface, also where it is told not to, and runs whatever it is sent.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from core.errors import ConfigError, FerError
from core.system import extras

# What every client asks Ray's head first.
QUESTION = "/ray.rpc.NodeInfoGcsService/GetClusterId"
TIMEOUT = 5.0
# How often a run is begun again whose process, worker or machine was lost.
RETRIES = 5


def ray_environment() -> dict[str, str]:
    """The variables of a process that uses Ray, in whatever working directory.

    No statistics are sent, and a task that runs out of memory is retried as often as any other.
    """
    variables = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_task_oom_retries": str(RETRIES)}
    if variables.get("RAY_AUTH_TOKEN_PATH"):
        variables["RAY_AUTH_TOKEN_PATH"] = str(Path(variables["RAY_AUTH_TOKEN_PATH"]).absolute())
    return variables


def find_token(environment: Mapping[str, str] = os.environ) -> str:
    """The token that Ray will use.

    Raises:
        ConfigError: Ray would listen to anybody, or there is no token.
        FerError: Ray is not installed.
    """
    if not extras.is_installed("cluster"):
        raise FerError(f"cluster: Ray is not installed; {extras.install_command('cluster')}")
    if environment.get("RAY_AUTH_MODE") != "token":
        raise ConfigError(
            "cluster: RAY_AUTH_MODE must be 'token': Ray listens on all interfaces and would run whatever it is sent; "
            "export RAY_AUTH_MODE=token, here and where the cluster is started"
        )
    if environment.get("RAY_AUTH_TOKEN"):
        return environment["RAY_AUTH_TOKEN"]
    named = environment.get("RAY_AUTH_TOKEN_PATH")
    path = Path(named) if named else Path.home() / ".ray" / "auth_token"
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        token = ""
    if not token:
        raise ConfigError(
            f"cluster: there is no token in {path}; 'ray get-auth-token --generate' makes one, and every machine of "
            "a cluster must have the same"
        )
    return token


def check_cluster(address: str, token: str) -> None:
    """See that a cluster answers us, and nobody without the token.

    Args:
        address: HOST:PORT of its head.
        token: ours.

    Raises:
        ConfigError: it is no HOST:PORT, or no cluster; it has another token, or none.
    """
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isdecimal() and 0 < int(port) < 65_536):
        raise ConfigError("address", f"must be HOST:PORT, such as 10.0.0.1:6379 (got {address!r})")
    if not _answers(address, token):
        raise ConfigError("address", f"{address} has another token; every machine of a cluster must have the same")
    if _answers(address, None):
        raise ConfigError(
            "address", f"{address} would run whatever anybody sends it; start it anew with RAY_AUTH_MODE=token"
        )


def _answers(address: str, token: str | None) -> bool:
    """Whether a cluster's head answers with that token, or without any.

    Raises:
        ConfigError: there is no such cluster.
    """
    import grpc

    metadata = (("authorization", f"Bearer {token}"),) if token else None
    with grpc.insecure_channel(address, [("grpc.enable_http_proxy", 0)]) as channel:
        try:
            channel.unary_unary(QUESTION)(b"", timeout=TIMEOUT, metadata=metadata)
        except grpc.RpcError as error:
            # A failed call is the error, as `grpc.Call` describes it.
            if error.code() == grpc.StatusCode.UNAUTHENTICATED:
                return False
            raise ConfigError(
                "address",
                f"no cluster answers at {address}; start one with 'ray start --head', "
                "or set address to local to use this machine's own devices",
            ) from None
    return True
