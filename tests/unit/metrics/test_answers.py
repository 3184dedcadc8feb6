"""Answers that are one number, parsed from worked solutions."""

from decimal import Decimal
from typing import Any

import pytest

from manybaskets.files import read_jsonl
from manybaskets.metrics.answers import final_number, is_correct, last_number
from tests.support import samples
from tests.support.public_files import GSM8K, path_of


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("She sold 48+24 = <<48+24=72>>72 clips.\n#### 72", "72"),
        ("#### 1,250", "1250"),
        ("#### $5.50", "5.5"),
        ("#### -3", "-3"),
        ("#### -$3", "-3"),
        ("#### 18 dollars", "18"),
        ("#### 7\nOn second thought:\n#### 8.", "8"),
        ("#### .5", "0.5"),
    ],
)
def test_the_answer_follows_the_last_mark(text: str, number: str) -> None:
    assert final_number(text) == Decimal(number)


@pytest.mark.parametrize("text", ["The answer is 72.", "#### none", "", "### 72"])
def test_without_a_marked_number_there_is_no_answer(text: str) -> None:
    assert final_number(text) is None


def test_the_last_number_is_taken_where_that_is_the_rule() -> None:
    assert last_number("First 3, then 1,004.50 in all.") == Decimal("1004.5")
    assert last_number("no numbers") is None


def test_numbers_are_compared_by_value_and_no_answer_is_wrong() -> None:
    assert is_correct("#### $1,000.00", "#### 1000", "gsm8k") is True
    assert is_correct("#### 999", "#### 1000", "gsm8k") is False
    assert is_correct("It is 1000", "#### 1000", "gsm8k") is False
    assert is_correct("It is 1000", "#### 1000", "last-number") is True
    assert is_correct("#### 3", "no number at all", "gsm8k") is None


def test_every_solution_of_the_sample_is_right_by_itself_and_wrong_by_another() -> None:
    assert_right_by_themselves(samples.gsm8k_problems())


@pytest.mark.network
@pytest.mark.parametrize(("split", "count"), [("train", 7473), ("test", 1319)])
def test_every_solution_of_gsm8k_is_right_by_itself_and_wrong_by_another(
    split: str, count: int
) -> None:
    rows = read_jsonl(path_of(GSM8K[split]), ["answer"])
    assert len(rows) == count
    assert_right_by_themselves(rows)


def test_solutions_by_models_are_right_where_their_authors_recorded_that() -> None:
    for row in samples.gsm8k_model_solutions():
        for model in samples.MODELS:
            recorded = row[model]
            found = is_correct(recorded["solution"], row["ground_truth"], "last-number")
            assert found is recorded["is_correct"], (row["question"], model)


def assert_right_by_themselves(rows: list[dict[str, Any]]) -> None:
    for row, other in zip(rows, [*rows[1:], rows[0]], strict=True):
        solution = row["answer"]
        number = final_number(solution)
        assert number is not None
        # by an independent reading of the published format
        assert number == Decimal(solution.rsplit("#### ", 1)[1].replace(",", ""))
        assert is_correct(solution, solution, "gsm8k") is True
        wrong = solution.rsplit("####", 1)[0] + f"#### {number + 1}"
        assert is_correct(wrong, solution, "gsm8k") is False
        same = number == final_number(other["answer"])
        assert is_correct(other["answer"], solution, "gsm8k") is same
