"""Asks language models many things at once: chat replies, and log-probabilities of labels.

Speaks to engines of this host over a unix socket and to OpenAI-compatible endpoints over HTTP.
Knows nothing about how an engine is started or ended; `engine.engine` and `engine.endpoint` make
the clients.

The same request with the same seed has the same text wherever the server promises it: vLLM on a
CPU does, whatever else is in the batch; vLLM on a GPU only in its batch-invariant mode; most
endpoints never.
"""

import asyncio
import hashlib
import json
import math
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from tqdm import tqdm

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
from manybaskets.serving.text_logprobs import TextReply, TextRequest, ask_text, ask_texts

ENGINE_REQUESTS_IN_FLIGHT = 512  # vLLM queues what its batch does not hold
ENDPOINT_REQUESTS_IN_FLIGHT = 64
ENDPOINT_TOP_LOG_PROBS = 20  # the most that OpenAI's API returns


@dataclass(frozen=True)
class ChatRequest:
    """One conversation to be continued by one reply of at most `max_tokens` tokens."""

    id: str  # unique within the call
    messages: tuple[dict[str, str], ...]  # [{"role": …, "content": …}]
    seed: int
    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 128
    prefill: str = ""  # forced beginning of the reply; the reply's text excludes it
    raw_prompt: str = ""  # a text that is continued as it stands, instead of messages
    score_tokens: tuple[
        str, ...
    ] = ()  # tokens, such as "1" to "5", of which probabilities are wanted


@dataclass(frozen=True)
class Reply:
    """What came back for one ChatRequest; `text` is empty unless the state is ok or length."""

    id: str
    text: str
    state: State  # length: stopped at max_tokens; too_long: the prompt does not fit the context
    reason: str  # "" when ok; else a sentence (for failed: what the server said)
    prompt_tokens: int
    completion_tokens: int
    # Where one of the `score_tokens` was written: its place in `text`, and the log-probabilities of all
    # of them there, before temperature and top-p (None outside the 20 likeliest).
    scores: tuple[tuple[int, tuple[float | None, ...]], ...] = ()


@dataclass(frozen=True)
class LabelRequest:
    """One conversation whose reply should begin with one of `labels`, such as ("A", "B")."""

    id: str
    messages: tuple[dict[str, str], ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class LabelReply:
    """Natural log-probabilities of the labels as the beginning of the reply.

    Taken before temperature and top-p, log-sum-exp over a label's spellings ("A" and " A"): those
    that are one token, or where none is, as an engine's tokenizer cuts them. None where the server
    did not return it.
    """

    id: str
    log_probs: tuple[float | None, ...]
    state: State
    reason: str


ModelEndpoint = TypeVar("ModelEndpoint", ChatRequest, LabelRequest, TextRequest)
Answered = TypeVar("Answered", Reply, LabelReply, TextReply)


class Client:
    """Asks one model; made by `engine.engine` or `engine.endpoint`, usable inside their block."""

    def __init__(
        self,
        access: ServerAddress,
        revive: Callable[[str], ServerAddress] | None = None,
        token_budget: int | None = None,
    ) -> None:
        """`revive` starts a lost engine again, or raises RuntimeError with the engine's log."""
        self._access = access
        self._revive = revive
        self._budget = Budget(token_budget)

    def chat(
        self, requests: Sequence[ChatRequest], partial: Path | None = None, progress: str = ""
    ) -> list[Reply]:
        """One reply per request, in their order.

        Finished rows are appended to `partial` (JSON lines) and not asked again when the same
        request to the same weights is found there; rows that failed are asked again. `progress`
        names a bar on stderr. Raises ValueError for two requests with one id, and RuntimeError
        with the end of the engine's log when the engine is lost twice.
        """
        return self._all(requests, _Rows(partial, "chat", Reply), self._chat_one, progress)

    def label_log_probs(
        self, requests: Sequence[LabelRequest], partial: Path | None = None, progress: str = ""
    ) -> list[LabelReply]:
        """One LabelReply per request, in their order; otherwise as `chat`.

        From an engine the values are exact for labels of any rank in the vocabulary; an endpoint
        tells the 20 likeliest tokens only, and labels outside them are None.
        """
        one = self._label_one if self._access.socket else self._label_one_of_top
        return self._all(requests, _Rows(partial, "labels", LabelReply), one, progress)

    def text_log_probs(
        self, requests: Sequence[TextRequest], partial: Path | None = None, progress: str = ""
    ) -> list[TextReply]:
        """One TextReply per request, in their order; otherwise as `chat`.

        An endpoint does not tell it: every reply has failed with that reason.
        """
        if self._access.socket is None:
            reason = "An endpoint does not tell how probable a given text is."
            return [TextReply(request.id, None, 0, "failed", reason) for request in requests]
        return self._all(requests, _Rows(partial, "texts", TextReply), self._text_one, progress)

    def _all(
        self,
        requests: Sequence[ModelEndpoint],
        rows: "_Rows[Answered]",
        one: "Callable[[Connection, ModelEndpoint], Awaitable[Answered]]",
        progress: str,
    ) -> list[Answered]:
        if len({request.id for request in requests}) < len(requests):
            raise ValueError("two requests of one call have the same id")
        keys = {request.id: rows.key(self._access.identity, request) for request in requests}
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

                def finish(answer: Answered) -> None:
                    done[answer.id] = answer
                    if answer.state != "failed":
                        append(keys[answer.id], answer)
                    bar.update()

                try:
                    asyncio.run(self._ask(missing, one, finish))
                except EngineLostError as lost:
                    if self._revive is None:
                        raise RuntimeError(str(lost)) from lost
                    self._access = self._revive(str(lost))

    async def _ask(
        self,
        requests: Sequence[ModelEndpoint],
        one: "Callable[[Connection, ModelEndpoint], Awaitable[Answered]]",
        finish: Callable[[Answered], None],
    ) -> None:
        in_flight = (
            ENGINE_REQUESTS_IN_FLIGHT if self._access.socket else ENDPOINT_REQUESTS_IN_FLIGHT
        )
        waiting = iter(requests)  # shared by the workers: each takes the next one

        async def work(connection: Connection) -> None:
            for request in waiting:
                finish(await one(connection, request))

        async with connect(self._access, self._budget, in_flight) as connection:
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
        body: dict[str, Any] = {
            "model": self._access.model,
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
        place = "/chat/completions"
        if request.raw_prompt:
            place, body["prompt"] = "/completions", request.raw_prompt
            del body["messages"]
        if request.score_tokens:
            many = ENDPOINT_TOP_LOG_PROBS
            body |= {"logprobs": many} if request.raw_prompt else {"logprobs": True}
            body |= {} if request.raw_prompt else {"top_logprobs": many}
        answer = await connection.post(place, body, request.max_tokens)
        if isinstance(answer, RowFailure):
            return Reply(request.id, "", answer.state, answer.reason, 0, 0)
        choice = answer["choices"][0]
        usage = answer.get("usage") or {}
        prompt_tokens = int(usage.get("prompt_tokens") or 0)
        completion_tokens = int(usage.get("completion_tokens") or 0)
        text = choice.get("text") if request.raw_prompt else choice["message"].get("content")
        text = text or ""
        state: State = "ok"
        reason = ""
        if not text.strip():
            state, reason, text = "empty", "The reply has no text.", ""
        elif choice.get("finish_reason") == "length":
            state = "length"
            reason = f"The reply was cut after {completion_tokens} tokens."
        scores = _score_tokens(choice.get("logprobs") or {}, request.score_tokens)
        return Reply(request.id, text, state, reason, prompt_tokens, completion_tokens, scores)

    async def _label_one(self, connection: "Connection", request: LabelRequest) -> LabelReply:
        nothing = (None,) * len(request.labels)
        spellings = [await connection.spellings(label) for label in request.labels]
        if not all(spellings):
            return await self._label_one_of_several_tokens(connection, request)
        body = {
            "model": self._access.model,
            "messages": list(request.messages),
            "max_tokens": 1,
            "temperature": 0.0,
            "logprobs": True,
            "logprob_token_ids": sorted({token for ids in spellings for token in ids}),
            "return_tokens_as_token_ids": True,
        }
        answer = await connection.post("/chat/completions", body, 1)
        if isinstance(answer, RowFailure):
            return LabelReply(request.id, nothing, answer.state, answer.reason)
        log_probs = {
            int(top["token"].removeprefix("token_id:")): float(top["logprob"])
            for top in answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        }
        values = tuple(_log_sum_exp([log_probs[token] for token in ids]) for ids in spellings)
        return LabelReply(request.id, values, "ok", "")

    async def _label_one_of_several_tokens(
        self, connection: "Connection", request: LabelRequest
    ) -> LabelReply:
        asked = TextRequest(request.id, request.messages, "")
        values = []
        for label in request.labels:
            spelled = await ask_texts(connection, self._access.model, asked, (label, f" {label}"))
            for reply in spelled:
                if reply.state != "ok":
                    nothing = (None,) * len(request.labels)
                    return LabelReply(request.id, nothing, reply.state, reply.reason)
            values.append(
                _log_sum_exp([-reply.nats for reply in spelled if reply.nats is not None])
            )
        return LabelReply(request.id, tuple(values), "ok", "")

    async def _text_one(self, connection: "Connection", request: TextRequest) -> TextReply:
        return await ask_text(connection, self._access.model, request)

    async def _label_one_of_top(
        self, connection: "Connection", request: LabelRequest
    ) -> LabelReply:
        nothing = (None,) * len(request.labels)
        body = {
            "model": self._access.model,
            "messages": list(request.messages),
            "max_tokens": 1,
            "temperature": 0.0,
            "logprobs": True,
            "top_logprobs": ENDPOINT_TOP_LOG_PROBS,
        }
        answer = await connection.post("/chat/completions", body, 1)
        if isinstance(answer, RowFailure):
            return LabelReply(request.id, nothing, answer.state, answer.reason)
        content = (answer["choices"][0].get("logprobs") or {}).get("content") or []
        if not content:
            reason = "The endpoint returned no log-probabilities."
            return LabelReply(request.id, nothing, "failed", reason)
        top = content[0].get("top_logprobs") or []
        values = []
        for label in request.labels:
            spelled = [row for row in top if row["token"] in (label, f" {label}")]
            values.append(_log_sum_exp([float(row["logprob"]) for row in spelled]))
        return LabelReply(request.id, tuple(values), "ok", "")


def _score_tokens(
    told: dict[str, Any], score_tokens: Sequence[str]
) -> tuple[tuple[int, tuple[float | None, ...]], ...]:
    """The places of score tokens in a reply, from the token data of either API."""
    if not score_tokens:
        return ()
    if "content" in told:
        tokens = [row["token"] for row in told["content"] or []]
        tops = [
            {top["token"]: float(top["logprob"]) for top in row.get("top_logprobs") or []}
            for row in told["content"] or []
        ]
    else:
        tokens, tops = told.get("tokens") or [], told.get("top_logprobs") or []
    found = []
    place = 0
    for token, top in zip(tokens, tops, strict=True):
        if token.strip() in score_tokens:
            values = []
            for label in score_tokens:
                spelled = [float(value) for key, value in top.items() if key.strip() == label]
                values.append(_log_sum_exp(spelled))
            found.append((place + token.index(token.strip()), tuple(values)))
        place += len(token)
    return tuple(found)


def _log_sum_exp(values: Sequence[float]) -> float | None:
    if not values:
        return None
    largest = max(values)
    return largest + math.log(sum(math.exp(value - largest) for value in values))


class _Rows(Generic[Answered]):
    """The resumable side file: one JSON object a line, `key` beside the fields of the answer."""

    def __init__(self, path: Path | None, kind: str, answer: type[Answered]) -> None:
        self._path = path
        self._kind = kind
        self._answer: type[Any] = answer

    def key(self, identity: str, request: ChatRequest | LabelRequest | TextRequest) -> str:
        """Changes with anything that changes the answer; the row's id is not among it."""
        fields = {name: value for name, value in asdict(request).items() if name != "id"}
        told = canonical_json([self._kind, identity, fields])
        return hashlib.sha256(told.encode()).hexdigest()[:32]

    def finished(self, keys: dict[str, str]) -> dict[str, Answered]:
        """By request id, the answers already in the file; a torn last line is no answer."""
        if self._path is None or not self._path.is_file():
            return {}
        known: dict[str, dict[str, Any]] = {}
        with self._path.open(encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    row = json.loads(line)
                    known[row.pop("key")] = row
                except (ValueError, KeyError, TypeError, AttributeError):
                    continue
        return {
            id: self._answer(**self._restored(known[key], id))
            for id, key in keys.items()
            if key in known
        }

    @staticmethod
    def _restored(row: dict[str, Any], id: str) -> dict[str, Any]:
        row = row | {"id": id}
        if "log_probs" in row:
            row["log_probs"] = tuple(row["log_probs"])
        if "scores" in row:
            row["scores"] = tuple((place, tuple(values)) for place, values in row["scores"])
        return row

    def appending(self) -> "_Appending":
        """A context that yields `append(key, answer)`."""
        return _Appending(self._path)


class _Appending:
    def __init__(self, path: Path | None) -> None:
        self._path = path

    def __enter__(self) -> Callable[[str, Reply | LabelReply | TextReply], None]:
        if self._path is None:
            return lambda *_: None
        self._path.parent.mkdir(parents=True, exist_ok=True)
        torn = self._path.is_file() and not self._path.read_bytes().endswith(b"\n")
        self._file = self._path.open("a", encoding="utf-8", buffering=1)
        if torn and self._file.tell() > 0:
            self._file.write("\n")
        return self._append

    def _append(self, key: str, answer: Reply | LabelReply | TextReply) -> None:
        self._file.write(canonical_json({"key": key, **asdict(answer)}) + "\n")

    def __exit__(self, *_: object) -> None:
        if self._path is not None:
            self._file.close()
