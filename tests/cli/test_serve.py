"""Start `fer-tui serve` and open it in a headless browser."""

from __future__ import annotations

import asyncio
import io
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from core.comparison.table import compare
from core.comparison.table_formats import format_table
from core.runs.history import HISTORY_COLUMNS
from core.runs.reader import list_runs, read_run
from fer_tui import cli

COMMAND = Path(sys.executable).with_name("fer-tui")
DEADLINE = 120.0
# Without these options Chromium contacts Google's servers and needs privileges that a container lacks.
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
TABS = (35, 41, 52)  # the colour of `$panel` in fer-dark


class Served:
    """A running server."""

    def __init__(self, *arguments: str | Path) -> None:
        environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FER_TUI_RUNS")}
        self.process = subprocess.Popen(
            [COMMAND, "serve", "--port", "0", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self.process.stdout
        self.url = self.process.stdout.readline().strip()

    @property
    def screens(self) -> list[psutil.Process]:
        """Return the processes of the open pages."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal; return the exit status and the output."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=DEADLINE)
        return self.process.returncode, said


@pytest.fixture
def serve(write_run: Callable[..., Path], tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Return a function that starts a server on a folder with one run."""
    row = dict.fromkeys(HISTORY_COLUMNS, 0.5) | {"epoch": 1}
    write_run(history=[row])
    begun: list[Served] = []

    def start(*arguments: str | Path) -> Served:
        begun.append(Served("--runs", tmp_path / "runs", *arguments))
        return begun[-1]

    yield start
    for served in begun:
        if served.process.poll() is None:
            served.process.kill()
        served.process.communicate()


class Page:
    """A page in Chromium, with its requests and the text that the screens sent."""

    def __init__(self, context: Any, url: str) -> None:
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.sent = b""
        context.on("request", lambda request: self.asked.append(request.url))
        self.page = context.new_page()
        self.page.on("websocket", self._follow)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("console", lambda message: message.type == "error" and self.complaints.append(message.text))
        self.page.goto(url)
        self.until(lambda: self.page.evaluate("document.activeElement.className").startswith("xterm"))

    def _follow(self, socket: Any) -> None:
        self.asked.append(socket.url)
        socket.on("framereceived", self._take)

    def _take(self, payload: str | bytes) -> None:
        if isinstance(payload, bytes):
            self.sent += payload

    def press(self, key: str, then: str) -> None:
        """Press a key and wait until the screens send the given text."""
        before = len(self.sent)
        self.page.keyboard.press(key)
        self.until(lambda: then.encode() in self.sent[before:])

    def until(self, condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + DEADLINE
        while not condition():
            assert time.monotonic() < deadline, self.sent[-2000:]
            self.page.wait_for_timeout(20)


@pytest.fixture
def browse() -> Iterator[Callable[[str], Page]]:
    """Return a function that opens a page; skip the test without Chromium."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("Chromium is not installed: install it to test the screens in a browser")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=FLAGS)
        permissions = ["clipboard-read", "clipboard-write"]
        context = browser.new_context(viewport={"width": 1000, "height": 600}, permissions=permissions)
        yield lambda url: Page(context, url)
        browser.close()


def test_a_browser_shows_the_screens_and_downloads_the_table(
    serve: Callable[..., Served], browse: Callable[[str], Page], tmp_path: Path
):
    from PIL import Image

    served = serve()
    shown = browse(served.url)
    shown.until(lambda: b"Quit" in shown.sent)
    shown.press("4", "best of our runs")
    picture = Image.open(io.BytesIO(shown.page.screenshot())).convert("RGB")
    shown.until(lambda: picture.getpixel((500, 4)) == TABS)
    table = format_table(compare([read_run(path) for path in list_runs(tmp_path / "runs")]), "csv")
    shown.press("c", "Copied")
    shown.until(lambda: shown.page.evaluate("navigator.clipboard.readText()") == table)
    shown.press("e", "Download")
    shown.page.keyboard.type(" two; 表.csv")
    with shown.page.expect_download() as downloading:
        shown.press("Enter", "Downloaded")
    assert downloading.value.suggested_filename == "comparison.csv two; 表.csv"
    assert Path(downloading.value.path()).read_text() == table
    assert "published" in table and "compact" in table
    assert not list(Path.cwd().glob("comparison.csv two*"))
    assert shown.complaints == []
    assert len(shown.asked) > 4 and {urlsplit(url).hostname for url in shown.asked} == {"127.0.0.1"}


def test_a_page_that_is_closed_ends_its_screens_and_no_others(
    serve: Callable[..., Served], browse: Callable[[str], Page]
):
    served = serve()
    first, second = browse(served.url), browse(served.url)
    first.until(lambda: len(served.screens) == 2)
    first.page.close()
    second.until(lambda: len(served.screens) == 1)
    second.press("4", "best of our runs")
    (left,) = served.screens
    assert served.end(signal.SIGTERM)[0] == 128 + signal.SIGTERM
    assert not left.is_running()


def test_quitting_says_that_it_is_over(serve: Callable[..., Served], browse: Callable[[str], Page]):
    shown = browse(serve().url)
    shown.until(lambda: b"Quit" in shown.sent)
    shown.page.keyboard.press("q")
    shown.until(lambda: shown.page.get_by_text("The session has ended").is_visible())
    shown.page.get_by_role("button").click()
    shown.until(lambda: not shown.page.get_by_text("The session has ended").is_visible())


ASKED = (
    ("127.0.0.1:{port}", "http://127.0.0.1:{port}", 101),
    ("localhost:{port}", "http://localhost:{port}", 101),
    ("localhost:9000", "http://localhost:9000", 101),  # as through a tunnel
    ("[::1]:{port}", None, 101),
    ("127.0.0.1:{port}", "http://127.0.0.1:1", 403),
    ("127.0.0.1:{port}", "https://evil.example", 403),
    ("127.0.0.1:{port}", "null", 403),
    ("evil.example:{port}", "http://evil.example:{port}", 403),
    ("127.0.0.1.evil.example", None, 403),
    ("192.168.1.5:{port}", None, 403),
    ("[", None, 403),
    ("", None, 403),
)


def test_only_pages_of_this_server_reach_the_screens(serve: Callable[..., Served]):
    served = serve()
    port = urlsplit(served.url).port
    for host, origin, status in ASKED:
        told = {"Host": host, **({"Origin": origin} if origin else {})}
        headers = {name: value.format(port=port) for name, value in told.items()}
        assert asyncio.run(_ask(f"{served.url}/ws", headers)) == status, (host, origin)
        if status == 403:
            assert asyncio.run(_ask(f"{served.url}/", headers)) == 403, (host, origin)


async def _ask(url: str, headers: dict[str, str]) -> int:
    import aiohttp

    async with aiohttp.ClientSession() as session:
        if url.endswith("/"):
            async with session.get(url, headers=headers) as response:
                return response.status
        try:
            async with session.ws_connect(url, headers=headers):
                return 101
        except aiohttp.WSServerHandshakeError as error:
            return error.status


def test_it_listens_on_this_machine_alone(serve: Callable[..., Served]):
    served = serve()
    listening = {c.laddr.ip for c in psutil.Process(served.process.pid).net_connections() if c.status == "LISTEN"}
    assert listening == {"127.0.0.1"}
    status, said = served.end(signal.SIGINT)
    assert status == 130 and "Traceback" not in said and "warning" not in said


def test_exposing_it_says_what_that_means(serve: Callable[..., Served]):
    served = serve("--host", "0.0.0.0", "--expose")
    url = served.url.replace("0.0.0.0", "127.0.0.1")
    assert asyncio.run(_ask(f"{url}/", {"Host": "192.168.1.5"})) == 200
    assert asyncio.run(_ask(f"{url}/", {"Host": "evil.example"})) == 403
    _, said = served.end(signal.SIGTERM)
    assert "warning: --expose" in said and "no password" in said and "files" in said


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org", "127.0.0.1.example.org"])
def test_another_address_wants_a_flag(host: str, capfd: pytest.CaptureFixture[str]):
    assert cli.main(["serve", "--host", host]) == 2


def test_a_port_in_use_is_one_line(serve: Callable[..., Served], tmp_path: Path):
    served = serve()
    port = str(urlsplit(served.url).port)
    done = subprocess.run([COMMAND, "serve", "--port", port], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines() == [
        f"fer-tui: --host 127.0.0.1 --port {port}: Address already in use; "
        "choose another address or port; --port 0 selects a free port"
    ]


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch):
    from core.errors import FerError
    from fer_tui.commands import serve as command

    monkeypatch.setattr("core.system.extras.find_spec", lambda name: None)
    with pytest.raises(FerError, match=r"pip install 'fer-tui\[serve\]'"):
        command.serve(None)  # pyright: ignore[reportArgumentType]


def test_bad_settings_are_told_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "c.toml").write_text("mouse = 3")
    monkeypatch.setenv("FER_TUI_CONFIG", str(tmp_path / "c.toml"))
    assert cli.main(["serve", "--port", "0"]) == 2


def test_the_screens_get_the_options_that_stood_before(tmp_path: Path):
    from fer_tui.commands.options import GlobalOptions
    from fer_tui.commands.serve import screens_command

    before = GlobalOptions(data=None, runs=None, theme="nord", mouse=False)
    command = screens_command(before, tmp_path / "it's; ls", None)
    printing = command.replace(sys.executable, "printf '%s\\n'", 1)
    words = subprocess.run(["sh", "-c", printing], capture_output=True, text=True, check=True)
    assert words.stdout.splitlines()[-5:] == ["--data", str(tmp_path / "it's; ls"), "--theme", "nord", "--no-mouse"]
