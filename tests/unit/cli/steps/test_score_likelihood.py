"""The step that scores text under a cell and a cell's text under its target."""

import argparse
import gc
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from manybaskets.cli.steps import score_likelihood
from manybaskets.files import read_json, write_jsonl
from manybaskets.models import embeddings, scoring
from manybaskets.models.loading import load_scorer, load_tokenizer
from manybaskets.stages.collapse import LikelihoodSpec
from tests.support.scored_rows import ROWS

SPEC = {
    "context": 128,
    "threads": 1,
    "top_k": 5,
    "nucleus": 0.8,
    "base": {"name": "tiny"},
}
MINILM = {"name": "minilm"}


@pytest.fixture(scope="module")
def adapter(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One that changes what the model says."""
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(1)
    base, _ = load_scorer(tiny_model, None, 1)
    model = get_peft_model(base, LoraConfig(r=4, target_modules="all-linear"))
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.5)
    folder = tmp_path_factory.mktemp("cell") / "adapter"
    model.save_pretrained(folder)
    return folder


def scored(
    folder: Path, base: Path, adapter: Path | None, embedder: dict[str, Any] | None = None
) -> argparse.Namespace:
    """The step's options after it has run; own responses have white space around them."""
    own = [row | {"response": f"  {row['response']}\n"} for row in ROWS]
    for name, rows in {"test": ROWS, "train": ROWS[:1], "responses": own}.items():
        write_jsonl(folder / f"{name}.jsonl", rows)
    write_jsonl(folder / "samples.jsonl", own[:2])
    made = {name: folder / name for name in ("output", "tokens", "own", "embeddings")}
    read = {name: folder / f"{name}.jsonl" for name in ("test", "train", "responses", "samples")}
    spec = LikelihoodSpec(**SPEC, embedder=embedder)
    options = argparse.Namespace(
        spec=spec, base=base, adapter=adapter, embedder=None, **read, **made
    )
    score_likelihood.run(options)
    return options


def nats(model: Any, base: Path) -> Any:
    found = scoring.score(model, load_tokenizer(base), ROWS, 128).to_json()
    return pytest.approx(found["nats"], abs=2e-4)


def test_human_text_is_scored_under_the_cell_and_its_own_under_the_target(
    tiny_model: Path, adapter: Path, tmp_path: Path
) -> None:
    options = scored(tmp_path, tiny_model, adapter)
    of_cell = nats(load_scorer(tiny_model, adapter, 1)[0], tiny_model)
    of_target = nats(load_scorer(tiny_model, None, 1)[0], tiny_model)
    human, own = (read_json(path)["nats"] for path in (options.output, options.own))
    assert human == of_cell and human != of_target
    assert own == of_target


def test_a_target_without_adapter_scores_both(tiny_model: Path, tmp_path: Path) -> None:
    options = scored(tmp_path, tiny_model, None)
    assert read_json(options.output)["nats"] == pytest.approx(read_json(options.own)["nats"])


def test_responses_and_samples_are_embedded_apart(tiny_model: Path, tmp_path: Path) -> None:
    options = scored(tmp_path, tiny_model, None, MINILM)
    found = embeddings.read_embeddings(options.embeddings)
    assert {name: len(vectors) for name, vectors in found.items()} == {
        "responses": len(ROWS),
        "samples": 2,
    }
    folder = embeddings.embedder_folder("minilm")
    texts = [f"  {row['response']}\n" for row in ROWS]
    assert np.array_equal(found["responses"], embeddings.embed(folder, texts))
    assert np.array_equal(found["samples"], found["responses"][:2])


def test_without_an_embedder_nothing_is_embedded(tiny_model: Path, tmp_path: Path) -> None:
    options = scored(tmp_path, tiny_model, None)
    assert embeddings.read_embeddings(options.embeddings) == {}


@pytest.mark.parametrize("tuned", [True, False])
def test_the_model_is_gone_before_the_embedder_comes(
    tiny_model: Path, adapter: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tuned: bool
) -> None:
    seen: list[Any] = []
    is_gone: list[bool] = []
    load, embed = score_likelihood.load_scorer, score_likelihood.embed_for

    def loading(*arguments: Any) -> Any:
        model, as_target = load(*arguments)
        seen.extend(map(weakref.ref, [model, *model.parameters()]))
        return model, as_target

    def embedding(*arguments: Any) -> Any:
        is_gone.extend(one() is None for one in seen)
        return embed(*arguments)

    monkeypatch.setattr(score_likelihood, "load_scorer", loading)
    monkeypatch.setattr(score_likelihood, "embed_for", embedding)
    gc.disable()  # a garbage collection may come late, or never
    try:
        scored(tmp_path, tiny_model, adapter if tuned else None, MINILM)
    finally:
        gc.enable()
    assert is_gone and all(is_gone)
