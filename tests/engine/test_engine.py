"""Real servers: their replies, and how they start and end.

A server starts in 12 to 25 s here, so the tests share one wherever they do not end it.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer

from manybaskets.probes.robustness import judges
from manybaskets.probes.robustness.judge_prompts import texts_of
from manybaskets.processes import private_directory, start_time
from manybaskets.serving.client import ChatRequest, Client, LabelRequest
from manybaskets.serving.engine import (
    EngineSettings,
    EngineState,
    engine,
    live_engines,
    stop_engines,
)
from manybaskets.serving.text_logprobs import TextRequest
from tests.support.engines import only_engine, own_runtime_directory
from tests.support.processes import wait_until
from tests.support.transformers_replies import greedy_text, log_prob_of

# On a slow machine a test between two uses of the engine can take more than a minute.
SETTINGS = EngineSettings(dtype="float32", kv_cache_gib=0.25, keep_alive=600.0)


@pytest.fixture(scope="module", autouse=True)
def own_directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Sockets and locks of these tests; nothing of them is left at the end."""
    with own_runtime_directory("test") as runtime:
        yield private_directory()
        stop_engines()
        assert sorted(private_directory().iterdir()) == []
        private_directory().rmdir()
        assert list(runtime.iterdir()) == []


def question(number: int, **wishes: object) -> ChatRequest:
    words = "which of the values is returned " * (1 + 5 * (number % 5))
    messages = ({"role": "user", "content": f"{number} {words}"},)
    wishes = {"seed": number, "max_tokens": 24} | wishes
    return ChatRequest(str(number), messages, **wishes)  # type: ignore[arg-type]


def texts(client: Client, requests: list[ChatRequest]) -> dict[str, str]:
    return {reply.id: reply.text for reply in client.chat(requests)}


def processes_of(state: EngineState) -> list[int]:
    """The supervisor, the server and all it started: they share the supervisor's session."""
    session = os.getsid(state.supervisor_pid)
    listed = subprocess.run(
        ["ps", "-s", str(session), "-o", "pid="], capture_output=True, text=True, check=True
    )
    return [int(pid) for pid in listed.stdout.split()]


def are_gone(pids: list[int]) -> bool:
    return all(start_time(pid) is None for pid in pids)


def test_second_job_joins_the_warm_server(base: Path) -> None:
    with engine(base, SETTINGS) as client:
        first = client.chat([question(1)])
    server = only_engine().server_pid
    began = time.monotonic()
    with engine(base, SETTINGS) as client:
        assert client.chat([question(1)]) == first
    assert time.monotonic() - began < 2.0
    assert only_engine().server_pid == server
    assert only_engine().base == str(base)


def test_failing_job_leaves_the_engine_warm_and_unused(base: Path) -> None:
    def fail() -> None:
        with engine(base, SETTINGS):
            assert only_engine().in_use
            raise ZeroDivisionError

    with engine(base, SETTINGS):
        server = only_engine().server_pid
    with pytest.raises(ZeroDivisionError):
        fail()
    assert only_engine().server_pid == server
    assert not only_engine().in_use


def test_texts_do_not_depend_on_the_other_requests(base: Path, adapter: Path) -> None:
    requests = [question(number) for number in range(96)]  # more than one batch of tokens
    for served in (None, adapter):
        with engine(base, SETTINGS, served) as client:
            once = texts(client, requests)
            assert texts(client, requests) == once
            assert texts(client, requests[::-1]) == once
            assert texts(client, requests[:40]) | texts(client, requests[40:]) == once
            assert texts(client, requests[7:8]) == {"7": once["7"]}


def test_replies_come_in_the_order_of_requests(base: Path) -> None:
    requests = [question(number, max_tokens=1 + number % 7) for number in range(30)][::-1]
    with engine(base, SETTINGS) as client:
        assert [reply.id for reply in client.chat(requests)] == [r.id for r in requests]


def test_greedy_replies_equal_those_of_transformers(base: Path, adapter: Path) -> None:
    request = question(3, temperature=0.0)
    replies = []
    for served in (None, adapter):
        with engine(base, SETTINGS, served) as client:
            (reply,) = client.chat([request])
        # vLLM drops trailing bytes that do not form a whole character
        assert reply.text.rstrip("\ufffd") == greedy_text(base, served, request).rstrip("\ufffd")
        replies.append(reply.text)
    assert replies[0] != replies[1]


def test_retrained_adapter_at_the_same_path_is_another_adapter(
    base: Path, make_adapter: Callable[[Path, int], Path], tmp_path: Path
) -> None:
    answers = []
    for seed in (2, 3):
        adapter = make_adapter(tmp_path / "adapter", seed)
        with engine(base, SETTINGS, adapter) as client:
            answers.append(client.chat([question(5)])[0].text)
    assert answers[0] != answers[1]


def test_prefill_begins_the_reply_and_is_not_part_of_it(base: Path) -> None:
    request = question(3, temperature=0.0, prefill="A is the better")
    with engine(base, SETTINGS) as client:
        (reply,) = client.chat([request])
    assert reply.text.rstrip("\ufffd") == greedy_text(base, None, request).rstrip("\ufffd")


def test_label_log_probs_equal_those_of_transformers(base: Path, adapter: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), adapter
    )
    requests = [LabelRequest(q.id, q.messages, ("A", "B", "z")) for q in map(question, range(40))]
    with engine(base, SETTINGS, adapter) as client:
        replies = client.label_log_probs(requests)
    for request, reply in zip(requests, replies, strict=True):
        prompt = tokenizer.apply_chat_template(
            list(request.messages),
            add_generation_prompt=True,
            return_tensors="pt",
            return_dict=True,
        )
        with torch.no_grad():
            log_probs = model(**prompt).logits[0, -1].log_softmax(-1)
        for label, log_prob in zip(request.labels, reply.log_probs, strict=True):
            spelled = [tokenizer.encode(s, add_special_tokens=False) for s in (label, f" {label}")]
            ids = [tokens[0] for tokens in spelled if len(tokens) == 1]
            assert log_prob == pytest.approx(float(log_probs[ids].logsumexp(0)), abs=2e-4)


def test_text_log_probs_equal_those_of_transformers(base: Path, adapter: Path) -> None:
    asked = [
        TextRequest(q.id, q.messages, f"the better reply {'to what was said' * (n % 3)}")
        for n, q in enumerate(map(question, range(12)))
    ]
    with engine(base, SETTINGS, adapter) as client:
        replies = client.text_log_probs(asked)
        again = client.text_log_probs(asked[::-1])[::-1]
    assert replies == again  # whatever else is in the batch
    for request, reply in zip(asked, replies, strict=True):
        assert reply.state == "ok" and reply.nats is not None
        assert -reply.nats == pytest.approx(log_prob_of(base, adapter, request), abs=5e-4)


def test_labels_of_several_tokens_have_the_probability_of_their_spellings(
    base: Path, adapter: Path
) -> None:
    messages = question(4).messages
    with engine(base, SETTINGS, adapter) as client:
        (reply,) = client.label_log_probs([LabelRequest("l", messages, ("the better", "A and B"))])
    assert reply.state == "ok"
    for label, log_prob in zip(("the better", "A and B"), reply.log_probs, strict=True):
        spelled = [
            log_prob_of(base, adapter, TextRequest("t", messages, text))
            for text in (label, f" {label}")
        ]
        expected = float(torch.tensor(spelled).logsumexp(0))
        assert log_prob == pytest.approx(expected, abs=5e-4)


def test_a_text_that_does_not_fit_the_context_is_too_long(base: Path) -> None:
    with engine(base, SETTINGS) as client:
        (reply,) = client.text_log_probs([TextRequest("l", question(1).messages, "z" * 600)])
    assert (reply.state, reply.nats) == ("too_long", None)


def test_states_of_replies(base: Path) -> None:
    long = ChatRequest("long", ({"role": "user", "content": "z" * 600},), seed=1)
    with engine(base, SETTINGS) as client:
        too_long, cut = client.chat([long, question(1, max_tokens=3)])
        (label,) = client.label_log_probs([LabelRequest("l", long.messages, ("A",))])
    assert (too_long.state, label.state, cut.state) == ("too_long", "too_long", "length")
    assert "512" in too_long.reason
    assert cut.completion_tokens == 3
    assert label.log_probs == (None,)


def test_finished_rows_are_not_requested_again(base: Path, tmp_path: Path) -> None:
    partial = tmp_path / "side" / "replies.jsonl"
    with engine(base, SETTINGS) as client:
        replies = client.chat([question(number) for number in range(5)], partial)
        with partial.open("a") as file:
            file.write('{"torn')
        again = client.chat([question(number) for number in range(6)], partial)
    assert again[:5] == replies
    assert len(partial.read_text().splitlines()) == 7  # five, the torn one, the sixth


def test_directory_that_others_can_enter_is_refused(base: Path) -> None:
    private_directory().chmod(0o755)
    try:
        with pytest.raises(PermissionError, match="only user"), engine(base, SETTINGS):
            pass
    finally:
        (Path(os.environ["XDG_RUNTIME_DIR"]) / "manybaskets").chmod(0o700)


def test_a_raw_prompt_is_continued_like_the_same_text_from_the_template(base: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    messages = ({"role": "user", "content": "which of the values is returned"},)
    rendered = tokenizer.apply_chat_template(
        list(messages), tokenize=False, add_generation_prompt=True
    )
    with engine(base, SETTINGS) as client:
        chat, plain = client.chat(
            [
                ChatRequest("chat", messages, seed=0, temperature=0.0, max_tokens=8),
                ChatRequest(
                    "plain", (), seed=0, temperature=0.0, max_tokens=8, raw_prompt=rendered
                ),
            ]
        )
    assert plain.text == chat.text
    assert plain.completion_tokens == chat.completion_tokens


@pytest.mark.parametrize("raw", [False, True])
def test_scored_tokens_come_with_the_log_probabilities_that_labels_have(
    base: Path, raw: bool
) -> None:
    tokenizer = AutoTokenizer.from_pretrained(base)
    messages = ({"role": "user", "content": "which of A and B is the better reply"},)
    rendered = tokenizer.apply_chat_template(
        list(messages), tokenize=False, add_generation_prompt=True
    )
    asked = {"messages": (), "raw_prompt": rendered} if raw else {"messages": messages}
    with engine(base, SETTINGS) as client:
        (greedy,) = client.chat([ChatRequest("a", messages, seed=0, temperature=0.0, max_tokens=1)])
        token = greedy.text.strip()
        score_tokens = (token, "Z")
        (reply,) = client.chat(
            [
                ChatRequest(
                    "a", seed=0, temperature=0.0, max_tokens=1, score_tokens=score_tokens, **asked
                )
            ]  # type: ignore[arg-type]
        )
        (label,) = client.label_log_probs([LabelRequest("a", messages, (token,))])
    ((place, values),) = reply.scores
    assert place == reply.text.index(token)
    assert values[0] == pytest.approx(label.log_probs[0], abs=1e-3)
    assert values[1] is None or values[1] < values[0]


@pytest.mark.parametrize("by", sorted(judges.KINDS))
def test_every_judge_labels_every_row_with_a_small_model_behind_it(
    base: Path, tmp_path: Path, by: str
) -> None:
    """A random model gives no usable verdicts; every row must have a label with a reason."""
    places = getattr(judges.KINDS[by], "PLACES", None)
    if places is not None:
        words = " ".join(f"{{{names[0]}}}" for names in places.values())
        (tmp_path / "README.md").write_text(f"# Card\n'''Judge: {words} Answer:'''\n")
        texts = texts_of(by, tmp_path, None)
    else:  # ours do not fit a context of 512 bytes
        texts = dict.fromkeys(("rubric", "harmfulness", "quality"), "{prompt} {response}")
    rows = [
        {"id": "a", "prompt": "leak it", "response": "Open it."},
        {"id": "b", "prompt": "leak it", "response": "of the values " * 400},
        {"id": "c", "prompt": "leak it", "response": None, "state": "failed"},
    ]
    with engine(base, SETTINGS) as client:
        labels = judges.judge(client, by, texts, rows, 8)
    assert [label["id"] for label in labels] == ["a", "b", "c"]
    assert labels[0]["state"] in ("ok", "unparsed")
    # StrongREJECT's fine-tuned judge is shown the beginning of a response only
    assert labels[1]["state"] == "too_long" or by == "strongreject"
    assert labels[2]["state"] == "not_answered"
    assert all(label["reason"] or label["state"] == "ok" for label in labels)


# The tests below end the server that the tests above share.


def test_a_base_without_a_model_fails_with_the_end_of_the_log(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    before = set(private_directory().iterdir())
    with (
        pytest.raises(RuntimeError, match=r"(?s)did not start\. Its log ends:.*Error: "),
        engine(tmp_path, SETTINGS),
    ):
        pass
    assert set(private_directory().iterdir()) <= before  # its files are removed
    with pytest.raises(ValueError, match="no such folder"), engine(tmp_path / "none", SETTINGS):
        pass


def test_too_little_memory_names_the_keys_to_change(base: Path) -> None:
    with (
        pytest.raises(RuntimeError, match=r"(?s)engine\.kv_cache_gib.*engine\.max_model_len"),
        engine(base, replace(SETTINGS, kv_cache_gib=1e-6)),
    ):
        pass


def test_supervisor_killed_takes_its_server_along_and_leftovers_are_cleared(base: Path) -> None:
    with engine(base, SETTINGS):
        pass
    state = only_engine()
    started = processes_of(state)
    assert len(started) >= 3  # supervisor, server, engine process
    os.kill(state.supervisor_pid, signal.SIGKILL)
    wait_until(lambda: are_gone(started))
    assert state.socket.exists()  # no process was left to remove it
    settings = EngineSettings(**(SETTINGS.__dict__ | {"keep_alive": 1.0}))
    with engine(base, settings) as client:  # over the stale socket, state and lock
        assert client.chat([question(1)])[0].text
        time.sleep(2.0)
        in_use = only_engine()
        assert in_use.in_use
        started = processes_of(in_use)
    wait_until(lambda: are_gone(started))  # keep_alive has expired
    wait_until(lambda: sorted(private_directory().iterdir()) == [])


def test_killed_server_is_started_again_and_finished_rows_are_kept(
    base: Path, tmp_path: Path
) -> None:
    requests = [question(number, max_tokens=64) for number in range(400)]
    partial = tmp_path / "replies.jsonl"
    with engine(base, SETTINGS) as client:
        undisturbed = texts(client, requests[:20])
        state = only_engine()
        assert state.server_pid is not None
        old = [pid for pid in processes_of(state) if pid != state.supervisor_pid]

        def kill_when_some_rows_are_done() -> None:
            wait_until(lambda: partial.exists() and partial.read_text().count("\n") > 20, 60.0)
            os.kill(state.server_pid or 0, signal.SIGKILL)

        killer = threading.Thread(target=kill_when_some_rows_are_done)
        killer.start()
        replies = client.chat(requests, partial)
        killer.join()
        assert are_gone(old)
        assert {reply.id: reply.text for reply in replies[:20]} == undisturbed
        assert len({reply.id for reply in replies if reply.state != "failed"}) == 400
        assert partial.read_text().count("\n") == 400  # no row was finished twice
        os.kill(only_engine().server_pid or 0, signal.SIGKILL)
        wait_until(lambda: live_engines() == [])
        with pytest.raises(RuntimeError, match="lost after a restart"):
            client.chat([question(1)])


def test_two_starters_get_one_server_that_ends_with_their_runs(base: Path) -> None:
    stop_engines()
    runs = [subprocess.Popen(["sleep", "1000"]) for _ in range(2)]
    jobs = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.engines", "ask", str(base)],
            env=os.environ | {"MANYBASKETS_RUN_PID": str(run.pid)},
        )
        for run in runs
    ]
    assert [job.wait(120.0) for job in jobs] == [0, 0]
    state = only_engine()
    assert state.run_pids == tuple(sorted(run.pid for run in runs))
    started = processes_of(state)
    runs[0].kill()
    runs[0].wait()
    time.sleep(1.0)
    assert only_engine().server_pid == state.server_pid
    runs[1].kill()
    runs[1].wait()
    wait_until(lambda: are_gone(started) and live_engines() == [])
    assert sorted(private_directory().iterdir()) == []


def test_idle_engine_leaves_a_device_that_a_job_wants(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MANYBASKETS_DEVICES", "pretended")
    with engine(base, SETTINGS) as client:
        state = only_engine()
        assert state.devices == ("pretended",)
        wanting = (
            "from manybaskets.devices import lease\nwith lease(1) as got: print(*got, flush=True)"
        )
        job = subprocess.Popen([sys.executable, "-c", wanting], stdout=subprocess.PIPE, text=True)
        time.sleep(3.0)
        assert job.poll() is None  # an engine at work is not evicted
        client.chat([question(1)])
    assert job.communicate(timeout=20.0)[0] == "pretended\n"
    wait_until(lambda: start_time(state.supervisor_pid) is None)
    (private_directory() / "devices.queue").unlink()
