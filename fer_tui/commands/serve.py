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
    port: Annotated[int, typer.Option("--port", help="Port; 0 takes a free one.", min=0, max=65535)] = 8000,
    expose: Annotated[
        bool,
        typer.Option(
            "--expose",
            help="Permit an address that other machines reach. There is no password: whoever reaches the port can run "
            "trainings, and read, write and delete files, as you.",
        ),
    ] = False,
    data: Annotated[Path | None, typer.Option("--data", help="Data set for the screens.", show_default=False)] = None,
    runs: RunsOption = None,
) -> int:
    """Show the screens in a browser, at http://127.0.0.1:8000; exports come as downloads, runs outlive the page."""
    from fer_tui.settings_file import load_settings

    if not is_loopback(host) and not expose:
        raise ConfigError(
            "host",
            f"{host} may be reached from other machines, and there is no password; "
            "use 127.0.0.1 through an SSH tunnel, or add --expose",
        )
    if not extras.is_installed("serve"):
        raise FerError(f"serve: the browser front is not installed; {extras.install_command('serve')}")
    # What is wrong with the settings is told here, and not in an empty page.
    load_settings()
    from fer_tui.web.server import serve_app

    if expose:
        output.print_message(
            f"warning: --expose: whoever reaches port {port} of {host} can run trainings, and read, write and delete "
            f"files, as {getpass.getuser()}; there is no password"
        )
    before: GlobalOptions = context.obj
    return serve_app(screens_command(before, data or before.data, runs or before.runs), host, port, is_exposed=expose)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def screens_command(before: GlobalOptions, data: Path | None, runs: Path | None) -> str:
    """The shell's command line that opens the screens with the same options."""
    options = {"--data": data, "--runs": runs, "--theme": before.theme}
    given = [word for option, value in options.items() if value is not None for word in (option, str(value))]
    mouse = [] if before.mouse else ["--no-mouse"]
    return "exec " + shlex.join([sys.executable, "-P", "-m", "fer_tui", *given, *mouse])
