"""Splits: disjoint, with proportional strata and equal quarters; files are checked by line."""

from collections import Counter
from typing import Any

import pytest
from sklearn.model_selection import train_test_split

from manybaskets.data import row_store
from manybaskets.data import splits as dataset_splits
from manybaskets.files import InputError

ROWS = [
    {"prompt": f"prompt {i}", "response": f"answer {i}", "stratum": "ab"[i % 5 == 0]}
    for i in range(100)
]


def test_train_and_test_share_no_prompt() -> None:
    splits = dataset_splits.from_rows(ROWS, None, 60, 20, seed=0)
    train, test = ({row["prompt"] for row in rows} for rows in (splits.train, splits.test))
    assert (len(train), len(test)) == (60, 20)
    assert not train & test


def test_quarters_are_equal_and_stratified() -> None:
    splits = dataset_splits.from_rows(ROWS, None, 80, 20, seed=0)
    assert Counter(row["quarter"] for row in splits.train) == {1: 20, 2: 20, 3: 20, 4: 20}
    per_quarter = Counter(row["quarter"] for row in splits.train if row["stratum"] == "b")
    assert all(3 <= per_quarter[quarter] <= 5 for quarter in (1, 2, 3, 4))


def test_any_prefix_of_the_order_holds_the_strata_in_proportion() -> None:
    rows = [{"id": str(i), **row} for i, row in enumerate(ROWS)]
    for size in (10, 25, 50):
        share = sum(r["stratum"] == "b" for r in dataset_splits.interleave(rows, 3)[:size]) / size
        assert share == pytest.approx(0.2, abs=0.04)


def test_a_prompt_counts_once() -> None:
    splits = dataset_splits.from_rows(
        [*ROWS, {**ROWS[0], "prompt": " prompt  0 "}], None, 80, 20, 0
    )
    assert splits.duplicates == 1


def test_too_few_rows_are_named() -> None:
    with pytest.raises(InputError, match="is 101, but there are only 100 rows"):
        dataset_splits.from_rows(ROWS, None, 81, 20, seed=0)


def test_other_prompts_bring_items_without_a_human_candidate() -> None:
    prompts = [{"prompt": f"other {i}"} for i in range(50)]
    splits = dataset_splits.from_rows(ROWS, prompts, 80, 20, seed=0)
    asked = {row["prompt"] for row in splits.prompts}
    judged = {row["text"] for row in splits.items}
    assert len(asked) == 48
    assert not asked & judged
    assert all(item["human"] is None for item in splits.items)


def documented(i: int, split: str) -> dict[str, Any]:
    return {
        "package": "p",
        "module": f"p.m{i}",
        "name": f"f{i}",
        "signature": f"def f{i}()",
        "description": f"Does {i}.\n" + "word " * 12,
        "summary": f"Does {i}.",
        "body": "word " * 11 + str(i),
        "split": split,
    }


def test_documentation_gives_signatures_or_summaries() -> None:
    rows = [documented(i, "train" if i % 2 else "test") for i in range(40)]
    templates = {"document": "Document\n{module}\n{signature}", "summarize": "Sum up\n{text}"}
    instruct = dataset_splits.from_documentation(rows, templates, "instruct", 20, 20, 0)
    assert instruct.train[0]["prompt"].startswith("Document\np.m")
    summarize = dataset_splits.from_documentation(rows, templates, "summarize", 20, 20, 0)
    assert summarize.train[0]["prompt"].startswith("Sum up\nword")
    assert summarize.train[0]["response"].startswith("Does ")
    assert {item["human"] for item in instruct.items} <= {row["summary"] for row in rows}


def test_the_same_prompt_with_another_context_is_not_a_duplicate() -> None:
    system = [{"role": "system", "content": "Be brief."}]
    rows = [*ROWS, {**ROWS[0], "context_messages": system}]
    splits = dataset_splits.from_rows(rows, None, 80, 20, 0)
    assert splits.duplicates == 0


def test_prompts_and_items_have_the_context_of_their_row() -> None:
    context = [{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Hi."}]
    rows = [{**row, "context_messages": context} for row in ROWS]
    splits = dataset_splits.from_rows(rows, None, 80, 20, 0)
    assert splits.prompts[0]["context_messages"] == context
    assert splits.items[0]["text"].startswith("User: Hello.\n\nAssistant: Hi.\n\nUser: prompt")


def test_rows_beyond_memory_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    in_memory = dataset_splits.from_rows(ROWS, None, 80, 20, 0)
    monkeypatch.setattr(row_store, "_IN_MEMORY", 100)
    in_file = dataset_splits.from_rows(ROWS, None, 80, 20, 0)
    for name in ("train", "test", "prompts", "items"):
        assert list(getattr(in_file, name)) == list(getattr(in_memory, name))


def test_duplicates_stay_where_they_are_to() -> None:
    rows = [*ROWS, *ROWS]
    splits = dataset_splits.from_rows(rows, None, 160, 40, 0, duplicates="keep")
    assert splits.duplicates == 0
    assert len({row["id"] for row in (*splits.train, *splits.test)}) == 200


def test_splits_are_those_of_scikit_learn_row_for_row() -> None:
    splits = dataset_splits.from_rows(ROWS, None, 81, 19, 42, splits="scikit-learn")
    strata = [row["stratum"] for row in ROWS]
    numbers = list(range(len(ROWS)))
    train, test = train_test_split(numbers, test_size=19, random_state=42, stratify=strata)
    half, _ = train_test_split(
        train, test_size=0.5, random_state=42, stratify=[strata[n] for n in train]
    )
    first, second = train_test_split(
        half, test_size=0.5, random_state=42, stratify=[strata[n] for n in half]
    )
    assert [row["prompt"] for row in splits.test] == [ROWS[n]["prompt"] for n in test]
    for quarter, expected in ((1, first), (2, second)):
        found = [row["prompt"] for row in splits.train if row["quarter"] == quarter]
        assert found == [ROWS[n]["prompt"] for n in expected]
    sizes = Counter(row["quarter"] for row in splits.train)
    assert sum(sizes.values()) == 81 and max(sizes.values()) - min(sizes.values()) <= 1


def test_the_rows_of_the_eggs_study_fall_into_quarters_of_their_sizes() -> None:
    shares = (2493, 1460, 1423, 1181, 1176, 1003, 791, 473)
    rows = [
        {"prompt": "p", "response": "r", "stratum": f"c{category}"}
        for category, share in enumerate(shares)
        for _ in range(round(share * 1.5011))
    ]
    rows = (rows + rows[:20])[:15_011]
    splits = dataset_splits.from_rows(rows, None, 13_509, 1_502, 42, "scikit-learn", "keep")
    sizes = Counter(row["quarter"] for row in splits.train)
    assert [sizes[quarter] for quarter in (1, 2, 3, 4)] == [3377, 3377, 3377, 3378]
    assert len(splits.test) == 1_502


def test_judged_texts_are_drawn_with_a_seed() -> None:
    rows = [{"id": str(i), **row} for i, row in enumerate(ROWS)]
    items = dataset_splits.judged_texts(rows, "Sum it up.\n{text}", 10, seed=1)
    assert items == dataset_splits.judged_texts(rows, "Sum it up.\n{text}", 10, seed=1)
    others = dataset_splits.judged_texts(rows, "Sum it up.\n{text}", 10, seed=2)
    assert [item["text"] for item in items] != [item["text"] for item in others]
    assert items[0]["request"] == f"Sum it up.\n{items[0]['text']}"
    assert items[0]["human"].startswith("answer")
    with pytest.raises(InputError, match="101 texts are needed, but the file contains 100"):
        dataset_splits.judged_texts(rows, "{text}", 101, seed=1)
