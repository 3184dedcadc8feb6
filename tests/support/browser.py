"""A real headless Chromium, controlled over its debugging protocol."""

import asyncio
import base64
import itertools
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--remote-debugging-port=0"),
)
Call = Callable[..., Coroutine[Any, Any, dict[str, Any]]]


@dataclass
class Visit:
    """A page that was opened: its requests, its complaints and the time it took to load."""

    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    seconds: float = 0.0
    results: list[Any] = field(default_factory=list)


def visit(
    page: Path,
    *scripts: str,
    width: int = 1280,
    screenshot: Path | None = None,
    dark: bool = False,
) -> Visit:
    """Opens a file, runs scripts in it one after the other, and takes a picture of all of it.

    `results` are the values of the scripts; `seconds` the time until the page was loaded and had
    been drawn. Every visit is a new tab of the Chromium of `chromium()`, which this starts where it
    has not been started. Skips the test where there is no Chromium.
    """
    with nullcontext(_ports[-1]) if _ports else chromium() as port:
        return asyncio.run(_visit(port, page, scripts, width, screenshot, dark))


_ports: list[int] = []  # of the Chromium that visits share


@contextmanager
def chromium() -> Iterator[int]:
    """A Chromium that all visits within share; its debugging port."""
    with _chromium() as port:
        _ports.append(port)
        try:
            yield port
        finally:
            _ports.remove(port)


@contextmanager
def _chromium() -> Iterator[int]:
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("there is no Chromium here: install the package chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        command = [program, *QUIET, f"--user-data-dir={folder}", "about:blank"]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        try:
            yield _port(Path(folder) / "DevToolsActivePort")
        finally:
            process.terminate()
            process.wait(30)


def _port(file: Path) -> int:
    for _ in range(600):
        if file.is_file() and (lines := file.read_text().splitlines()):
            return int(lines[0])
        time.sleep(0.1)
    raise TimeoutError("Chromium did not start within a minute")


async def _visit(
    port: int,
    page: Path,
    scripts: tuple[str, ...],
    width: int,
    screenshot: Path | None,
    dark: bool,
) -> Visit:
    found = Visit()
    async with aiohttp.ClientSession() as session:
        async with session.put(f"http://127.0.0.1:{port}/json/new?about:blank") as answer:
            tab = await answer.json()
            address = tab["webSocketDebuggerUrl"]
        async with session.ws_connect(address, max_msg_size=0) as socket:
            call = _calls(socket, found)
            for domain in ("Page", "Runtime", "Network", "Log"):
                await call(f"{domain}.enable")
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
            await call("Emulation.setDeviceMetricsOverride", **size)
            scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
            await call("Emulation.setEmulatedMedia", features=[scheme])
            started = time.perf_counter()
            await call("Page.navigate", url=page.resolve().as_uri())
            drawn = (
                "new Promise(r => { const f = () => requestAnimationFrame(() => setTimeout(r, 0));"
                " document.readyState === 'complete' ? f() : addEventListener('load', f) })"
            )
            await call("Runtime.evaluate", expression=drawn, awaitPromise=True)
            found.seconds = time.perf_counter() - started
            for script in scripts:
                answer = await call("Runtime.evaluate", expression=script, returnByValue=True)
                if "exceptionDetails" in answer:
                    found.complaints.append(str(answer["exceptionDetails"]))
                found.results.append(answer["result"].get("value"))
            if screenshot is not None:
                picture = await call("Page.captureScreenshot", captureBeyondViewport=True)
                screenshot.write_bytes(base64.b64decode(picture["data"]))
        async with session.get(f"http://127.0.0.1:{port}/json/close/{tab['id']}"):
            pass
    return found


def _calls(socket: "aiohttp.ClientWebSocketResponse", found: Visit) -> Call:
    numbers = itertools.count(1)

    async def call(method: str, **parameters: Any) -> dict[str, Any]:
        number = next(numbers)
        await socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            message = await socket.receive_json(timeout=120)
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                result: dict[str, Any] = message["result"]
                return result
            _note(message, found)

    return call


def _note(message: dict[str, Any], found: Visit) -> None:
    method, what = message.get("method"), message.get("params", {})
    if method == "Network.requestWillBeSent":
        found.requests.append(what["request"]["url"])
    elif method == "Runtime.exceptionThrown":
        found.complaints.append(str(what["exceptionDetails"]))
    elif method == "Runtime.consoleAPICalled" and what["type"] in ("error", "warning", "assert"):
        found.complaints.append(str(what["args"]))
    elif method == "Log.entryAdded" and what["entry"]["level"] in ("error", "warning"):
        found.complaints.append(str(what["entry"]))
