"""HTTP connection to one model server: an engine on this host, or an OpenAI-compatible endpoint.

A request returns the server's answer or a RowFailure, or raises EngineLostError. This module
handles timeouts, retries and the token budget; `client` builds the requests.
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
FIRST_WAIT_SECONDS = 1.0  # before the second try; doubled before each further try
MAX_WAIT_SECONDS = 60.0
MAX_RETRY_AFTER_SECONDS = 600.0
ENDPOINT_TIMEOUT_SECONDS = 600.0

State = Literal["ok", "empty", "length", "too_long", "failed"]


@dataclass(frozen=True)
class ServerAddress:
    """Address of a model: an engine's socket, or an endpoint's URL and key."""

    url: str
    model: str
    identity: str  # identifies the weights; part of the key of a finished row
    socket: Path | None = None
    key: str | None = field(default=None, repr=False)
    api_key_env: str | None = None


class _TransientError(Exception):
    """Raised for a failure of an endpoint that is retried; `retry_after` is the server's header."""

    def __init__(self, reason: str, retry_after: str | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class EngineLostError(Exception):
    """Raised when the engine ended or failed during a request."""


class Budget:
    """The tokens that a client may spend; requests in flight reserve tokens until they finish."""

    def __init__(self, total: int | None) -> None:
        self.total = total
        self._spent = 0
        self._reserved = 0
        self._settled: asyncio.Event | None = None

    async def reserve(self, tokens: int) -> bool:
        """Reserves tokens and returns True, or returns False if the budget is spent.

        Waits for requests in flight if their reservations could free enough tokens.
        """
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
        """Releases a reservation of `reserved` tokens, and counts `spent` tokens."""
        if self.total is None:
            return
        self._reserved -= reserved
        self._spent += spent
        if self._settled:
            self._settled.set()
            self._settled = None


@dataclass(frozen=True)
class RowFailure:
    """The state and the reason of a row without an answer."""

    state: State
    reason: str


@asynccontextmanager
async def connect(
    address: ServerAddress, budget: Budget, in_flight: int
) -> "AsyncIterator[Connection]":
    """Yields a connection with at most `in_flight` concurrent requests."""
    connector: aiohttp.BaseConnector
    if address.socket:
        connector = aiohttp.UnixConnector(str(address.socket), limit=in_flight)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=30.0)
    else:
        connector = aiohttp.TCPConnector(limit=in_flight)
        timeout = aiohttp.ClientTimeout(total=ENDPOINT_TIMEOUT_SECONDS)
    headers = {"Content-Type": "application/json"}
    if address.key:
        headers["Authorization"] = f"Bearer {address.key}"
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, headers=headers, trust_env=address.socket is None
    ) as session:
        yield Connection(session, address, budget)


class Connection:
    """Sends requests to one server; raises EngineLostError if an engine does not answer."""

    def __init__(
        self, session: aiohttp.ClientSession, address: ServerAddress, budget: Budget
    ) -> None:
        self._session = session
        self._address = address
        self._budget = budget
        self._label_tokens: dict[str, asyncio.Task[tuple[int, ...]]] = {}
        self._tokens: dict[str, asyncio.Task[list[int] | RowFailure]] = {}

    async def post(
        self, path: str, body: dict[str, Any], reply_tokens: int
    ) -> dict[str, Any] | RowFailure:
        """Returns the server's answer to a request; retries requests to endpoints.

        `reply_tokens` is the maximum number of tokens of the reply, for the budget.
        """
        content = json.dumps(body)
        if self._address.socket:
            return await self._post_to_engine(f"/v1{path}", content)
        reserved = reply_tokens + len(content) // 4  # English has about 4 characters per token
        if not await self._budget.reserve(reserved):
            return RowFailure(
                "failed",
                f"Not sent: the budget of {self._budget.total} tokens (token_budget) is spent.",
            )
        spent = 0
        try:
            answer = await self._post_to_endpoint(path, content)
            if not isinstance(answer, RowFailure):
                spent = int((answer.get("usage") or {}).get("total_tokens") or reserved)
            return answer
        finally:
            self._budget.settle(reserved, spent)

    async def label_tokens(self, label: str) -> tuple[int, ...]:
        """Returns the ids of the engine's tokens that equal `label`, with or without a space."""
        if label not in self._label_tokens:
            self._label_tokens[label] = asyncio.ensure_future(self._tokenize_label(label))
        return await self._label_tokens[label]

    async def tokens(self, body: str) -> list[int] | RowFailure:
        """Returns the engine's token ids for the JSON body of a request to `/tokenize`."""
        if body not in self._tokens:
            self._tokens[body] = asyncio.ensure_future(self._tokenize(body))
        return await self._tokens[body]

    async def _tokenize(self, body: str) -> list[int] | RowFailure:
        answer = await self._post_to_engine("/tokenize", body)
        return (
            answer if isinstance(answer, RowFailure) else [int(token) for token in answer["tokens"]]
        )

    async def _tokenize_label(self, label: str) -> tuple[int, ...]:
        ids = set()
        for spelling in (label, f" {label}"):
            body = {"model": self._address.model, "prompt": spelling, "add_special_tokens": False}
            answer = await self._post_to_engine("/tokenize", json.dumps(body))
            if not isinstance(answer, RowFailure) and len(answer["tokens"]) == 1:
                ids.add(int(answer["tokens"][0]))
        return tuple(sorted(ids))

    async def _post_to_engine(self, path: str, content: str) -> dict[str, Any] | RowFailure:
        try:
            status, text, _ = await self._send(path, content)
            if status >= 500 and not await self._is_healthy():
                raise EngineLostError(f"The engine answered {status} and is broken: {text[:300]}")
        except (aiohttp.ClientError, OSError) as error:
            raise EngineLostError(f"The engine was lost ({type(error).__name__}).") from error
        return self._parse(status, text)

    async def _is_healthy(self) -> bool:
        await asyncio.sleep(0.5)
        async with self._session.get(f"{self._address.url}/health") as response:
            return response.status == 200

    async def _post_to_endpoint(self, path: str, content: str) -> dict[str, Any] | RowFailure:
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(_TransientError),
            stop=tenacity.stop_after_attempt(ENDPOINT_TRIES),
            wait=_wait_before_retry,
            reraise=True,
        )
        try:
            return await retrying(self._post_once, path, content)
        except _TransientError as error:
            last = self._redact(str(error))
            return RowFailure("failed", f"Given up after {ENDPOINT_TRIES} tries; the last: {last}")

    async def _post_once(self, path: str, content: str) -> dict[str, Any] | RowFailure:
        """Sends a request once; raises _TransientError for failures that are retried."""
        try:
            status, text, retry_after = await self._send(path, content)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise _TransientError(f"{type(error).__name__}: {error}") from error
        if status == 401:
            raise RuntimeError(
                f"{self._address.url} refused the key in the environment variable "
                f"{self._address.api_key_env or '(not configured)'}. Correct the key, or set "
                "api_key_env to the name of its variable."
            )
        if status in (408, 429) or status >= 500:
            raise _TransientError(f"{status}: {_message(text)}", retry_after)
        return self._parse(status, text)

    async def _send(self, path: str, content: str) -> tuple[int, str, str | None]:
        url = f"{self._address.url}{path}"
        async with self._session.post(url, data=content.encode()) as response:
            text = await response.text()
            return response.status, text, response.headers.get("Retry-After")

    def _parse(self, status: int, text: str) -> dict[str, Any] | RowFailure:
        if status == 200:
            try:
                answer = json.loads(text)
            except ValueError:
                return RowFailure("failed", f"Not JSON: {self._redact(text)}")
            if isinstance(answer, dict) and (answer.get("choices") or "tokens" in answer):
                return answer
        message = self._redact(_message(text))
        if _TOO_LONG.search(text):
            return RowFailure("too_long", message)
        return RowFailure("failed", f"{status}: {message}")

    def _redact(self, text: str) -> str:
        if self._address.key:
            text = text.replace(self._address.key, "(the key)")
        return text[:500]


_TOO_LONG = re.compile(
    r"maximum context length|context_length_exceeded|context length \(|max_model_len|"
    r"prompt is too long",
    re.IGNORECASE,
)


def _message(text: str) -> str:
    """Returns the message in an OpenAI-style error, or the whole text of another answer."""
    try:
        answer = json.loads(text)
        error = answer.get("error", answer)
        return str(error.get("message", error)) if isinstance(error, dict) else str(error)
    except (ValueError, AttributeError):
        return text.strip() or "no message"


def _wait_before_retry(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    retry_after = error.retry_after if isinstance(error, _TransientError) else None
    return _wait_seconds(state.attempt_number, retry_after)


def _wait_seconds(attempt: int, retry_after: str | None) -> float:
    """Returns the server's Retry-After or, without it, an exponential back-off with jitter.

    The jitter is uniform over the upper half of the back-off time.
    """
    if retry_after is not None:
        try:
            requested = float(retry_after)
        except ValueError:
            try:
                requested = parsedate_to_datetime(retry_after).timestamp() - time.time()
            except (ValueError, TypeError):
                requested = 0.0
        if requested > 0:
            return min(requested, MAX_RETRY_AFTER_SECONDS) + random.uniform(0, 0.1)
    longest = min(MAX_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
    return random.uniform(longest / 2, longest)
