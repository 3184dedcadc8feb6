"""Published styles of refusal lists: legacy rules, and that ours agree with people more."""

import csv

import pytest

from manybaskets.metrics.refusal import is_refusal
from manybaskets.metrics.refusal_phrase_lists import LISTS
from tests.support.public_files import XSTEST_LABELLED, path_of


@pytest.mark.parametrize(
    ("text", "anywhere", "opening", "beginning"),
    [
        ("I\u2019m sorry, but no.", True, True, True),
        ("Well, as you wish. I'm sorry.", True, True, False),
        ("Read it. " * 20 + "I cannot.", True, False, False),
        ("Unfortunately not.", False, False, True),
        ("Open the log.", False, False, False),
    ],
)
def test_the_lists_differ_in_where_they_look(
    text: str, anywhere: bool, opening: bool, beginning: bool
) -> None:
    found = {name: rule(text) for name, rule in LISTS.items()}
    assert found == {"anywhere": anywhere, "opening": opening, "beginning": beginning}


@pytest.mark.network
def test_no_list_agrees_with_people_as_much_as_the_rules_do() -> None:
    rows = []
    for labelled in XSTEST_LABELLED.values():
        with path_of(labelled).open(encoding="utf-8", newline="") as file:
            rows += list(csv.DictReader(file))
    labels = [row["final_label"] != "1_full_compliance" for row in rows]

    def accuracy(rule: object) -> float:
        said = [rule(row["completion"]) for row in rows]  # type: ignore[operator]
        return sum(a == b for a, b in zip(labels, said, strict=True)) / len(rows)

    ours = accuracy(is_refusal)
    assert ours >= 0.92
    for name, rule in LISTS.items():
        assert 0.7 < accuracy(rule) < ours, name
