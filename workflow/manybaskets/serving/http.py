"""HTTP connection to one model server: an engine on this host, or an OpenAI-compatible endpoint.

A request returns the server's answer or a RowFailure, or raises EngineLostError or EndpointError.
This module handles timeouts, retries and the token budget; `client` builds the requests, and
`answers` checks what servers return.
"""

import asyncio
import json
import random
import time
import urllib.parse
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any, Literal

import aiohttp
import tenacity

from manybaskets.serving.answers import AnswerError, answer_of
from manybaskets.serving.error_texts import cleaned, is_too_long, message_of, texts_of
from manybaskets.serving.repeated_errors import EndpointError, RepeatedErrors

ENDPOINT_TRIES = 8
FIRST_WAIT_SECONDS = 1.0  # before the second try; doubled before each further try
MAX_WAIT_SECONDS = 60.0
MAX_RETRY_AFTER_SECONDS = 600.0
ENDPOINT_TIMEOUT_SECONDS = 600.0
PROBE_TRIES = 3
PROBE_TIMEOUT_SECONDS = 10.0
MAX_ANSWER_BYTES = 64 << 20

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
    is_answered: bool = False  # whether the server has computed an answer, which it may charge


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
    # trust_env would also send passwords in ~/.netrc to the endpoint.
    async with aiohttp.ClientSession(
        connector=connector,
        timeout=timeout,
        headers=headers,
        cookie_jar=aiohttp.DummyCookieJar(),
        proxy=None if address.socket else _proxy(address.url),
        trust_env=False,
    ) as session:
        yield Connection(session, address, budget)


def _proxy(url: str) -> str | None:
    """Returns the proxy of the environment for a URL."""
    parts = urllib.parse.urlsplit(url)
    if urllib.request.proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxies = urllib.request.getproxies()
    return proxies.get(parts.scheme) or proxies.get("all")


class Connection:
    """Sends requests to one server; raises EngineLostError if an engine does not answer."""

    def __init__(
        self, session: aiohttp.ClientSession, address: ServerAddress, budget: Budget
    ) -> None:
        self._session = session
        self._address = address
        self._budget = budget
        self._repeated = RepeatedErrors(address.url)
        self._label_tokens: dict[str, asyncio.Task[tuple[int, ...]]] = {}
        self._tokens: dict[str, asyncio.Task[list[int] | RowFailure]] = {}

    async def probe(self) -> None:
        """Raises EndpointError if the endpoint's host does not exist or refuses connections.

        Every HTTP answer is a success; a host that is slow is left to the retries of requests.
        """
        url = f"{self._address.url}/models"
        for attempt in range(PROBE_TRIES):
            try:
                timeout = aiohttp.ClientTimeout(total=PROBE_TIMEOUT_SECONDS)
                async with self._session.get(url, timeout=timeout, allow_redirects=False):
                    return
            except (aiohttp.ClientConnectorError, aiohttp.InvalidURL) as error:
                if attempt + 1 == PROBE_TRIES:
                    raise EndpointError(
                        f"{self._address.url}: no connection to this endpoint "
                        f"({cleaned(str(error), self._address.key, ())}). Correct its URL in the "
                        "config, or start the server."
                    ) from None
                await asyncio.sleep(FIRST_WAIT_SECONDS * 2**attempt)
            except (aiohttp.ClientError, OSError):
                return

    async def post(
        self, path: str, body: dict[str, Any], reply_tokens: int
    ) -> dict[str, Any] | RowFailure:
        """Returns the checked answer to a request (`answers`); retries requests to endpoints.

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
            answer = await self._post_to_endpoint(path, content, texts_of(body))
            if not isinstance(answer, RowFailure):
                spent = (answer.get("usage") or {}).get("total_tokens") or reserved
            elif answer.is_answered:
                spent = reserved
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
        return answer if isinstance(answer, RowFailure) else answer["tokens"]

    async def _tokenize_label(self, label: str) -> tuple[int, ...]:
        ids = set()
        for spelling in (label, f" {label}"):
            body = {"model": self._address.model, "prompt": spelling, "add_special_tokens": False}
            answer = await self._post_to_engine("/tokenize", json.dumps(body))
            if not isinstance(answer, RowFailure) and len(answer["tokens"]) == 1:
                ids.add(answer["tokens"][0])
        return tuple(sorted(ids))

    async def _post_to_engine(self, path: str, content: str) -> dict[str, Any] | RowFailure:
        try:
            response = await self._send(path, content)
            if response.status >= 500 and not await self._is_healthy():
                text = cleaned(message_of(response.content), None, ())
                raise EngineLostError(
                    f"The engine answered {response.status} and is broken: {text}"
                )
        except (aiohttp.ClientError, OSError) as error:
            raise EngineLostError(f"The engine was lost ({type(error).__name__}).") from error
        return self._parse(path, response, ())

    async def _is_healthy(self) -> bool:
        await asyncio.sleep(0.5)
        async with self._session.get(f"{self._address.url}/health") as response:
            return response.status == 200

    async def _post_to_endpoint(
        self, path: str, content: str, texts: Sequence[str]
    ) -> dict[str, Any] | RowFailure:
        retrying = tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(_TransientError),
            stop=tenacity.stop_after_attempt(ENDPOINT_TRIES),
            wait=_wait_before_retry,
            reraise=True,
        )
        try:
            return await retrying(self._post_once, path, content, texts)
        except _TransientError as error:
            last = cleaned(str(error), self._address.key, texts)
            return RowFailure("failed", f"Given up after {ENDPOINT_TRIES} tries; the last: {last}")

    async def _post_once(
        self, path: str, content: str, texts: Sequence[str]
    ) -> dict[str, Any] | RowFailure:
        """Sends a request once; raises _TransientError for failures that are retried."""
        try:
            response = await self._send(path, content)
        except (aiohttp.ClientError, OSError) as error:
            raise _TransientError(f"{type(error).__name__}: {error}") from error
        if response.status == 401:
            raise EndpointError(
                f"{self._address.url} refused the key in the environment variable "
                f"{self._address.api_key_env or '(not configured)'}. Correct the key, or set "
                "api_key_env to the name of its variable."
            )
        if response.status in (408, 429) or response.status >= 500:
            reason = f"{response.status}: {message_of(response.content)}"
            raise _TransientError(reason, response.retry_after)
        answer = self._parse(path, response, texts)
        reason = (
            answer.reason if isinstance(answer, RowFailure) and answer.state == "failed" else ""
        )
        self._repeated.count(response.status, reason)
        return answer

    async def _send(self, path: str, content: str) -> "_Response":
        """Returns the response to a request; redirects are not followed."""
        url = f"{self._address.url}{path}"
        async with self._session.post(
            url, data=content.encode(), allow_redirects=False
        ) as response:
            parts, size = [], 0
            async for part in response.content.iter_chunked(1 << 16):
                parts.append(part)
                size += len(part)
                if size > MAX_ANSWER_BYTES:
                    response.close()
                    break
            headers = response.headers
            return _Response(
                response.status,
                b"".join(parts),
                headers.get("Retry-After"),
                headers.get("Location"),
            )

    def _parse(
        self, path: str, response: "_Response", texts: Sequence[str]
    ) -> dict[str, Any] | RowFailure:
        key, status, content = self._address.key, response.status, response.content
        if len(content) > MAX_ANSWER_BYTES:
            size = MAX_ANSWER_BYTES >> 20
            return RowFailure("failed", f"The answer is larger than {size} MiB.", status == 200)
        if status == 200:
            try:
                return answer_of(path.removeprefix("/v1"), content)
            except AnswerError as error:
                state: State = "too_long" if is_too_long(str(error)) else "failed"
                return RowFailure(state, cleaned(f"{error}.", key, texts), is_answered=True)
        if 300 <= status < 400:
            place = (response.location or "(no Location)").partition("?")[0]
            reason = f"{status}: the endpoint redirects to {place}, which is not followed."
            return RowFailure("failed", cleaned(reason, key, texts))
        message = message_of(content)
        state = "too_long" if is_too_long(message) else "failed"
        prefix = "" if state == "too_long" else f"{status}: "
        return RowFailure(state, prefix + cleaned(message, key, texts))


@dataclass(frozen=True)
class _Response:
    status: int
    content: bytes
    retry_after: str | None
    location: str | None


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
            except (ValueError, TypeError, OverflowError):
                requested = 0.0
        if requested > 0:
            return min(requested, MAX_RETRY_AFTER_SECONDS) + random.uniform(0, 0.1)
    longest = min(MAX_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** (attempt - 1))
    return random.uniform(longest / 2, longest)
