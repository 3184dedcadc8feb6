"""Training losses and ranks of words, from files of cells that may be missing or broken."""

import json
from pathlib import Path
from typing import Any

import pytest

from manybaskets.findings.training_curves import PEOPLE, rank_table, training_table


def cell(folder: Path, mix: str, words: str = "", curve: Any = None) -> tuple[dict[str, Any], Path]:
    folder = folder / mix
    folder.mkdir()
    (folder / "responses.jsonl").write_text(json.dumps({"response": words}) + "\n")
    if curve is not None:
        (folder / "training.json").write_text(json.dumps({"curve": curve}))
    return {"target": "wren", "mix": mix, "seed": 1, "generation": 0}, folder


def test_losses_are_gathered_and_what_is_not_a_loss_is_left_out(tmp_path: Path) -> None:
    good = cell(tmp_path, "a", curve=[{"step": 5, "loss": 2.5}, {"step": 10, "loss": float("inf")}])
    none, bad = cell(tmp_path, "b"), cell(tmp_path, "c", curve=[{"step": 5}])
    found = training_table([good, none, bad])
    assert found[["mix", "step", "loss"]].to_numpy().tolist() == [["a", 5.0, 2.5]]


def test_words_are_counted_at_equal_length(tmp_path: Path) -> None:
    varied = cell(tmp_path, "varied", " ".join(f"w{i}" for i in range(80)))
    same = cell(tmp_path, "same", "Word, word; " * 60)
    test = tmp_path / "test.jsonl"
    test.write_text(json.dumps({"response": "the cat " * 50}))
    found = rank_table([varied, same], test)
    assert set(found["words"]) == {80}
    first = found[found["rank"] == 1].set_index("mix")
    assert first.loc["varied", "frequency"] == pytest.approx(1 / 80)
    assert first.loc["varied", "beyond"] == pytest.approx(79 / 80)
    assert first.loc["same", "frequency"] == 1
    assert first.loc["same", "beyond"] == 0
    assert first.loc[PEOPLE, "frequency"] == 0.5


def test_texts_of_a_few_words_have_no_ranks(tmp_path: Path) -> None:
    short = cell(tmp_path, "short", "too short")
    assert rank_table([short], tmp_path / "missing.jsonl").empty
