"""The client against a local HTTP server with the failures of real endpoints."""

import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from manybaskets.serving import http, sessions
from manybaskets.serving.client import ChatRequest, LabelRequest
from manybaskets.serving.engine import endpoint
from manybaskets.serving.text_logprobs import TextRequest
from tests.support.endpoint import Answer, Endpoint, refused, replied


def asked(number: int, **wishes: Any) -> ChatRequest:
    messages = ({"role": "user", "content": str(number)},)
    return ChatRequest(f"row-{number}", messages, seed=number, **wishes)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setattr(http, "FIRST_WAIT_SECONDS", 0.01)
    endpoint = Endpoint()
    yield endpoint
    endpoint.close()


def test_a_source_s_system_message_stands_before_every_request(
    server: Endpoint, tmp_path: Path
) -> None:
    source = {"name": "api", "endpoint": server.url, "model": "m"}
    generation = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 8}
    for system in ({}, {"system": "Be brief."}):
        spec = {"source": source | system, "generation": generation, "engine": {}}
        asked = [{"id": "1", "prompt": "Question?"}]
        sessions.source_rows(spec, asked, ("test", len(system)), None, tmp_path / "rows.jsonl")
    user = {"role": "user", "content": "Question?"}
    messages = [request["messages"] for request in server.asked]
    assert messages == [[user], [{"role": "system", "content": "Be brief."}, user]]


def test_replies_come_in_the_order_of_requests(server: Endpoint) -> None:
    requests = [asked(number) for number in range(300)]
    with endpoint(server.url, "m") as client:
        replies = client.chat(requests, progress="replies")
    assert [(reply.id, reply.text) for reply in replies] == [
        (f"row-{number}", f"to {number}") for number in range(300)
    ]
    assert {reply.state for reply in replies} == {"ok"}
    assert (replies[0].prompt_tokens, replies[0].completion_tokens) == (6, 4)
    assert server.most_at_once > 20


def test_request_says_what_was_wished(server: Endpoint) -> None:
    with endpoint(server.url, "m") as client:
        client.chat([asked(1, temperature=0.5, top_p=0.9, max_tokens=7, prefill="Sure")])
    assert server.asked == [
        {
            "model": "m",
            "messages": [
                {"role": "user", "content": "1"},
                {"role": "assistant", "content": "Sure"},
            ],
            "seed": 1,
            "temperature": 0.5,
            "top_p": 0.9,
            "max_tokens": 7,
            "add_generation_prompt": False,
            "continue_final_message": True,
        }
    ]


def test_states_of_replies(server: Endpoint) -> None:
    answers: dict[str, Answer] = {
        "0": lambda body: replied(body, " \n"),
        "1": lambda body: replied(body, "and then", "length"),
        "2": lambda body: refused(400, "This model's maximum context length is 8 tokens."),
        "3": lambda body: refused(400, "no such parameter"),
        "4": lambda body: web.Response(text="<html>", content_type="text/html"),
        "5": lambda body: web.json_response({"choices": []}),
    }
    server.answer = lambda body: answers[body["messages"][0]["content"]](body)
    with endpoint(server.url, "m") as client:
        replies = client.chat([asked(number) for number in range(6)])
    assert [reply.state for reply in replies] == [
        "empty",
        "length",
        "too_long",
        "failed",
        "failed",
        "failed",
    ]
    assert replies[1].text == "and then"
    assert replies[2].reason == "This model's maximum context length is 8 tokens."
    assert replies[3].reason == "400: no such parameter"
    assert all(reply.text == "" for reply in replies if reply.state != "length")
    assert len(server.asked) == 6  # nothing of this is tried again


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_troubles_are_tried_again(server: Endpoint, status: int) -> None:
    server.answer = lambda body: (
        refused(status, "later") if len(server.asked) < 4 else replied(body)
    )
    with endpoint(server.url, "m") as client:
        (reply,) = client.chat([asked(1)])
    assert reply.state == "ok"
    assert len(server.asked) == 4


def test_waiting_as_long_as_the_server_asks(server: Endpoint) -> None:
    server.answer = lambda body: (
        refused(429, "later", **{"Retry-After": "1"}) if len(server.asked) < 2 else replied(body)
    )
    began = time.monotonic()
    with endpoint(server.url, "m") as client:
        client.chat([asked(1)])
    assert time.monotonic() - began >= 1.0


def test_lasting_trouble_is_told_and_asked_again_the_next_time(
    server: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "ENDPOINT_TRIES", 3)
    partial = tmp_path / "rows.jsonl"
    server.answer = lambda body: refused(503, "overloaded")
    with endpoint(server.url, "m") as client:
        (reply,) = client.chat([asked(1)], partial)
        assert reply.state == "failed"
        assert reply.reason == "Given up after 3 tries; the last: 503: overloaded"
        server.answer = replied
        assert client.chat([asked(1)], partial)[0].state == "ok"
    assert partial.stat().st_mode & 0o777 == 0o600
    assert len(server.asked) == 4


def test_budget_is_never_exceeded_and_says_so(server: Endpoint) -> None:
    requests = [asked(number, max_tokens=20) for number in range(50)]
    with endpoint(server.url, "m", token_budget=200) as client:
        replies = client.chat(requests)
        (later,) = client.chat([asked(99, max_tokens=20)])
    spent = 10 * sum(reply.state == "ok" for reply in replies)
    assert 100 <= spent <= 200
    failed = [reply for reply in replies if reply.state == "failed"]
    assert len(failed) == 50 - spent // 10
    assert "budget of 200 tokens" in failed[0].reason
    assert later.state == "failed"
    assert len(server.asked) == spent // 10


def test_key_comes_from_the_environment_and_appears_nowhere(
    server: Endpoint, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BIRD_KEY", "secret-key")
    server.answer = lambda body: refused(400, "the key secret-key may not do this")
    partial = tmp_path / "rows.jsonl"
    with endpoint(server.url, "m", "BIRD_KEY") as client:
        (reply,) = client.chat([asked(1)], partial)
        assert server.headers[0]["Authorization"] == "Bearer secret-key"
        assert reply.reason == "400: the key (the key) may not do this"
        assert "secret-key" not in repr(vars(client)) + partial.read_text()
        server.answer = lambda body: refused(401, "Incorrect API key: secret-key")
        with pytest.raises(RuntimeError, match=r"refused the key in .* BIRD_KEY") as refusal:
            client.chat([asked(number) for number in range(100)])
    assert "secret-key" not in str(refusal.value)


def test_unset_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BIRD_KEY", raising=False)
    with (
        pytest.raises(RuntimeError, match="environment variable BIRD_KEY, which is not set"),
        endpoint("http://127.0.0.1:9/v1", "m", "BIRD_KEY"),
    ):
        pass


def test_finished_rows_are_found_by_what_was_asked(server: Endpoint, tmp_path: Path) -> None:
    partial = tmp_path / "rows.jsonl"
    with endpoint(server.url, "m") as client:
        first = client.chat([asked(number) for number in range(3)], partial)
        partial.write_text(partial.read_text() + '{"key": "torn')
        again = client.chat([asked(number) for number in range(4)], partial)
        assert again[:3] == first
        assert len(server.asked) == 4
        client.chat([asked(3, temperature=0.5)], partial)
        assert len(server.asked) == 5
    with endpoint(server.url, "another") as client:
        client.chat([asked(3)], partial)
    assert len(server.asked) == 6
    rows = [json.loads(line) for line in partial.read_text().splitlines() if "torn" not in line]
    assert [row["id"] for row in rows][3:] == ["row-3", "row-3", "row-3"]


def test_two_requests_of_one_id_are_refused(server: Endpoint) -> None:
    with endpoint(server.url, "m") as client, pytest.raises(ValueError, match="same id"):
        client.chat([asked(1), asked(1)])


def test_labels_of_an_endpoint_come_from_the_likeliest_tokens(
    server: Endpoint, tmp_path: Path
) -> None:
    top = [("A", -1.0), (" A", -2.0), ("C", -3.0)]
    content = [{"top_logprobs": [{"token": token, "logprob": value} for token, value in top]}]
    server.answer = lambda body: replied(body, "A", logprobs={"content": content})
    request = LabelRequest("x", ({"role": "user", "content": "A or B?"},), ("A", "B"))
    with endpoint(server.url, "m") as client:
        (reply,) = client.label_log_probs([request], tmp_path / "rows.jsonl")
        assert client.label_log_probs([request], tmp_path / "rows.jsonl") == [reply]
    assert len(server.asked) == 1
    assert server.asked[0]["top_logprobs"] == 20
    assert reply.log_probs[0] == pytest.approx(math.log(math.exp(-1.0) + math.exp(-2.0)))
    assert reply.log_probs[1] is None
    assert reply.state == "ok"


def test_endpoint_without_log_probs_is_told(server: Endpoint) -> None:
    request = LabelRequest("x", ({"role": "user", "content": "A or B?"},), ("A", "B"))
    with endpoint(server.url, "m") as client:
        (reply,) = client.label_log_probs([request])
    assert reply.state == "failed"
    assert reply.log_probs == (None, None)
    assert reply.reason == "The endpoint returned no log-probabilities."


def test_an_endpoint_does_not_tell_how_probable_a_text_is(server: Endpoint) -> None:
    request = TextRequest("1", ({"role": "user", "content": "?"},), "an answer")
    with endpoint(server.url, "m") as client:
        (reply,) = client.text_log_probs([request])
    assert (reply.state, reply.nats) == ("failed", None)
    assert "endpoint" in reply.reason
    assert server.asked == []


@pytest.mark.parametrize(
    ("message", "text", "reasoning"),
    [
        ({"content": "<think>A bird?</think>\nA gull. "}, "A gull.", "A bird?"),
        ({"content": "A gull.", "reasoning_content": "A bird?"}, "A gull.", "A bird?"),
        ({"content": "\n A gull.\n"}, "A gull.", ""),
    ],
)
def test_a_reply_excludes_its_reasoning(
    server: Endpoint, message: dict[str, str], text: str, reasoning: str
) -> None:
    server.answer = lambda body: replied(body, message=message)
    with endpoint(server.url, "m") as client:
        (dropped,) = client.chat([asked(1)])
        (kept,) = client.chat([asked(1, reasoning="keep")])
    assert (dropped.text, dropped.reasoning, dropped.state) == (text, reasoning, "ok")
    assert kept.text.startswith("<think>") == bool(reasoning) and kept.text.endswith(text)


@pytest.mark.parametrize(
    "message", [{"content": None, "reasoning_content": "A bi"}, {"content": "<think>A bi"}]
)
def test_a_reply_of_reasoning_only_is_empty_and_not_requested_again(
    server: Endpoint, message: dict[str, str], tmp_path: Path
) -> None:
    server.answer = lambda body: replied(body, message=message, finish="length")
    spec = {
        "source": {"name": "api", "endpoint": server.url, "model": "m"},
        "generation": {"temperature": 1.0, "top_p": 1.0, "max_tokens": 8, "reasoning": "separate"},
        "engine": {},
    }
    rows = [{"id": "1", "prompt": "Question?"}]
    (row,) = sessions.source_rows(spec, rows, ("test",), None, tmp_path / "rows.jsonl")
    assert (row["response"], row["state"], row["reasoning"]) == ("", "empty", "A bi")
    assert "tokens of reasoning" in row["reason"]
    assert len(server.asked) == 1


def test_scores_of_a_judge_that_reasons_are_those_of_its_answer(server: Endpoint) -> None:
    tokens = ["<think>", "1", "</think>", "\n", "2"]
    content = [
        {"token": t, "logprob": -0.1, "top_logprobs": [{"token": t, "logprob": -0.1}]}
        for t in tokens
    ]
    server.answer = lambda body: replied(body, "".join(tokens), logprobs={"content": content})
    with endpoint(server.url, "m") as client:
        (reply,) = client.chat([asked(1, score_tokens=("1", "2"))])
    assert (reply.text, reply.scores) == ("2", ((0, (None, -0.1)),))


def test_variables_of_a_chat_template_are_sent_to_an_endpoint(
    server: Endpoint, tmp_path: Path
) -> None:
    source = {"name": "api", "endpoint": server.url, "model": "m"}
    source |= {"chat_template_kwargs": {"enable_thinking": False}}
    generation = {"temperature": 1.0, "top_p": 1.0, "max_tokens": 8}
    spec = {"source": source, "generation": generation, "engine": {}}
    rows = [{"id": "1", "prompt": "Question?"}]
    sessions.source_rows(spec, rows, ("test",), None, tmp_path / "rows.jsonl")
    assert server.asked[0]["chat_template_kwargs"] == {"enable_thinking": False}
