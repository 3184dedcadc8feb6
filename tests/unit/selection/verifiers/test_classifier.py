"""A classifier as a verifier: trained here to separate two kinds of text, then applied to rows."""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import pytest

from manybaskets.cli.steps import score_responses
from manybaskets.config import validation
from manybaskets.config.base import ConfigError
from manybaskets.files import InputError, read_jsonl, write_jsonl
from manybaskets.models import sequence_classifier
from manybaskets.stages.selection import ScoreSpec
from manybaskets.study.layout import Study
from tests.conftest import WORDS
from tests.support.jobs import fields_of

GOOD, BAD = WORDS[:7], WORDS[9:]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory, tokenizer: Any) -> Path:
    """A BERT of a few thousand weights that has learned which half of the words a text is of."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    settings = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=48, num_labels=2,
        id2label={0: "dull", 1: "fine"}, label2id={"dull": 0, "fine": 1},
    )  # fmt: skip
    model = BertForSequenceClassification(settings)
    texts = [" ".join(words[i:] + words[:i]) for words in (BAD, GOOD) for i in range(6)]
    labels = torch.tensor([0] * 6 + [1] * 6)
    inputs = tokenizer(texts, padding=True, return_tensors="pt")
    inputs.pop("token_type_ids", None)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    model.train()
    for _ in range(60):
        loss = model(**inputs, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    folder = tmp_path_factory.mktemp("classifier") / "two-kinds"
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def config(study_config: dict[str, Any], classifier: Path) -> dict[str, Any]:
    study_config["models"]["kinds"] = {"path": str(classifier)}
    study_config["rows"] = 16
    study_config["mixes"]["picked"] = {
        "origins": {"finch": 1.0},
        "select": {
            "correct": True, "on_shortfall": "fewer", "samples": 2,
            "verifier": {"by": "classifier", "model": "kinds", "label": "fine"},
        },
    }  # fmt: skip
    return study_config


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two responses to each of 16 prompts: one of either kind of words, one of them empty."""
    prompts = [
        {"id": f"{i:02d}", "prompt": f"Ask {i}", "quarter": i % 4 + 1, "response": "so"}
        for i in range(16)
    ]
    write_jsonl(tmp_path / "train.jsonl", prompts)
    rows = [
        {
            **{"id": row["id"], "prompt": row["prompt"], "sample": sample, "reason": ""},
            "response": " ".join((GOOD, BAD)[sample][place % 3 : place % 3 + 4]),
            "state": "ok",
        }
        for place, row in enumerate(prompts)
        for sample in range(2)
    ]
    rows[3] |= {"response": "", "state": "empty", "reason": "no text"}
    write_jsonl(tmp_path / "responses/finch/seed=1.jsonl", rows)
    return tmp_path


def run(folder: Path, spec: dict[str, Any], model: Path) -> list[dict[str, Any]]:
    score_responses.run(
        argparse.Namespace(
            **{
                "spec": ScoreSpec(**spec),
                "train": folder / "train.jsonl",
                "prompts": folder / "train.jsonl",
            },
            **{"responses": [folder / "responses/finch/seed=1.jsonl"], "model": model},
            output=folder / "verdicts.jsonl",
        )
    )
    return read_jsonl(folder / "verdicts.jsonl")


def test_scores_are_the_probability_of_the_label(
    folder: Path, config: dict[str, Any], classifier: Path
) -> None:
    study = Study(validation.load(config, "my.yaml"))
    spec = fields_of(study, "score_responses", "picked/seed=1")
    rows = run(folder, spec, classifier)
    scored = [row for row in rows if row["score"] is not None]
    assert len(scored) == 31
    assert [row["reason"] for row in rows if row["score"] is None] == ["no text"]
    for row in scored:
        assert (row["score"] > 0.9) == (row["sample"] == 0)
    other = json.loads(json.dumps(spec))
    other["verifier"]["label"] = "0"
    for row, turned in zip(rows, run(folder, other, classifier), strict=True):
        if row["score"] is not None:
            assert turned["score"] == pytest.approx(1 - row["score"], abs=1e-5)
    select = fields_of(study, "select", "picked/seed=1")
    assert select["accepts_from"] == 0.5


def test_the_same_rows_get_the_same_bytes(
    folder: Path, config: dict[str, Any], classifier: Path
) -> None:
    study = Study(validation.load(config, "my.yaml"))
    spec = fields_of(study, "score_responses", "picked/seed=1")
    run(folder, spec, classifier)
    first = (folder / "verdicts.jsonl").read_bytes()
    run(folder, spec, classifier)
    assert (folder / "verdicts.jsonl").read_bytes() == first


def test_a_long_text_is_cut_to_what_the_model_reads(classifier: Path) -> None:
    import torch

    from manybaskets.models.loading import load_classifier, load_tokenizer

    model = load_classifier(classifier, torch.float32).eval()
    tokenizer = load_tokenizer(classifier)
    long, pair = (" ".join(GOOD * 30),), ("some prompt", " ".join(GOOD))
    assert sequence_classifier.scores(model, tokenizer, [long], 1)[0] > 0.5
    assert math.isfinite(sequence_classifier.scores(model, tokenizer, [pair], 1)[0])


def test_labels_go_by_name_or_number() -> None:
    names = {0: "dull", 1: "fine"}
    assert (
        sequence_classifier.output_index("fine", names)
        == sequence_classifier.output_index("1", names)
        == 1
    )
    assert sequence_classifier.output_index(None, {0: "LABEL_0"}) is None
    with pytest.raises(ValueError, match=r"no label 'good'\. Its labels: 0: dull, 1: fine"):
        sequence_classifier.output_index("good", names)
    with pytest.raises(ValueError, match="single output"):
        sequence_classifier.output_index("good", {0: "LABEL_0"})


def test_a_label_that_the_model_does_not_have_is_told(
    folder: Path, config: dict[str, Any], classifier: Path
) -> None:
    config["mixes"]["picked"]["select"]["verifier"]["label"] = "good"
    study = Study(validation.load(config, "my.yaml"))
    with pytest.raises(InputError, match="the classifier 'kinds': label: the model has no label"):
        run(folder, fields_of(study, "score_responses", "picked/seed=1"), classifier)


def test_a_language_model_is_no_classifier(
    folder: Path, config: dict[str, Any], tiny_model: Path
) -> None:
    study = Study(validation.load(config, "my.yaml"))
    with pytest.raises(InputError, match="no trained classifier"):
        run(folder, fields_of(study, "score_responses", "picked/seed=1"), tiny_model)


@pytest.mark.parametrize(
    ("verifier", "said"),
    [
        ({"by": "classifier", "label": "fine"}, "the verifier 'classifier' needs model"),
        (
            {"by": "reference", "label": "fine"},
            "label is not a setting of the verifier 'reference'",
        ),
        ({"by": "classifier", "model": "nobody", "label": "fine"}, "'nobody'"),
        ({"by": "classifier", "model": "kinds"}, "correct needs verifier.accept"),
    ],
)
def test_a_classifier_that_is_not_complete_is_an_error(
    config: dict[str, Any], verifier: dict[str, Any], said: str
) -> None:
    config["mixes"]["picked"]["select"]["verifier"] = verifier
    with pytest.raises(ConfigError, match=said):
        validation.load(config, "my.yaml")
