"""A textual-serve server that accepts requests from this machine only, with its own page.

textual-serve does not check requests: any page open in the browser could connect to the web socket and type into the
screens. This server accepts only requests whose Host header names this machine, which prevents DNS rebinding, and web
socket connections from its own page. The page loads nothing from other servers, and its Content-Security-Policy
forbids it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import aiohttp_jinja2
from aiohttp import web
from aiohttp.typedefs import Handler
from textual_serve.server import Server, to_int

from core.errors import FerError
from fer_tui.console import output
from fer_tui.textual_private import web_application

POLICY = (
    "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; style-src 'self' 'unsafe-inline'; "
    "script-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


class LocalServer(Server):
    """Serves the screens of one command to its own pages, with one process for each page."""

    def __init__(self, command: str, host: str, port: int, *, is_exposed: bool) -> None:
        """Create a server for a command.

        Args:
            command: the shell command line that opens the screens.
            host: the address to listen on.
            port: the port, or 0 for a free port.
            is_exposed: whether requests may use an address other than loopback.
        """
        super().__init__(command, host, port, title="fer-tui", templates_path=Path(__file__).parent.absolute())
        self.is_exposed = is_exposed
        self.pages: set[asyncio.Task[Any]] = set()

    async def application(self) -> web.Application:
        """Return the application: textual-serve's routes with the checks of requests."""
        app = await web_application(self)
        app.middlewares.append(self._refuse_strangers)
        app.on_response_prepare.append(_harden)
        return app

    async def on_startup(self, app: web.Application) -> None:
        """Print nothing: `listen` prints the address after the port is open."""

    async def on_shutdown(self, app: web.Application) -> None:
        """End the screens of every page."""
        for page in self.pages:
            page.cancel()
        await asyncio.gather(*self.pages, return_exceptions=True)

    @web.middleware
    async def _refuse_strangers(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self.is_this_machine(request.host):
            raise web.HTTPForbidden(text=f"Host {request.host!r} is not this machine.")
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc.lower() != request.host.lower():
            raise web.HTTPForbidden(text=f"A page of {origin!r} may not use the screens.")
        return await handler(request)

    def is_this_machine(self, host: str) -> bool:
        """Return whether a Host header names this machine by a name or address that needs no DNS.

        Args:
            host: `name`, `name:port` or `[address]:port`. The port is ignored, because a tunnel may use any port.
        """
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return name == "localhost" or (self.is_exposed and name in (socket.gethostname().lower(), self.host))
        return self.is_exposed or address.is_loopback

    @aiohttp_jinja2.template("page.html")
    async def handle_index(self, request: web.Request) -> dict[str, Any]:
        """Return the page, with the address that the browser used: a tunnel has a different port."""
        socket_scheme = "wss" if request.scheme == "https" else "ws"
        return {
            "title": self.title,
            "font_size": min(max(to_int(request.query.get("fontsize", "16"), 16), 6), 48),
            "socket": f"{socket_scheme}://{request.host}/ws",
        }

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """Serve the screens to one page until it disconnects."""
        page = asyncio.current_task()
        assert page is not None
        self.pages.add(page)
        try:
            return await super().handle_websocket(request)
        finally:
            self.pages.discard(page)

    async def listen(self) -> int:
        """Serve until a signal arrives, and return the signal's number."""
        came: asyncio.Queue[int] = asyncio.Queue()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, came.put_nowait, number)
        runner = web.AppRunner(await self.application(), access_log=None, shutdown_timeout=5)
        await runner.setup()
        try:
            await web.TCPSite(runner, self.host, self.port).start()
            port = runner.addresses[0][1]
            shown = f"[{self.host}]" if ":" in self.host else self.host
            with contextlib.suppress(BrokenPipeError):
                sys.stdout.write(f"http://{shown}:{port}\n")
                sys.stdout.flush()
            output.print_message("open this address in a browser; Ctrl+C stops the server")
            return await came.get()
        finally:
            await runner.cleanup()


async def _harden(request: web.Request, response: web.StreamResponse) -> None:
    """Add security headers, and encode the file name of a download."""
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    kind, _, name = response.headers.get("Content-Disposition", "").partition("; filename=")
    if name:
        response.headers["Content-Disposition"] = f"{kind}; filename*=UTF-8''{quote(name)}"


def serve_app(command: str, host: str, port: int, *, is_exposed: bool) -> int:
    """Serve the screens until a signal arrives.

    Args:
        command: the shell command line that opens the screens.
        host: the address to listen on.
        port: the port, or 0 for a free port.
        is_exposed: whether to accept requests from other machines.

    Returns:
        The exit status: 128 plus the signal's number.

    Raises:
        FerError: the server can't listen on this address and port.
    """
    logging.getLogger("textual-serve").setLevel(logging.ERROR)
    server = LocalServer(command, host, port, is_exposed=is_exposed)
    try:
        return 128 + asyncio.run(server.listen())
    except OSError as error:
        # asyncio and the resolver add their own text to the system's error message.
        why = os.strerror(number) if (number := error.errno or 0) > 0 else error.strerror or str(error)
        raise FerError(
            f"--host {host} --port {port}: {why}; choose another address or port; --port 0 selects a free port"
        ) from None
