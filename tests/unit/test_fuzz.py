"""2,000 hostile files for every reader of foreign files and of configs.

A reader returns, or raises InputError or ConfigError with one message. It needs less than two
seconds and writes no file. The cases are the same in every run.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from manybaskets import plugins
from manybaskets.cli import main
from manybaskets.config.base import ConfigError
from manybaskets.dag import preflight
from manybaskets.data import human_rows, recorded, request_sets, responses, safety_requests
from manybaskets.data.tables import formats, shapes
from manybaskets.files import InputError
from manybaskets.metrics import answers as metric_answers
from manybaskets.metrics import degeneration, refusal, refusal_phrase_lists
from manybaskets.serving import answers
from manybaskets.serving.client import Reply
from tests.support import hostile_files

MAX_SECONDS = 2.0
MAX_MESSAGE = 20_000
ROWS = ("a.jsonl", "a.json")
TABLES = ("a.csv", "a.tsv")
ALL = (*ROWS, *TABLES, "a.jsonl.gz", "a.csv.gz", "a.parquet", "a.arrow", "a.zst", "a")

written: list[str] = []
is_watching = False


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    """Records files that are opened for writing, created, moved or deleted."""
    if not is_watching:
        return
    if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
        path, mode, flags = arguments
        writes = flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if (writes or any(letter in str(mode) for letter in "wax+")) and path != os.devnull:
            written.append(str(path))
    elif event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link"):
        written.append(f"{event} {arguments[0]}")
    elif event in ("os.system", "subprocess.Popen", "os.exec", "socket.connect"):
        written.append(event)


sys.addaudithook(watch)


@contextmanager
def watched() -> Iterator[None]:
    """Fails if the block needs more than two seconds of CPU time, or writes a file."""
    global is_watching
    written.clear()
    began = time.process_time()
    is_watching = True
    try:
        yield
    finally:
        is_watching = False
    assert time.process_time() - began < MAX_SECONDS, "too slow"
    assert not written


def fuzzed(cases: int) -> Callable[[Any], Any]:
    return settings(
        max_examples=cases,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],  # shrinking can take minutes
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(autouse=True, scope="module")
def warm() -> None:
    """Imports what readers import when they are first used."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.jsonl")
        path.write_text('{"prompt": "a", "response": "b"}\n' * 3)
        for command in COMMANDS.values():
            run(command, path)
        list(formats.open_table(path).rows())


def message_of(read: Callable[[Path], object], path: Path) -> str | None:
    """Returns the message of the error of a reader, None if it succeeds."""
    try:
        read(path)
    except (InputError, ConfigError) as error:
        return str(error)
    return None


def check(read: Callable[[Path], object], name: str, content: bytes) -> None:
    """Reads the content as a file of a name; every error must be a message."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content)
        with watched():
            problem = message_of(read, path)
        assert problem is None or 0 < len(problem) < MAX_MESSAGE
        assert os.listdir(folder) == [name]


def read_records(path: Path) -> None:
    list(shapes.records(*shapes.open_records(path, None)))


def read_fields(path: Path) -> None:
    fields = shapes.RowFields(prompt="prompt", response="response")
    list(shapes.records(*shapes.open_records(path, fields)))


READERS: dict[str, Callable[[Path], object]] = {
    "rows of a table": formats.read_table,
    "recognised shapes": read_records,
    "named fields": read_fields,
    "prompts": lambda path: list(human_rows.open_prompts(str(path), None)),
    "a public set": lambda path: request_sets.read_set("xstest", path),
}


@pytest.mark.slow
@pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
def test_tables(read: Callable[[Path], object]) -> None:
    @fuzzed(120)
    @given(
        st.sampled_from(ALL),
        hostile_files.contents(st.one_of(hostile_files.JSON_TEXTS, hostile_files.CSV_TEXTS)),
    )
    def cases(name: str, content: bytes) -> None:
        check(read, name, content)

    cases()


@pytest.mark.slow
@fuzzed(150)
@given(
    st.sampled_from((*ROWS, "a.yaml", "a.csv")), hostile_files.contents(hostile_files.JSON_TEXTS)
)
def test_requests(name: str, content: bytes) -> None:
    check(lambda path: safety_requests.read_requests(path, 10), name, content)


@pytest.mark.slow
@fuzzed(150)
@given(st.sampled_from(ALL), hostile_files.contents(hostile_files.JSON_TEXTS))
def test_recorded_responses(name: str, content: bytes) -> None:
    def read(path: Path) -> None:
        prompts = [{"prompt": text, "id": text} for text in ("", "0", "a")]
        recorded.read({"recorded": str(path), "fields": {}}, prompts)

    check(read, name, content)


COMMANDS = {
    "judge": ("judge", "{path}"),
    "measure": ("measure", "--embedder", "none", "{path}"),
    "contrast": ("contrast", "{path}", "--of", "mix", "--over", "seed"),
    "preference": ("preference", "{path}"),
    "compare": ("compare", "{path}", "{path}"),
}


def run(command: tuple[str, ...], path: Path) -> int:
    """Runs a command in this process; returns its exit status."""
    arguments = sys.argv
    sys.argv = ["manybaskets", *(part.format(path=path) for part in command)]
    try:
        return main.main()
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        sys.argv = arguments


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS.keys())
def test_commands(command: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    @fuzzed(100)
    @given(
        st.sampled_from((*ROWS, *TABLES)),
        hostile_files.contents(st.one_of(hostile_files.JSON_TEXTS, hostile_files.CSV_TEXTS)),
    )
    def cases(name: str, content: bytes) -> None:
        def read(path: Path) -> None:
            status = run(command, path)
            error = capsys.readouterr().err
            assert status in (0, 2)
            starts = (f"manybaskets {command[0]}: ", "usage: ")
            assert status == 0 or any(line.startswith(starts) for line in error.splitlines())
            assert len(error) < MAX_MESSAGE

        check(read, name, content)

    cases()


@pytest.mark.slow
def test_configs(study_config: dict[str, Any]) -> None:
    study_config["dataset"] = {"file": "rows.jsonl", "train": 4, "test": 2}
    study_config["probes"] = {"robustness": {"requests": "rows.jsonl"}}

    @fuzzed(250)
    @given(hostile_files.contents(hostile_files.changed_configs(study_config)))
    def cases(content: bytes) -> None:
        check(lambda path: preflight.study_of([str(path)], []), "a.yaml", content)

    cases()


@pytest.mark.slow
@fuzzed(50)
@given(st.text(max_size=40))
def test_overrides(value: str) -> None:
    def read(path: Path) -> None:
        preflight.study_of([str(path)], [f"seeds={value}", value])

    check(read, "a.yaml", b"study: x\n")


ANSWERS = st.one_of(
    hostile_files.JSON_TEXTS,
    st.fixed_dictionaries(
        {"choices": st.one_of(hostile_files.VALUES, st.lists(hostile_files.VALUES))},
        optional={"usage": hostile_files.VALUES, "error": hostile_files.VALUES},
    ).map(json.dumps),
    st.fixed_dictionaries(
        {
            "message": st.one_of(
                hostile_files.VALUES,
                st.fixed_dictionaries(
                    {"content": hostile_files.VALUES}, optional={"reasoning": hostile_files.VALUES}
                ),
            )
        },
        optional={"logprobs": hostile_files.VALUES, "finish_reason": hostile_files.VALUES},
    ).map(lambda choice: json.dumps({"choices": [choice]})),
)


@pytest.mark.slow
@fuzzed(200)
@given(
    st.sampled_from(("/chat/completions", "/completions", "/tokenize", "/models")),
    hostile_files.contents(ANSWERS),
)
def test_answers_of_servers(path: str, content: bytes) -> None:
    with watched():
        try:
            answer = answers.answer_of(path, content)
        except answers.AnswerError as error:
            answer = {"error": str(error)[:500]}
    assert json.dumps(answer, allow_nan=False, ensure_ascii=False).encode()


@pytest.mark.slow
@fuzzed(100)
@given(hostile_files.replies())
def test_texts_of_models(text: str) -> None:
    reply = Reply("1", text, "ok", "", 1, 1)
    with watched():
        for name in plugins.names("probes.robustness.judges"):
            verdict = plugins.module("probes.robustness.judges", name).verdict
            assert verdict([reply] * 2 if name == "scales" else [reply]) is None or text
        for check_name in ("gsm8k", "last-number"):
            assert not metric_answers.is_correct(text, "#### 72", check_name) or "72" in text
        for rule in refusal_phrase_lists.LISTS.values():
            rule(text)
        refusal.is_refusal(text)
        degeneration.degenerate(text)
        responses.split(text)
