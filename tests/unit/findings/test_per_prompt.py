"""Values of single prompts: a metric is their mean, or has no such values."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from manybaskets.findings import per_prompt
from manybaskets.findings.per_prompt import Items, Key
from manybaskets.probes.preference import measures
from manybaskets.probes.robustness import rule_metrics

CELL = {"study": "s", "target": "wren", "mix": "multi", "seed": 1, "generation": 0}
LIKELIHOOD = {"nats": [10.0, 30.0], "tokens": [5, 10], "bytes": [20, 50], "excluded": []}


def measurements(**values: float) -> pd.DataFrame:
    rows = [
        {**CELL, "probe": "collapse", "metric": metric, "item_set": "test", "value": value}
        for metric, value in values.items()
    ]
    return pd.DataFrame(rows)


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def test_a_likelihood_has_an_amount_and_a_size_for_every_response(tmp_path: Path) -> None:
    write(tmp_path / "likelihood.json", LIKELIHOOD)
    found = per_prompt.of_cell(tmp_path, ["a", "b"])
    bits = found["collapse", "bits_per_byte", "test"]
    assert bits.ids == ("a", "b")
    assert bits.value == pytest.approx(40 / math.log(2) / 70)
    assert found["collapse", "nll", "test"].value == pytest.approx(40 / 15)


def test_rows_that_were_not_scored_are_left_out_by_their_ids(tmp_path: Path) -> None:
    write(tmp_path / "likelihood.json", {**LIKELIHOOD, "excluded": ["b"]})
    assert per_prompt.of_cell(tmp_path, ["a", "b", "c"])["collapse", "nll", "test"].ids == (
        "a",
        "c",
    )
    write(tmp_path / "likelihood.json", {**LIKELIHOOD, "ids": ["x", "y"], "excluded": {"b": "why"}})
    assert per_prompt.of_cell(tmp_path, [])["collapse", "nll", "test"].ids == ("x", "y")


@pytest.mark.parametrize(
    "content", [{}, [], {"nats": [1], "tokens": [1], "bytes": []}, {"nats": 1}]
)
def test_what_cannot_be_read_has_no_items(tmp_path: Path, content: Any) -> None:
    write(tmp_path / "likelihood.json", content)
    (tmp_path / "robustness.json").write_text("{")
    assert per_prompt.of_cell(tmp_path, ["a"]) == {}


def test_only_metrics_that_are_the_mean_of_their_prompts_have_items(tmp_path: Path) -> None:
    write(tmp_path / "likelihood.json", LIKELIHOOD)
    table = per_prompt.table(
        [(CELL, tmp_path)], measurements(nll=40 / 15, bits_per_byte=9.0), ["a", "b"]
    )
    assert [key.metric for key in table] == ["nll"]


def test_outcomes_by_request_are_what_the_rates_count() -> None:
    texts = [
        "I'm sorry, but I can't help with that.",
        "Sure, here is how one does it.",
        "no no " * 9,
    ]
    rows = [
        {"id": f"r{i}", "item_set": "decline/persona", "response": text, "state": "ok"}
        for i, text in enumerate(texts)
    ]
    rows.append({"id": "r3", "item_set": "decline/persona", "response": None, "state": "failed"})
    rates = {m.metric: m.value for m in rule_metrics.outcome_measurements(rows)}
    found = per_prompt.of_outcomes(rows)
    assert {row["metric"] for row in found} == {"refusal_rate", "attack_success_rate"}
    for row in found:
        assert row["ids"] == ["r0", "r1", "r2"]
        assert np.mean(row["values"]) == pytest.approx(rates[row["metric"]])
        assert set(row) == {"metric", "item_set", "ids", "values"}  # no text leaves the probe


def judgements() -> list[dict[str, Any]]:
    draw = np.random.default_rng(0)
    origins = ["finch", "human", "wren"]
    return [
        {
            **{"item": item, "first": first, "second": second, "state": "ok"},
            "log_prob_first_label": float(np.log(p)),
            "log_prob_second_label": float(np.log(0.9 - p)),
        }
        for item in ("one", "two", "three")
        for first in origins
        for second in origins
        if first != second
        for p in [draw.uniform(0.2, 0.7)]
    ]


def test_preferences_by_text_have_the_means_that_the_probe_reports() -> None:
    rows = judgements()
    found = {
        (row["metric"], row["item_set"]): row
        for row in per_prompt.of_judgements(rows, "wren", "human")
    }
    for measured in measures.preference_measurements(rows, "wren", "human"):
        if (measured.metric, measured.item_set) in found and measured.value is not None:
            values = found[measured.metric, measured.item_set]["values"]
            assert np.mean(values) == pytest.approx(measured.value)
    assert {"self_preference_bias", "position_bias", "preference"} <= {name for name, _ in found}


def test_a_text_that_was_not_judged_in_all_pairs_is_left_out() -> None:
    rows = [row for row in judgements() if not (row["item"] == "two" and row["first"] == "wren")]
    for row in per_prompt.of_judgements(rows, "wren", "human"):
        assert row["ids"] == ["one", "three"]


def table() -> per_prompt.Table:
    return {
        Key("wren", mix, seed, 0, "collapse", "nll", "test"): Items(
            ("a", "b"), np.array([1.0, 2.0]) * seed, np.array([1.0, 4.0])
        )
        for mix in ("human", "multi")
        for seed in (1, 2)
    }


def test_a_table_reads_back_as_it_was_written(tmp_path: Path) -> None:
    per_prompt.write(tmp_path / "items.parquet", table())
    found = per_prompt.read(tmp_path / "items.parquet")
    assert found.keys() == table().keys()
    for key, one in table().items():
        assert found[key].ids == one.ids
        assert found[key].value == one.value
    per_prompt.write(tmp_path / "none.parquet", {})
    assert per_prompt.read(tmp_path / "none.parquet") == {}


def test_seeds_are_compared_on_the_prompts_that_all_have() -> None:
    one = Items(("a", "b", "c"), np.array([1.0, 2, 3]), np.ones(3))
    other = Items(("c", "a", "d"), np.array([30.0, 10, 40]), np.ones(3))
    (found,) = per_prompt.by_item([[one, other]]) or []
    assert found.amounts.tolist() == [[1, 3], [10, 30]]
    assert per_prompt.by_item([[one, None]]) is None
    assert per_prompt.by_item([[one], [Items(("x",), np.ones(1), np.ones(1))]]) is None
