"""An OpenAI-compatible endpoint in a thread, whose answers a test chooses."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

from aiohttp import web

Answer = Callable[[dict[str, Any]], web.Response]


class Endpoint:
    """An HTTP server in a thread that answers with `answer` and records the requests."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.most_at_once = 0
        self.answer: Answer = replied
        self.url = ""
        self._at_once = 0
        self._loop = asyncio.new_event_loop()
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self._up.wait()

    def close(self) -> None:
        """Ends the server and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._handle)
        app.router.add_post("/v1/completions", self._handle)
        runner = web.AppRunner(app)
        self._loop.run_until_complete(runner.setup())
        site = web.TCPSite(runner, "127.0.0.1", 0)
        self._loop.run_until_complete(site.start())
        host, port = runner.addresses[0][:2]
        self.url = f"http://{host}:{port}/v1"
        self._up.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _handle(self, request: web.Request) -> web.Response:
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        body = await request.json()
        self.asked.append(body)
        self.headers.append(dict(request.headers))
        await asyncio.sleep(0.002)
        self._at_once -= 1
        return self.answer(body)


def replied(
    body: dict[str, Any], text: str | None = None, finish: str = "stop", **more: Any
) -> web.Response:
    """A chat completion; without `text`, it repeats the last message after "to"."""
    text = f"to {body['messages'][-1]['content']}" if text is None else text
    choice = {"message": {"content": text}, "finish_reason": finish} | more
    usage = {"prompt_tokens": 6, "completion_tokens": 4, "total_tokens": 10}
    return web.json_response({"choices": [choice], "usage": usage})


def refused(status: int, message: str, **headers: str) -> web.Response:
    """An error in the format of the OpenAI API."""
    return web.json_response({"error": {"message": message}}, status=status, headers=headers)
