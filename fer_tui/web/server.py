"""The server of the browser front: textual-serve's, with a page of our own, for this machine alone.

textual-serve checks neither who asks nor for what: any page that a browser has open could connect to the web socket,
and so type into the screens. Here a request must name this machine (against DNS rebinding), and a page that connects
must have come from this server. The page loads nothing from elsewhere, and its policy forbids it to.
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
    """Serves one command's screens, a process a page, to pages of its own."""

    def __init__(self, command: str, host: str, port: int, *, is_exposed: bool) -> None:
        """What to serve, and where.

        Args:
            command: a shell's command line that opens the screens.
            host: the address to listen on.
            port: the port, or 0.
            is_exposed: whether a request may name another address of this machine than loopback.
        """
        super().__init__(command, host, port, title="fer-tui", templates_path=Path(__file__).parent.absolute())
        self.is_exposed = is_exposed
        self.pages: set[asyncio.Task[Any]] = set()

    async def application(self) -> web.Application:
        """The routes of textual-serve, behind our checks."""
        app = await web_application(self)
        app.middlewares.append(self._refuse_strangers)
        app.on_response_prepare.append(_harden)
        return app

    async def on_startup(self, app: web.Application) -> None:
        """Say nothing before the port is ours."""

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
        """Whether a Host header names this machine in a way that no name server had a say in.

        Args:
            host: `name`, `name:port` or `[address]:port`; a tunnel's port may be any.
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
        """The page, with addresses as the browser knows this server: a tunnel has a port of its own."""
        socket_scheme = "wss" if request.scheme == "https" else "ws"
        return {
            "title": self.title,
            "font_size": min(max(to_int(request.query.get("fontsize", "16"), 16), 6), 48),
            "socket": f"{socket_scheme}://{request.host}/ws",
        }

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """One page's screens, from connecting to leaving."""
        page = asyncio.current_task()
        assert page is not None
        self.pages.add(page)
        try:
            return await super().handle_websocket(request)
        finally:
            self.pages.discard(page)

    async def listen(self) -> int:
        """Serve until a signal comes; its number."""
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
            output.print_message("open this address in a browser; Ctrl+C ends it")
            return await came.get()
        finally:
            await runner.cleanup()


async def _harden(request: web.Request, response: web.StreamResponse) -> None:
    """Keep the page to itself, and a download's name whole."""
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    kind, _, name = response.headers.get("Content-Disposition", "").partition("; filename=")
    if name:
        response.headers["Content-Disposition"] = f"{kind}; filename*=UTF-8''{quote(name)}"


def serve_app(command: str, host: str, port: int, *, is_exposed: bool) -> int:
    """Serve the screens until a signal ends it.

    Args:
        command: a shell's command line that opens the screens.
        host: the address to listen on.
        port: the port, or 0 for a free one.
        is_exposed: whether other machines may ask.

    Returns:
        128 and the signal that ended it.

    Raises:
        FerError: nothing can listen there.
    """
    logging.getLogger("textual-serve").setLevel(logging.ERROR)
    server = LocalServer(command, host, port, is_exposed=is_exposed)
    try:
        return 128 + asyncio.run(server.listen())
    except OSError as error:
        # asyncio and the resolver each have words of their own around the system's.
        why = os.strerror(number) if (number := error.errno or 0) > 0 else error.strerror or str(error)
        raise FerError(
            f"--host {host} --port {port}: {why}; choose another address or port; --port 0 takes a free one"
        ) from None
