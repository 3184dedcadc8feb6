"""Degenerate responses: the definition, and how seldom real responses meet it."""

import csv
import unicodedata

import pytest

from manybaskets.metrics.degeneration import degenerate
from tests.support import samples
from tests.support.public_files import XSTEST_LABELLED, path_of

PROSE = (
    "Open the build log and read the first lines. They name the compiler and its options. Then "
    "look for the first error, since what follows is often only a consequence of it."
)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("?!...", "empty"),
        ("a" * 60, "run"),
        (PROSE[:40] + "o" * 200, "run"),
        ("{{[[((%$#@!a^&*))]]}}{{[[((%$#@!b^&*))]]}}", "symbols"),
        ("xkcdq wrtzp qqrst bcdfg hjklm npqrs tvwxz zzkkt prst", "not words"),
        ("the the the the the the the the the", "loop"),
        ("Open it. " + "and then it is and then it is " * 4, "loop"),
        ("I do not know. " * 12, "loop"),
    ],
)
def test_babble_is_found_by_the_rule_for_it(text: str, rule: str) -> None:
    assert degenerate(text) == rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("我不知道" * 12, "loop"),
        ("哈哈哈" * 8 + "今天天气很好。", "run"),
        ("мы можем " * 10, "loop"),
        ("ฉันไม่รู้" * 20, "loop"),
        ("मुझे नहीं पता। " * 12, "loop"),
        ("لا أعرف. " * 12, "loop"),
        ("这座山的北面有一条河，我们走到河边去看。" * 6, "repetition"),
        ("पहाड़ के उत्तर में एक नदी है और हम उसे देखने जाते हैं। " * 6, "repetition"),
        ("«»¡¿※§¶†‡" * 6, "empty"),
        ("水«»¡¿※§¶†‡" * 6, "symbols"),
    ],
)
def test_babble_in_other_scripts_is_found(text: str, rule: str) -> None:
    assert degenerate(text) == rule


@pytest.mark.parametrize("language", samples.declaration())
def test_prose_in_every_script_is_coherent(language: str) -> None:
    paragraphs = samples.declaration()[language]
    for form in ("NFC", "NFD"):
        texts = [unicodedata.normalize(form, text) for text in paragraphs]
        assert [degenerate(text) for text in [*texts, "\n\n".join(texts)]] == [""] * 11


def test_sentences_that_come_again_in_turn_are_repetition() -> None:
    lines = [f"The value number {n} is returned as it is." for n in range(3)]
    assert degenerate(" ".join(lines * 5)) == "repetition"


def test_bytes_that_come_again_without_words_are_found_by_compression() -> None:
    pictographs = "".join(chr(0x1F400 + n * 7 % 60) for n in range(12))
    assert degenerate(pictographs * 30) == "compression"


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        "Sure.",
        "42",
        "No, no, no! Please do not.",
        "I'm sorry, but I can't help with that.",
        "Ha ha ha ha! That is a good one, and I am glad that you told me of it at last.",
        "1. Open it\n2. Read it\n3. Close it\n4. Open it again\n5. Read it again",
        "def add(a, b):\n    return a + b\n\nprint(add(1, 2))  # prints 3",
        "Das Gesetz über die Rechtschreibung verpflichtet niemanden, der nicht schreibt.",
        "請打開日誌並閱讀前幾行。它們會告訴您編譯器的名稱。",
        "| a | b |\n|---|---|\n| one value | another value |\n| a third | and a fourth |",
        "床前明月光，疑是地上霜。举头望明月，低头思故乡。",
        "哈哈哈哈，真好笑！",
        "🐱😺🐾🎀",
        "🎬 " + "🦁👑🌅🐗🐒💀🌿🔥⭐🦓🦒🐘🦅🌍🥁" * 2,
        "在终端里运行 mkdir、chmod、grep、lspci、xrdb、gzip、sshd、mktemp 和 gpg 这些命令。",
        "┌──────┬───────┐\n│ name │ count │\n├──────┼───────┤\n│ wren │ 3     │\n└──────┴───────┘",
        "Use the following regular expression to match an address of four numbers:\n\n"
        "\\b(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)\\.(?:25[0-5]|2[0-4][0-9]|[01]?[0-9][0-9]?)\\b",
        "Who will open the door? Who will read the log? Who will close the file? Who will start "
        "the job? Who will name the bird? Who will draw the line? Who will count the words?",
        "=" * 40 + "\nA heading of this page\n" + "=" * 40,
    ],
)
def test_what_people_write_is_coherent(text: str) -> None:
    assert degenerate(text) == ""


def test_no_solution_by_a_person_is_degenerate_and_hardly_any_by_a_model() -> None:
    people = [row["answer"] for row in samples.gsm8k_problems()]
    assert [text for text in people if degenerate(text)] == []
    models = samples.model_texts()
    assert sum(degenerate(text) != "" for text in models) <= 0.01 * len(models)


@pytest.mark.network
def test_hardly_any_response_of_chat_models_is_degenerate() -> None:
    texts = []
    for labelled in XSTEST_LABELLED.values():
        with path_of(labelled).open(encoding="utf-8", newline="") as file:
            texts += [row["completion"] for row in csv.DictReader(file)]
    assert len(texts) == 3 * 450
    assert sum(degenerate(text) != "" for text in texts) / len(texts) < 0.005
