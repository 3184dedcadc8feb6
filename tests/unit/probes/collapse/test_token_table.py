"""The token table: every column against plain formulas, row by row."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manybaskets.models import chat_encoding, scoring
from manybaskets.probes.collapse import token_table
from tests.support.scored_rows import ROWS, spoil, texts

VIEWS = token_table.Views(top_k=5, nucleus=0.8)


@pytest.fixture(scope="module")
def tuned(tiny_model: Path) -> tuple[Any, Any]:
    """A model with an adapter that changes it, and its tokenizer."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(1)
    base = AutoModelForCausalLM.from_pretrained(tiny_model).eval()
    model = get_peft_model(base, LoraConfig(r=4, target_modules="all-linear"))
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.5)
    return model.eval(), AutoTokenizer.from_pretrained(tiny_model)


def table(path: Path, tuned: tuple[Any, Any], target: Any, **changed: Any) -> dict[str, Any]:
    import pyarrow.parquet as pq

    model, tokenizer = tuned
    counts = token_table.token_counts(tokenizer, ROWS[:1], len(tokenizer))
    settings = {"batch_tokens": 4096} | changed
    token_table.write_table(
        path, model, target, tokenizer, ROWS, 128, counts, VIEWS, settings["batch_tokens"]
    )
    read = pq.read_table(path)
    return {name: read[name].to_numpy() for name in read.column_names}


def test_every_column_is_that_of_plain_formulas(tuned: tuple[Any, Any], tmp_path: Path) -> None:
    import torch

    model, tokenizer = tuned
    found = table(tmp_path / "t.parquet", tuned, model.disable_adapter)
    for number, row in enumerate(ROWS):
        encoded = chat_encoding.encode(tokenizer, **texts(row))
        ids = torch.tensor([encoded.ids])
        with torch.no_grad():
            mine = model(input_ids=ids).logits[0].double()
            with model.disable_adapter():
                base = model(input_ids=ids).logits[0].double()
        of_row = found["row"] == number
        assert found["token"][of_row].tolist() == encoded.ids[encoded.start :]
        assert found["position"][of_row].tolist() == list(range(of_row.sum()))
        for place in range(int(of_row.sum())):
            at = encoded.start + place - 1
            p, q = mine[at].softmax(-1), base[at].softmax(-1)
            token = encoded.ids[at + 1]
            tail = 1 - p[q.topk(5).indices].sum()
            expected = {
                "log_prob": p[token].log(),
                "target_log_prob": q[token].log(),
                "rank": 1 + (p > p[token]).sum(),
                "entropy": -(p * p.log()).sum(),
                "tail_mass": tail,
                "kl_from_target": (q * (q / p).log()).sum(),
                "kl_to_target": (p * (p / q).log()).sum(),
            }
            for name, value in expected.items():
                assert found[name][of_row][place] == pytest.approx(float(value), abs=2e-5), name
    assert (found["kl_to_target"] > 1e-3).any()  # the adapter does something


def test_of_the_target_itself_nothing_differs(tuned: tuple[Any, Any], tmp_path: Path) -> None:
    model, tokenizer = tuned
    with model.disable_adapter():
        found = table(tmp_path / "t.parquet", (model, tokenizer), None)
    assert (found["log_prob"] == found["target_log_prob"]).all()
    assert (found["kl_from_target"] == 0).all() and (found["kl_to_target"] == 0).all()


def test_sums_over_the_table_are_the_likelihood(tuned: tuple[Any, Any], tmp_path: Path) -> None:
    model, tokenizer = tuned
    counts = np.zeros(len(tokenizer), dtype=np.int32)
    arguments = (model, model.disable_adapter, tokenizer, ROWS, 128, counts, VIEWS)
    found = token_table.write_table(tmp_path / "t.parquet", *arguments)
    expected = scoring.score(model, tokenizer, ROWS, 128)
    assert found.ids == expected.ids
    assert found.nats == pytest.approx(expected.nats, abs=1e-4)
    assert found.closing == pytest.approx(expected.closing, abs=1e-4)


def test_row_groups_keep_memory_bounded_and_change_nothing(
    tuned: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.parquet as pq

    whole = table(tmp_path / "whole.parquet", tuned, tuned[0].disable_adapter)
    monkeypatch.setattr(token_table, "ROW_GROUP", 3)
    monkeypatch.setattr(token_table, "CHUNK", {"cpu": 700, "cuda": 700})
    parts = table(tmp_path / "parts.parquet", tuned, tuned[0].disable_adapter, batch_tokens=1)
    assert pq.ParquetFile(tmp_path / "parts.parquet").num_row_groups == len(ROWS)
    for name, column in whole.items():
        assert parts[name] == pytest.approx(column, abs=1e-4), name


def test_rows_that_are_not_finite_are_not_in_the_table(
    tuned: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    length = len(chat_encoding.encode(tuned[1], **texts(ROWS[1])).ids)
    spoil(monkeypatch, tuned[0], length)
    found = table(tmp_path / "t.parquet", tuned, tuned[0].disable_adapter, batch_tokens=1)
    assert set(found["row"].tolist()) == {0, 2}


def test_a_failed_pass_leaves_no_table(
    tuned: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> Any:
        raise OSError("disk")

    monkeypatch.setattr(token_table, "_view", broken)
    with pytest.raises(OSError, match="disk"):
        table(tmp_path / "t.parquet", tuned, tuned[0].disable_adapter)
    assert list(tmp_path.iterdir()) == []


def test_counts_are_of_closed_responses(tuned: tuple[Any, Any]) -> None:
    tokenizer = tuned[1]
    counts = token_table.token_counts(tokenizer, ROWS, len(tokenizer))
    expected = [
        token
        for row in ROWS
        for e in [chat_encoding.encode(tokenizer, **texts(row))]
        for token in e.ids[e.start :]
    ]
    assert counts.sum() == len(expected)
    assert all(counts[token] == expected.count(token) for token in set(expected))


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("sharpness", [0.1, 1.0, 5.0])
def test_nucleus_is_that_of_a_sort_to_one_per_cent(share: float, sharpness: float) -> None:
    import torch

    torch.manual_seed(0)
    log_p = torch.log_softmax(sharpness * torch.randn(200, 3000), -1)
    found = token_table.nucleus_size(log_p, log_p.exp(), share)
    mass = log_p.double().exp().sort(-1, descending=True).values.cumsum(-1)
    exact = (mass < share).sum(-1) + 1
    assert ((found - exact).abs() <= torch.maximum(torch.tensor(1), exact // 100)).all()


def test_nucleus_of_distributions_that_are_known() -> None:
    import torch

    p = torch.tensor([[0.5, 0.3, 0.1, 0.1], [0.25, 0.25, 0.25, 0.25], [1.0, 0.0, 0.0, 0.0]])
    found = token_table.nucleus_size(p.clamp(min=1e-30).log(), p, 0.75)
    assert found.tolist() == [2, 3, 1]


def test_a_vocabulary_smaller_than_k_has_no_tail(
    tuned: tuple[Any, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "tests.unit.probes.collapse.test_token_table.VIEWS", token_table.Views(top_k=10**6)
    )
    found = table(tmp_path / "t.parquet", tuned, tuned[0].disable_adapter)
    assert found["tail_mass"].max() < 1e-5
    assert math.isfinite(found["nucleus"].mean())
