"""Answers that are one number, parsed from worked solutions."""

from decimal import Decimal

import pytest

from manybaskets.files import read_jsonl
from manybaskets.metrics.answers import final_number, is_correct, last_number
from tests.support.paths import ROOT

GSM8K = ROOT / "../shared/data/instruct"


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
def test_the_answer_stands_after_the_last_mark(text: str, number: str) -> None:
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


@pytest.mark.parametrize("split", ["train", "test"])
def test_every_solution_of_gsm8k_has_an_answer_and_is_right_by_itself(split: str) -> None:
    path = GSM8K / f"gsm8k_{split}.jsonl"
    if not path.is_file():
        pytest.skip("GSM8K is not on this machine")
    rows = read_jsonl(path, ["answer"])
    assert len(rows) == {"train": 7473, "test": 1319}[split]
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
