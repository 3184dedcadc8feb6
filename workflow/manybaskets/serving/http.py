"""One HTTP session with a server of models: an engine of this host, or an endpoint.

Turns what a server can say into an answer, a refusal of one row, or the loss of the engine. Knows
where a model answers and how patient to be; `client` knows what is asked.
"""

import asyncio
import json
import random
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal

import aiohttp
import tenacity

ENDPOINT_TRIES = 8
FIRST_WAIT_SECONDS = 1.0  # before the second try; doubled for each further one
LONGEST_WAIT_SECONDS = 60.0
LONGEST_RETRY_AFTER_SECONDS = 600.0
ENDPOINT_TIMEOUT_SECONDS = 600.0

State = Literal["ok", "empty", "length", "too_long", "failed"]


@dataclass(frozen=True)
class ServerAddress:
    """Where a model answers: an engine's socket, or an endpoint's address and key."""

    url: str
    model: str
    identity: str  # of the weights: part of the key of a finished row
    socket: Path | None = None
    key: str | None = field(default=None, repr=False)
    api_key_env: str | None = None


class _TransientError(Exception):
    """An endpoint failed in a way that may pass; `retry_after` is its header of that name."""

    def __init__(self, reason: str, retry_after: str | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class EngineLostError(Exception):
    """The engine went away while it was asked."""


class Budget:
    """Tokens a client may still spend; what is in flight is reserved, then settled."""

    def __init__(self, total: int | None) -> None:
        self.total = total
        self._spent = 0
        self._reserved = 0
        self._settled: asyncio.Event | None = None

    async def reserve(self, tokens: int) -> bool:
        """Waits for requests in flight as long as they could free what is missing."""
        if self.total is None:
            return True
        while self._spent + self._reserved + tokens > self.total:
            if self._reserved == 0 or self._spent + tokens > self.total:
                return False
            self._settled = self._settled or asyncio.Event()
            await self._settled.wait()
        self._reserved += tokens
        return True

    def settle(self, reserved: int, spent: int) -> None:
        """Gives a reservation back, and counts what was spent of it."""
        if self.total is None:
            return
        self._reserved -= reserved
        self._spent += spent
        if self._settled:
            self._settled.set()
            self._settled = None


@dataclass(frozen=True)
class RowFailure:
    """Why a row has no answer."""

    state: State
    reason: str


@asynccontextmanager
async def connect(
    access: ServerAddress, budget: Budget, in_flight: int
) -> "AsyncIterator[Connection]":
    """A session that holds at most `in_flight` requests at once."""
    connector: aiohttp.BaseConnector
    if access.socket:
        connector = aiohttp.UnixConnector(str(access.socket), limit=in_flight)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=30.0)
    else:
        connector = aiohttp.TCPConnector(limit=in_flight)
        timeout = aiohttp.ClientTimeout(total=ENDPOINT_TIMEOUT_SECONDS)
    headers = {"Content-Type": "application/json"}
    if access.key:
        headers["Authorization"] = f"Bearer {access.key}"
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, headers=headers, trust_env=access.socket is None
    ) as session:
        yield Connection(session, access, budget)


class Connection:
    """Asks one server; raises EngineLostError when that is an engine and it is gone."""

    def __init__(
        self, session: aiohttp.ClientSession, access: ServerAddress, budget: Budget
    ) -> None:
        self._session = session
        self._access = access
        self._budget = budget
        self._spellings: dict[str, asyncio.Task[tuple[int, ...]]] = {}
        self._tokens: dict[str, asyncio.Task[list[int] | RowFailure]] = {}

    async def post(
        self, path: str, body: dict[str, Any], reply_tokens: int
    ) -> dict[str, Any] | RowFailure:
        """The server's answer; of an endpoint after as many tries as it takes."""
        text = json.dumps(body)
        if self._access.socket:
            return await self._post_to_engine(f"/v1{path}", text)
        reserved = reply_tokens + len(text) // 4  # English has about 4 characters a token
        if not await self._budget.reserve(reserved):
            return RowFailure(
                "failed",
                f"Not asked: the budget of {self._budget.total} tokens (token_budget) is spent.",
            )
        spent = 0
        try:
            answer = await self._post_to_endpoint(path, text)
            if not isinstance(answer, RowFailure):
                spent = int((answer.get("usage") or {}).get("total_tokens") or reserved)
            return answer
        finally:
            self._budget.settle(reserved, spent)

    async def spellings(self, label: str) -> tuple[int, ...]:
        """The engine's tokens that spell `label` on their own, as it stands and after a space."""
        if label not in self._spellings:
            self._spellings[label] = asyncio.ensure_future(self._ask_spellings(label))
        return await self._spellings[label]

    async def tokens(self, body: str) -> list[int] | RowFailure:
        """The engine's tokens of a text or a conversation; `body` is that of `/tokenize`."""
        if body not in self._tokens:
            self._tokens[body] = asyncio.ensure_future(self._ask_tokens(body))
        return await self._tokens[body]

    async def _ask_tokens(self, body: str) -> list[int] | RowFailure:
        answer = await self._post_to_engine("/tokenize", body)
        return (
            answer if isinstance(answer, RowFailure) else [int(token) for token in answer["tokens"]]
        )

    async def _ask_spellings(self, label: str) -> tuple[int, ...]:
        ids = set()
        for spelling in (label, f" {label}"):
            body = {"model": self._access.model, "prompt": spelling, "add_special_tokens": False}
            answer = await self._post_to_engine("/tokenize", json.dumps(body))
            if not isinstance(answer, RowFailure) and len(answer["tokens"]) == 1:
                ids.add(int(answer["tokens"][0]))
        return tuple(sorted(ids))

    async def _post_to_engine(self, path: str, text: str) -> dict[str, Any] | RowFailure:
        try:
            status, said, _ = await self._send(path, text)
            if status >= 500 and not await self._healthy():
                raise EngineLostError(f"The engine answered {status} and is not well: {said[:300]}")
        except (aiohttp.ClientError, OSError) as error:
            raise EngineLostError(f"The engine is gone ({type(error).__name__}).") from error
        return self._understood(status, said)

    async def _healthy(self) -> bool:
        await asyncio.sleep(0.5)
        async with self._session.get(f"{self._access.url}/health") as response:
            return response.status == 200

    async def _post_to_endpoint(self, path: str, text: str) -> dict[str, Any] | RowFailure:
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(_TransientError),
            stop=tenacity.stop_after_attempt(ENDPOINT_TRIES),
            wait=_wait_before_retry,
            reraise=True,
        )
        try:
            return await retrying(self._post_once, path, text)
        except _TransientError as error:
            last = self._clean(str(error))
            return RowFailure("failed", f"Given up after {ENDPOINT_TRIES} tries; the last: {last}")

    async def _post_once(self, path: str, text: str) -> dict[str, Any] | RowFailure:
        """One try; raises _TransientError where another may succeed."""
        try:
            status, said, retry_after = await self._send(path, text)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _TransientError(f"{type(error).__name__}: {error}") from error
        if status == 401:
            raise RuntimeError(
                f"{self._access.url} refused the key in the environment variable "
                f"{self._access.api_key_env or '(none was named: set api_key_env)'}."
            )
        if status in (408, 429) or status >= 500:
            raise _TransientError(f"{status}: {_message(said)}", retry_after)
        return self._understood(status, said)

    async def _send(self, path: str, text: str) -> tuple[int, str, str | None]:
        url = f"{self._access.url}{path}"
        async with self._session.post(url, data=text.encode()) as response:
            said = await response.text()
            return response.status, said, response.headers.get("Retry-After")

    def _understood(self, status: int, said: str) -> dict[str, Any] | RowFailure:
        if status == 200:
            try:
                answer = json.loads(said)
            except ValueError:
                return RowFailure("failed", f"Not JSON: {self._clean(said)}")
            if isinstance(answer, dict) and (answer.get("choices") or "tokens" in answer):
                return answer
        message = self._clean(_message(said))
        if _TOO_LONG.search(said):
            return RowFailure("too_long", message)
        return RowFailure("failed", f"{status}: {message}")

    def _clean(self, said: str) -> str:
        if self._access.key:
            said = said.replace(self._access.key, "(the key)")
        return said[:500]


_TOO_LONG = re.compile(
    r"maximum context length|context_length_exceeded|context length \(|max_model_len|"
    r"prompt is too long",
    re.IGNORECASE,
)


def _message(said: str) -> str:
    """The message inside an OpenAI-style error, or all that was said."""
    try:
        answer = json.loads(said)
        error = answer.get("error", answer)
        return str(error.get("message", error)) if isinstance(error, dict) else str(error)
    except (ValueError, AttributeError):
        return said.strip() or "no message"


def _wait_before_retry(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    retry_after = error.retry_after if isinstance(error, _TransientError) else None
    return _wait_seconds(state.attempt_number, retry_after)


def _wait_seconds(attempt: int, retry_after: str | None) -> float:
    """What the server asked for, or exponential back-off with jitter (full upper half)."""
    if retry_after is not None:
        try:
            asked = float(retry_after)
        except ValueError:
            try:
                asked = parsedate_to_datetime(retry_after).timestamp() - time.time()
            except (ValueError, TypeError):
                asked = 0.0
        if asked > 0:
            return min(asked, LONGEST_RETRY_AFTER_SECONDS) + random.uniform(0, 0.1)
    longest = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
    return random.uniform(longest / 2, longest)
