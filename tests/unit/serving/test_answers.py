"""Answers of any shape: a failed row with its reason, or one sentence that ends the job."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from manybaskets.serving import http
from manybaskets.serving.client import ChatRequest, LabelRequest, Reply
from manybaskets.serving.engine import endpoint
from manybaskets.serving.repeated_errors import EndpointError
from tests.support.endpoint import Endpoint, refused, replied

SECRET = "a prompt that is restricted to its owner, of some length"


def request(number: int = 1, **settings: Any) -> ChatRequest:
    messages = ({"role": "user", "content": f"{SECRET} {number}"},)
    return ChatRequest(str(number), messages, number, **settings)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Endpoint]:
    monkeypatch.setattr(http, "FIRST_WAIT_SECONDS", 0.01)
    endpoint = Endpoint()
    yield endpoint
    endpoint.close()


def raw(content: bytes | str, content_type: str = "application/json") -> web.Response:
    body = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
    return web.Response(body=body, headers={"Content-Type": content_type})


def chat(text: str = "yes", **fields: Any) -> str:
    return json.dumps({"choices": [{"message": {"content": text}}], **fields})


SHAPES: dict[str, tuple[bytes | str, str]] = {
    "an empty body": ("", "not JSON"),
    "a page": ("<html>", "not JSON"),
    "null": ("null", "is null"),
    "a list": ("[1]", "is a list"),
    "a text": ('"yes"', "is a text"),
    "no choices": ("{}", "has no choices"),
    "null choices": ('{"choices": null}', "choices"),
    "empty choices": ('{"choices": []}', "empty list choices"),
    "an object of choices": ('{"choices": {"a": 1}}', "choices"),
    "a number as a choice": ('{"choices": [1]}', "choices.0"),
    "no message": ('{"choices": [{"text": "yes"}]}', "has no choices.0.message"),
    "a null message": ('{"choices": [{"message": null}]}', "choices.0.message"),
    "a text as a message": ('{"choices": [{"message": "yes"}]}', "choices.0.message"),
    "a list as content": (
        '{"choices": [{"message": {"content": [{"type": "text", "text": "yes"}]}}]}',
        "content has another type than expected: a list",
    ),
    "a number as content": ('{"choices": [{"message": {"content": 5}}]}', "the number 5"),
    "a number as finish_reason": (
        '{"choices": [{"message": {"content": "yes"}, "finish_reason": 1}]}',
        "finish_reason",
    ),
    "a text as usage": (chat(usage="none"), "usage"),
    "a list as usage": (chat(usage=[]), "usage"),
    "words in usage": (chat(usage={"total_tokens": "many"}), "total_tokens"),
    "negative usage": (chat(usage={"total_tokens": -1}), "total_tokens"),
    "NaN": (chat()[:-1] + ', "usage": {"total_tokens": NaN}}', "NaN"),
    "a huge integer": (chat()[:-1] + ', "usage": {"total_tokens": ' + "1" * 5000 + "}}", "digits"),
    "only tokens": ('{"tokens": [1]}', "has no choices"),
    "deep lists": ("[" * 200_000, "nested too deeply"),
    "deep choices": ('{"choices":' + "[" * 200_000, "nested too deeply"),
    "invalid UTF-8": (b'{"choices":[{"message":{"content":"\xff"}}]}', "not UTF-8"),
    "an error with status 200": ('{"error": {"message": "no credit"}}', "an error: no credit"),
}


@pytest.mark.parametrize(("content", "reason"), SHAPES.values(), ids=SHAPES.keys())
def test_answer_of_another_shape_is_a_failed_row(
    server: Endpoint, tmp_path: Path, content: bytes | str, reason: str
) -> None:
    partial = tmp_path / "rows.jsonl"
    server.answer = lambda body: raw(content)
    with endpoint(server.url, "m") as client:
        (reply,) = client.chat([request()], partial)
        assert reply.state == "failed"
        assert reason in reply.reason
        assert len(reply.reason) <= 500
        assert len(server.asked) == 1
        server.answer = replied
        assert client.chat([request()], partial)[0].state == "ok"


def test_charset_of_an_answer_is_utf_8_whatever_its_header_names(server: Endpoint) -> None:
    server.answer = lambda body: raw(chat("süß"), "application/json; charset=rot13")
    with endpoint(server.url, "m") as client:
        assert client.chat([request()])[0].text == "süß"


def test_lone_surrogates_of_an_answer_are_replaced(server: Endpoint, tmp_path: Path) -> None:
    server.answer = lambda body: raw(chat("yes \ud83d"))
    with endpoint(server.url, "m") as client:
        (reply,) = client.chat([request()], tmp_path / "rows.jsonl")
    assert reply.text == "yes \ufffd"


def test_huge_answer_is_not_read_to_its_end(
    server: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "MAX_ANSWER_BYTES", 1 << 20)
    server.answer = lambda body: raw(chat("x" * (3 << 20)))
    with endpoint(server.url, "m") as client:
        (reply,) = client.chat([request()])
    assert reply.state == "failed"
    assert "larger than 1 MiB" in reply.reason


def test_answer_without_usage_counts_as_its_reservation(server: Endpoint) -> None:
    server.answer = lambda body: raw(chat())
    with endpoint(server.url, "m", token_budget=150) as client:
        replies = client.chat([request(number, max_tokens=20) for number in range(9)])
    assert {reply.state for reply in replies} == {"ok", "failed"}
    assert len(server.asked) < 3


def test_malformed_answers_are_charged_to_the_budget(server: Endpoint) -> None:
    server.answer = lambda body: raw("{}")
    with endpoint(server.url, "m", token_budget=150) as client:
        replies = client.chat([request(number, max_tokens=20) for number in range(9)])
    assert "budget of 150 tokens" in replies[-1].reason
    assert len(server.asked) < 3


LOG_PROBS: dict[str, Any] = {
    "null": None,
    "a list": [],
    "null content": {"content": None},
    "empty content": {"content": []},
    "null top_logprobs": {"content": [{"token": "A", "top_logprobs": None}]},
    "a number as a token": {"content": [{"token": "A", "top_logprobs": [{"token": 1}]}]},
    "a text as a value": {
        "content": [{"token": "A", "top_logprobs": [{"token": "A", "logprob": "low"}]}]
    },
}


@pytest.mark.parametrize("log_probs", LOG_PROBS.values(), ids=LOG_PROBS.keys())
def test_log_probabilities_of_another_shape_are_a_failed_row(
    server: Endpoint, log_probs: Any
) -> None:
    server.answer = lambda body: replied(body, logprobs=log_probs)
    with endpoint(server.url, "m") as client:
        request = LabelRequest("1", ({"role": "user", "content": "A or B?"},), ("A", "B"))
        (reply,) = client.label_log_probs([request])
    assert reply.state == "failed"
    assert reply.reason
    assert reply.log_probs == (None, None)


@pytest.mark.parametrize(
    "log_probs",
    [{"tokens": ["1", "2"], "top_logprobs": [None]}, {"tokens": None}, {"top_logprobs": [{}]}],
)
def test_scores_need_no_complete_log_probabilities(server: Endpoint, log_probs: Any) -> None:
    server.answer = lambda body: web.json_response(
        {"choices": [{"text": "1", "logprobs": log_probs}]}
    )
    with endpoint(server.url, "m") as client:
        (reply,) = client.chat([request(raw_prompt="Rate:", score_tokens=("1", "2"))])
    assert reply.state == "ok"


def test_redirect_is_not_followed(server: Endpoint) -> None:
    headers = {"Location": "http://other.invalid/v1/chat/completions?token=abc"}
    server.answer = lambda body: web.Response(status=307, headers=headers)
    with endpoint(server.url, "m") as client:
        (reply,) = client.chat([request()])
    assert reply.state == "failed"
    assert "redirects to http://other.invalid/v1/chat/completions, which" in reply.reason


@pytest.mark.parametrize("status", [400, 404])
def test_error_does_not_quote_the_request_or_control_the_terminal(
    server: Endpoint, status: int
) -> None:
    server.answer = lambda body: refused(
        status, f"\x1b[2Jblocked by policy: {json.dumps(body)} \u202e"
    )
    with endpoint(server.url, "m") as client:
        (reply,) = client.chat([request()])
    assert "prompt that is restricted" not in reply.reason
    assert reply.reason.startswith(f"{status}: [2Jblocked by policy: ")
    assert reply.reason.isprintable()


def test_password_in_netrc_is_not_sent(
    server: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("KEY", "sk-1")
    for key_env in (None, "KEY"):
        with endpoint(server.url, "m", key_env) as client:
            assert client.chat([request()])[0].state == "ok"
    assert [headers.get("Authorization") for headers in server.headers] == [None, "Bearer sk-1"]


@pytest.mark.parametrize("status", [400, 403, 404])
def test_three_equal_errors_in_a_row_end_the_job(server: Endpoint, status: int) -> None:
    server.answer = lambda body: refused(status, "The model m does not exist.")
    with endpoint(server.url, "m") as client, pytest.raises(EndpointError, match="does not exist"):
        client.chat([request(number) for number in range(1000)])
    assert len(server.asked) < 100


def test_finished_rows_survive_the_end_of_a_job(server: Endpoint, tmp_path: Path) -> None:
    partial = tmp_path / "rows.jsonl"
    with endpoint(server.url, "m") as client:
        client.chat([request(0), request(1)], partial)
        server.answer = lambda body: refused(403, "no credit")
        with pytest.raises(EndpointError, match="no credit"):
            client.chat([request(number) for number in range(9)], partial)
        server.asked.clear()
        server.answer = replied
        replies = client.chat([request(number) for number in range(9)], partial)
    assert {reply.state for reply in replies} == {"ok"}
    assert len(server.asked) == 7


def test_refusals_by_a_filter_do_not_end_the_job(server: Endpoint) -> None:
    server.answer = lambda body: refused(400, "The content management policy was triggered.")
    with endpoint(server.url, "m") as client:
        replies = client.chat([request(number) for number in range(9)])
    assert {reply.state for reply in replies} == {"failed"}


@pytest.mark.parametrize("host", ["127.0.0.1:9", "no-such-host.invalid"])
def test_endpoint_without_connection_ends_the_job_at_once(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "FIRST_WAIT_SECONDS", 0.01)
    began = time.monotonic()
    with (
        endpoint(f"http://{host}/v1", "m") as client,
        pytest.raises(EndpointError, match="no connection to this endpoint") as error,
    ):
        client.chat([request(number) for number in range(1000)])
    assert host in str(error.value)
    assert time.monotonic() - began < 15


def test_server_that_is_no_http_server_fails_its_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setattr(http, "ENDPOINT_TRIES", 2)
    monkeypatch.setattr(http, "ENDPOINT_TIMEOUT_SECONDS", 0.2)
    monkeypatch.setattr(http, "PROBE_TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with endpoint(f"http://127.0.0.1:{port}/v1", "m") as client:
            (reply,) = client.chat([request()])
    assert reply.state == "failed"
    assert reply.reason.startswith("Given up after 2 tries")


def test_rows_of_another_shape_in_a_partial_file_are_asked_again(
    server: Endpoint, tmp_path: Path
) -> None:
    partial = tmp_path / "rows.jsonl"
    with endpoint(server.url, "m") as client:
        client.chat([request()], partial)
        key = json.loads(partial.read_text())["key"]
        for row in ({"key": key}, {"key": key, "text": [], "state": "ok"}, [key], {"key": [1]}):
            partial.write_text(json.dumps(row) + "\n" + "[" * 100_000 + "\n")
            (reply,) = client.chat([request()], partial)
            assert reply == Reply("1", f"to {SECRET} 1", "ok", "", 6, 4)
    assert len(server.asked) == 5
