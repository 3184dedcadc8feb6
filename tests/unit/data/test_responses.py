"""Responses are normalised at one place, without reasoning unless the study keeps it."""

import pytest

from manybaskets.data import responses


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("  A gull.\n", "A gull."),
        ("A\x00gull", "A\ufffdgull"),
        ("A \ud83d gull", "A \ufffd gull"),
        ("\u3000ガル\u2003", "ガル"),
        ("", ""),
    ],
)
def test_white_space_at_the_ends_and_unusable_characters(text: str, normalised: str) -> None:
    assert responses.normalise(text) == normalised
    assert responses.normalise(normalised) == normalised


@pytest.mark.parametrize(
    ("text", "answer", "reasoning"),
    [
        ("A gull.", "A gull.", ""),
        ("<think>\nA bird?\n</think>\n\nA gull.", "A gull.", "A bird?"),
        ("<think>\n\n</think>\n\nA gull.", "A gull.", ""),
        ("A bird?\n</think>\n\nA gull.", "A gull.", "A bird?"),  # the template opened it
        ("<think>One.</think>A<think>Two.</think> gull.", "A gull.", "One.\n\nTwo."),
        ("[THINK]A bird?[/THINK]A gull.", "A gull.", "A bird?"),
        ("A gull. <think>Or a", "A gull.", "Or a"),
        ("Write `<think>` before it.", "Write `<think>` before it.", ""),
    ],
)
def test_reasoning_is_separated_from_the_answer(text: str, answer: str, reasoning: str) -> None:
    assert responses.split(text) == responses.Response(answer, reasoning)
    assert responses.split(text, "separate") == responses.Response(answer, reasoning)
    assert responses.split(text, "keep") == responses.Response(text)


def test_a_response_that_ends_within_its_reasoning_has_no_answer() -> None:
    assert responses.split("<think>A bird, or") == responses.Response("", "A bird, or", False)
    assert responses.split("<think>").is_complete is False
    assert responses.split("").is_complete
