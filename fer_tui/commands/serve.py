"""`fer-tui serve`."""

from __future__ import annotations

import getpass
import ipaddress
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from core.errors import ConfigError, FerError
from core.system import extras
from fer_tui.commands.options import GlobalOptions, RunsOption
from fer_tui.console import output


def serve(
    context: typer.Context,
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", help="Port to listen on; 0 selects a free port.", min=0, max=65535)
    ] = 8000,
    expose: Annotated[
        bool,
        typer.Option(
            "--expose",
            help="Allow a --host that other machines can reach. There is no password: anyone who can reach the port "
            "can train models, and read, write and delete files, with your permissions.",
        ),
    ] = False,
    data: Annotated[
        Path | None, typer.Option("--data", help="Data set: a folder of faces or fer2013.csv.", show_default=False)
    ] = None,
    runs: RunsOption = None,
) -> int:
    """Serve the screens to a browser. The default address is http://127.0.0.1:8000.

    The browser downloads exported files. Runs continue after the page is closed.
    """
    from fer_tui.settings_file import load_settings

    if not is_loopback(host) and not expose:
        raise ConfigError(
            "host",
            f"other machines may be able to reach {host}, and there is no password; "
            "use 127.0.0.1 through an SSH tunnel, or add --expose",
        )
    if not extras.is_installed("serve"):
        raise FerError(f"serve: fer-tui[serve] is not installed; {extras.install_command('serve')}")
    # Report errors in the settings file here, before the browser opens an empty page.
    load_settings()
    from fer_tui.web.server import serve_app

    if expose:
        output.print_message(
            f"warning: --expose: there is no password: anyone who can reach port {port} of {host} can train models, "
            f"and read, write and delete files, as {getpass.getuser()}"
        )
    before: GlobalOptions = context.obj
    return serve_app(screens_command(before, data or before.data, runs or before.runs), host, port, is_exposed=expose)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def screens_command(before: GlobalOptions, data: Path | None, runs: Path | None) -> str:
    """Return the shell command line that opens the screens with the same options."""
    options = {"--data": data, "--runs": runs, "--theme": before.theme}
    given = [word for option, value in options.items() if value is not None for word in (option, str(value))]
    mouse = [] if before.mouse else ["--no-mouse"]
    return "exec " + shlex.join([sys.executable, "-P", "-m", "fer_tui", *given, *mouse])
