"""A client that sends many requests at once: chat replies and log-probabilities.

The client connects to engines on this host by unix socket, and to OpenAI-compatible endpoints by
HTTP. `engine.engine` and `engine.endpoint` create clients.

Equal requests with equal seeds have equal replies if the server guarantees it. vLLM does on a CPU,
whatever else is in the batch, and on a GPU only in its batch-invariant mode; most endpoints do not.
"""

import asyncio
import hashlib
import itertools
import json
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError
from tqdm import tqdm

from manybaskets.data import responses
from manybaskets.files import canonical_json
from manybaskets.serving.http import (
    Budget,
    Connection,
    EngineLostError,
    RowFailure,
    ServerAddress,
    State,
    connect,
)
from manybaskets.serving.replies import first_top, log_sum_exp, response_of, scores
from manybaskets.serving.text_logprobs import TextReply, TextRequest, score_text, score_texts

ENGINE_REQUESTS_IN_FLIGHT = 512  # vLLM queues requests beyond its batch
ENDPOINT_REQUESTS_IN_FLIGHT = 64
ENDPOINT_TOP_LOG_PROBS = 20  # the maximum of OpenAI's API


@dataclass(frozen=True)
class ChatRequest:
    """A conversation to be continued by a reply of at most `max_tokens` tokens."""

    id: str  # unique within the call
    messages: tuple[dict[str, str], ...]  # [{"role": …, "content": …}]
    seed: int
    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 128
    prefill: str = ""  # forced beginning of the reply; the reply's text excludes it
    raw_prompt: str = ""  # a text to be continued without a chat template, instead of messages
    score_tokens: tuple[str, ...] = ()  # tokens whose log-probabilities the reply contains: "1"
    template_variables: tuple[tuple[str, Any], ...] = ()  # of the chat template at an endpoint
    reasoning: responses.Rule = "drop"  # whether the text of the reply contains its reasoning


@dataclass(frozen=True)
class Reply:
    """The reply to a ChatRequest; `text` is empty unless the state is ok or length."""

    id: str
    text: str
    state: State  # length: stopped at max_tokens; too_long: the prompt does not fit the context
    reason: str  # "" if ok, else a sentence; for failed, the server's message
    prompt_tokens: int
    completion_tokens: int
    # For each token of the reply that is one of the `score_tokens`: its offset in `text`, and the
    # log-probabilities of all `score_tokens` at this position, before temperature and top-p (None
    # outside the 20 likeliest tokens).
    scores: tuple[tuple[int, tuple[float | None, ...]], ...] = ()
    reasoning: str = ""


@dataclass(frozen=True)
class LabelRequest:
    """A conversation whose reply should begin with one of `labels`, such as ("A", "B")."""

    id: str
    messages: tuple[dict[str, str], ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class LabelReply:
    """Natural log-probabilities of the labels as the beginning of the reply.

    They are values before temperature and top-p, with log-sum-exp over the spellings of a label
    ("A" and " A") that are a single token; if none is, over both spellings as several tokens. None
    is a value that the server did not return.
    """

    id: str
    log_probs: tuple[float | None, ...]
    state: State
    reason: str


AnyRequest = TypeVar("AnyRequest", ChatRequest, LabelRequest, TextRequest)
AnyReply = TypeVar("AnyReply", Reply, LabelReply, TextReply)


class Client:
    """A client of one model, valid within the context of `engine.engine` or `engine.endpoint`."""

    def __init__(
        self,
        address: ServerAddress,
        restart: Callable[[str], ServerAddress] | None = None,
        token_budget: int | None = None,
    ) -> None:
        """`restart` restarts a lost engine, or raises RuntimeError with the engine's log."""
        self._address = address
        self._restart = restart
        self._budget = Budget(token_budget)
        self._is_probed = address.socket is not None

    def chat(
        self, requests: Sequence[ChatRequest], partial: Path | None = None, progress: str = ""
    ) -> list[Reply]:
        """Returns one reply per request, in order.

        Finished rows are appended to the JSON-lines file `partial`. A row in this file with the
        same request and the same weights is reused; failed rows are sent again. `progress` is the
        title of a progress bar on stderr. Raises ValueError for two requests with the same id,
        RuntimeError with the end of the engine's log if the engine is lost twice, and EndpointError
        for an endpoint that cannot be reached or refuses every row with the same error.
        """
        rows = _PartialRows(partial, "chat", Reply)
        return self._all(requests, rows, self._chat_one, progress)

    def label_log_probs(
        self, requests: Sequence[LabelRequest], partial: Path | None = None, progress: str = ""
    ) -> list[LabelReply]:
        """Returns one LabelReply per request, in order; see `chat` for the arguments.

        An engine returns exact values for all labels. An endpoint returns values for the 20
        likeliest tokens only; other labels are None.
        """
        one = self._label_one if self._address.socket else self._label_one_of_top
        return self._all(requests, _PartialRows(partial, "labels", LabelReply), one, progress)

    def text_log_probs(
        self, requests: Sequence[TextRequest], partial: Path | None = None, progress: str = ""
    ) -> list[TextReply]:
        """Returns one TextReply per request, in order; see `chat` for the arguments.

        Endpoints do not support this: all their replies have the state failed.
        """
        if self._address.socket is None:
            reason = "An endpoint does not return the log-probability of a given text."
            return [TextReply(request.id, None, 0, "failed", reason) for request in requests]
        rows = _PartialRows(partial, "texts", TextReply)
        return self._all(requests, rows, self._text_one, progress)

    def _all(
        self,
        requests: Sequence[AnyRequest],
        rows: "_PartialRows[AnyReply]",
        one: "Callable[[Connection, AnyRequest], Awaitable[AnyReply]]",
        progress: str,
    ) -> list[AnyReply]:
        if len({request.id for request in requests}) < len(requests):
            raise ValueError("two requests of one call have the same id")
        keys = {request.id: rows.key(self._address.identity, request) for request in requests}
        done = rows.finished(keys)
        while True:
            missing = [request for request in requests if request.id not in done]
            if not missing:
                return [done[request.id] for request in requests]
            with (
                rows.appending() as append,
                tqdm(
                    total=len(requests),
                    initial=len(done),
                    desc=progress,
                    disable=not progress,
                    mininterval=0.5 if sys.stderr.isatty() else 10.0,
                ) as bar,
            ):

                def finish(reply: AnyReply) -> None:
                    done[reply.id] = reply
                    if reply.state != "failed":
                        append(keys[reply.id], reply)
                    bar.update()

                try:
                    asyncio.run(self._send_all(missing, one, finish))
                except EngineLostError as lost:
                    if self._restart is None:
                        raise RuntimeError(str(lost)) from lost
                    self._address = self._restart(str(lost))

    async def _send_all(
        self,
        requests: Sequence[AnyRequest],
        one: "Callable[[Connection, AnyRequest], Awaitable[AnyReply]]",
        finish: Callable[[AnyReply], None],
    ) -> None:
        in_flight = (
            ENGINE_REQUESTS_IN_FLIGHT if self._address.socket else ENDPOINT_REQUESTS_IN_FLIGHT
        )
        waiting = iter(requests)  # shared by all workers

        async def work(connection: Connection) -> None:
            for request in waiting:
                finish(await one(connection, request))

        async with connect(self._address, self._budget, in_flight) as connection:
            if not self._is_probed:
                await connection.probe()
                self._is_probed = True
            workers = [
                asyncio.ensure_future(work(connection))
                for _ in range(min(in_flight, len(requests)))
            ]
            try:
                await asyncio.gather(*workers)
            finally:
                for worker in workers:
                    worker.cancel()
                await asyncio.gather(*workers, return_exceptions=True)

    async def _chat_one(self, connection: "Connection", request: ChatRequest) -> Reply:
        path, body = self._chat_body(request)
        answer = await connection.post(path, body, request.max_tokens)
        if isinstance(answer, RowFailure):
            return Reply(request.id, "", answer.state, answer.reason, 0, 0)
        choice = answer["choices"][0]
        usage = answer.get("usage") or {}
        prompt_tokens = usage.get("prompt_tokens") or 0
        completion_tokens = usage.get("completion_tokens") or 0
        response = response_of(choice, request)
        state: State = "ok"
        reason = ""
        if not response.text:
            state, reason = "empty", "The reply has no text."
            if response.reasoning:
                reason = f"The reply has no text after {completion_tokens} tokens of reasoning."
        elif choice.get("finish_reason") == "length":
            state = "length"
            reason = f"The reply was cut after {completion_tokens} tokens."
        return Reply(
            request.id, response.text, state, reason, prompt_tokens, completion_tokens,
            scores(choice, request, response.text), response.reasoning,
        )  # fmt: skip

    def _chat_body(self, request: ChatRequest) -> tuple[str, dict[str, Any]]:
        """Returns the path and the body of the HTTP request."""
        body: dict[str, Any] = {
            "model": self._address.model,
            "messages": list(request.messages),
            "seed": request.seed,
            "temperature": request.temperature,
            "top_p": request.top_p,
            "max_tokens": request.max_tokens,
        }
        if request.prefill:
            body["messages"].append({"role": "assistant", "content": request.prefill})
            body["add_generation_prompt"] = False
            body["continue_final_message"] = True
        if request.template_variables:
            body["chat_template_kwargs"] = dict(request.template_variables)
        if request.raw_prompt:
            body["prompt"] = request.raw_prompt
            del body["messages"]
        if request.score_tokens and request.raw_prompt:
            body["logprobs"] = ENDPOINT_TOP_LOG_PROBS
        elif request.score_tokens:
            body |= {"logprobs": True, "top_logprobs": ENDPOINT_TOP_LOG_PROBS}
        return "/completions" if request.raw_prompt else "/chat/completions", body

    async def _label_one(self, connection: "Connection", request: LabelRequest) -> LabelReply:
        missing = (None,) * len(request.labels)
        spellings = [await connection.label_tokens(label) for label in request.labels]
        if not all(spellings):
            return await self._label_one_of_several_tokens(connection, request)
        body = {
            "model": self._address.model,
            "messages": list(request.messages),
            "max_tokens": 1,
            "temperature": 0.0,
            "logprobs": True,
            "logprob_token_ids": sorted({token for ids in spellings for token in ids}),
            "return_tokens_as_token_ids": True,
        }
        answer = await connection.post("/chat/completions", body, 1)
        if isinstance(answer, RowFailure):
            return LabelReply(request.id, missing, answer.state, answer.reason)
        log_probs = {top["token"]: top["logprob"] for top in first_top(answer)}
        names = [[f"token_id:{token}" for token in ids] for ids in spellings]
        if not all(name in log_probs for name in itertools.chain(*names)):
            reason = "The engine did not return the log-probabilities of all labels."
            return LabelReply(request.id, missing, "failed", reason)
        values = tuple(log_sum_exp([log_probs[name] for name in of_label]) for of_label in names)
        return LabelReply(request.id, values, "ok", "")

    async def _label_one_of_several_tokens(
        self, connection: "Connection", request: LabelRequest
    ) -> LabelReply:
        conversation = TextRequest(request.id, request.messages, "")
        values = []
        for label in request.labels:
            spellings = (label, f" {label}")
            replies = await score_texts(connection, self._address.model, conversation, spellings)
            for reply in replies:
                if reply.state != "ok":
                    missing = (None,) * len(request.labels)
                    return LabelReply(request.id, missing, reply.state, reply.reason)
            values.append(log_sum_exp([-reply.nats for reply in replies if reply.nats is not None]))
        return LabelReply(request.id, tuple(values), "ok", "")

    async def _text_one(self, connection: "Connection", request: TextRequest) -> TextReply:
        return await score_text(connection, self._address.model, request)

    async def _label_one_of_top(
        self, connection: "Connection", request: LabelRequest
    ) -> LabelReply:
        missing = (None,) * len(request.labels)
        body = {
            "model": self._address.model,
            "messages": list(request.messages),
            "max_tokens": 1,
            "temperature": 0.0,
            "logprobs": True,
            "top_logprobs": ENDPOINT_TOP_LOG_PROBS,
        }
        answer = await connection.post("/chat/completions", body, 1)
        if isinstance(answer, RowFailure):
            return LabelReply(request.id, missing, answer.state, answer.reason)
        top = first_top(answer)
        if not top:
            reason = "The endpoint returned no log-probabilities."
            return LabelReply(request.id, missing, "failed", reason)
        values = []
        for label in request.labels:
            spellings = [row for row in top if row["token"] in (label, f" {label}")]
            values.append(log_sum_exp([row["logprob"] for row in spellings]))
        return LabelReply(request.id, tuple(values), "ok", "")


class _PartialRows(Generic[AnyReply]):
    """The file of finished rows: one JSON object per line, with `key` and the fields of a reply."""

    def __init__(self, path: Path | None, kind: str, reply_type: type[AnyReply]) -> None:
        self._path = path
        self._kind = kind
        self._reply: TypeAdapter[AnyReply] = TypeAdapter(reply_type)

    def key(self, identity: str, request: ChatRequest | LabelRequest | TextRequest) -> str:
        """Returns a hash of all that determines the reply (not the row's id)."""
        fields = {name: value for name, value in asdict(request).items() if name != "id"}
        content = canonical_json([self._kind, identity, fields])
        # Texts of a request may contain halves of surrogate pairs.
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def finished(self, keys: dict[str, str]) -> dict[str, AnyReply]:
        """Returns the replies in the file by request id; skips incomplete lines."""
        if self._path is None or not self._path.is_file():
            return {}
        rows: dict[str, dict[str, Any]] = {}
        with self._path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    row = json.loads(line)
                    rows[row.pop("key")] = row
                except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                    continue
        replies = {id: self._restored(rows[key], id) for id, key in keys.items() if key in rows}
        return {id: reply for id, reply in replies.items() if reply is not None}

    def _restored(self, row: dict[str, Any], id: str) -> AnyReply | None:
        """Returns the reply of a line; None for a line with other fields or types."""
        try:
            reply: AnyReply = self._reply.validate_python(row | {"id": id})
        except ValidationError:
            return None
        return reply

    def appending(self) -> "_Appending":
        """Returns a context that yields the function `append(key, reply)`."""
        return _Appending(self._path)


class _Appending:
    def __init__(self, path: Path | None) -> None:
        self._path = path

    def __enter__(self) -> Callable[[str, Reply | LabelReply | TextReply], None]:
        if self._path is None:
            return lambda *_: None
        self._path.parent.mkdir(parents=True, exist_ok=True)
        is_incomplete = self._path.is_file() and _last_byte(self._path) not in (b"", b"\n")
        # Only the owner: it may contain what models answer to harmful requests.
        descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        os.fchmod(descriptor, 0o600)
        self._file = os.fdopen(descriptor, "a", encoding="utf-8", buffering=1)
        if is_incomplete:
            self._file.write("\n")
        return self._append

    def _append(self, key: str, reply: Reply | LabelReply | TextReply) -> None:
        self._file.write(canonical_json({"key": key, **asdict(reply)}) + "\n")

    def __exit__(self, *_: object) -> None:
        if self._path is not None:
            self._file.close()


def _last_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, file.seek(0, 2) - 1))
        return file.read()
