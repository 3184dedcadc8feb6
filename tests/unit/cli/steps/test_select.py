"""The steps score_responses, select and build_mix on files, up to the training set."""

import argparse
import math
from pathlib import Path
from typing import Any, TypeVar

import pytest

from manybaskets.cli.steps import build_mix, score_responses, select, verifier_quality
from manybaskets.files import InputError, read_json, read_jsonl, write_jsonl
from manybaskets.selection.verifiers.length import Length
from manybaskets.stages.base import Spec
from manybaskets.stages.mixes import BuildMixSpec
from manybaskets.stages.selection import ScoreSpec, SelectSpec
from tests.support.jobs import fields_of

S = TypeVar("S", bound=Spec)
WORDS = "sort the list of rows and return a copy of each value in the table".split()  # noqa: SIM905
ROWS = 16


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Human rows, and two responses of a source to each: number 1 is the human one, but for two."""
    human = [
        {
            **{"id": f"{i:02d}", "prompt": f"Ask {i}", "quarter": i % 4 + 1},
            **{"response": " ".join(WORDS[i % 7 : i % 7 + 6])},
        }
        for i in range(ROWS)
    ]
    write_jsonl(tmp_path / "train.jsonl", human)
    write_jsonl(
        tmp_path / "responses/wren/seed=1.jsonl",
        [
            {
                **{"id": row["id"], "prompt": row["prompt"], "sample": sample, "reason": ""},
                **{"response": str(row["response"]) if sample and row["id"] > "01" else "no"},
                **{"state": "ok", "tokens": 3},
            }
            for row in human
            for sample in range(2)
        ],
    )
    return tmp_path


def described(**select_settings: Any) -> dict[str, Any]:
    verifier = {"by": "reference", "metric": "rouge-1"}
    settings = {"verifier": {**verifier, "accept": 0.5}}
    return {
        **{"name": "best", "rows": ROWS, "seed": 1, "accepts_from": 0.5},
        **{"mix": {"origins": [["wren", 1.0]], "assign": "random", "samples": 2}},
        **{"verifier": verifier, "select": settings | select_settings},
    }


def of_kind(spec: type[S], fields: dict[str, Any]) -> S:
    """The spec of one of the steps from the fields of all."""
    return spec(**{name: fields[name] for name in spec.model_fields if name in fields})


def run_verify(folder: Path, spec: dict[str, Any], model: Path | None = None) -> list[Any]:
    score_responses.run(
        argparse.Namespace(
            **{"spec": of_kind(ScoreSpec, spec), "train": folder / "train.jsonl"},
            **{"prompts": folder / "train.jsonl"},
            **{"responses": [folder / "responses/wren/seed=1.jsonl"], "model": model},
            output=folder / "verdicts.jsonl",
        )
    )
    return read_jsonl(folder / "verdicts.jsonl")


def run_select(folder: Path, spec: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    select.run(
        argparse.Namespace(
            **{
                "spec": of_kind(SelectSpec, spec),
                "verdicts": folder / "verdicts.jsonl",
                "like": None,
            },
            rows=folder / "taken.jsonl",
        )
    )
    verifier_quality.run(
        argparse.Namespace(
            **{
                "spec": of_kind(SelectSpec, spec),
                "verdicts": folder / "verdicts.jsonl",
                "like": None,
            },
            **{"train": folder / "train.jsonl", "output": folder / "measured.json"},
        )
    )
    return read_jsonl(folder / "taken.jsonl"), read_json(folder / "measured.json")


def run_mix(folder: Path, spec: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    counted = {"match": "rows", "tokens": None, "trust_remote_code": False}
    build_mix.run(
        argparse.Namespace(
            **{
                "spec": of_kind(BuildMixSpec, spec | counted),
                "train": folder / "train.jsonl",
                "responses": [],
            },
            **{"prompts": folder / "train.jsonl", "selected": folder / "taken.jsonl"},
            **{"tokenizer": None, "rows": folder / "mix.jsonl"},
            composition=folder / "mix.json",
        )
    )
    return read_jsonl(folder / "mix.jsonl"), read_json(folder / "mix.json")


def test_the_best_of_two_responses_are_trained_on(folder: Path) -> None:
    spec = described(best_of=2)
    verdicts = run_verify(folder, spec)
    assert len(verdicts) == 2 * ROWS
    taken, measured = run_select(folder, spec)
    assert len({row["id"] for row in taken}) == len(taken) == ROWS
    rows, composition = run_mix(folder, spec)
    human = {row["id"]: row["response"] for row in read_jsonl(folder / "train.jsonl")}
    assert composition["rows"] == len(taken) == ROWS
    assert composition["origins"] == {"wren": ROWS}
    for row in rows:
        if row["id"] > "01":
            assert (row["response"], row["sample"]) == (human[row["id"]], 1)
        else:
            assert row["response"] == "no"
    values = {(m["metric"], m["item_set"]): m["value"] for m in measured["measurements"]}
    assert values["kept_share", "pool"] == 0.5
    assert values["p_star", "rouge-1 from p75"] > 0.8


def test_a_selection_that_too_few_rows_pass_names_its_mix(folder: Path) -> None:
    spec = described(correct=True)
    run_verify(folder, spec)
    run_select(folder, spec | {"select": spec["select"] | {"on_shortfall": "fewer"}})
    strict = described(threshold=2.0)
    with pytest.raises(InputError, match=r"mixes\.best: 0 of 32 responses of 'wren' pass"):
        run_select(folder, strict)
    with pytest.raises(InputError, match=r"mixes\.best: 14 of 32 .* 16 rows are needed"):
        run_select(folder, spec)


def test_fewer_rows_are_a_smaller_training_set(folder: Path) -> None:
    spec = described(correct=True, on_shortfall="fewer")
    run_verify(folder, spec)
    run_select(folder, spec)
    rows, composition = run_mix(folder, spec)
    assert composition["rows"] == len(rows) == ROWS - 2


def test_likelihood_scores_under_a_model(folder: Path, tiny_model: Path) -> None:
    base = {"name": "tiny", "path": None, "revision": None, "trust_remote_code": False}
    spec = described(best_of=2) | {
        **{"verifier": {"by": "likelihood"}, "base": base, "context": 128, "threads": 1}
    }
    rows = run_verify(folder, spec, tiny_model)
    scores = [row["score"] for row in rows]
    assert all(score is not None and math.isfinite(score) and score < 0 for score in scores)
    assert len(set(scores)) > 2


def test_a_verifier_without_any_score_is_told(folder: Path) -> None:
    spec = described(best_of=2) | {"verifier": {"by": "reference", "metric": "answer"}}
    with pytest.raises(InputError, match=r"any of 32 .* the human response has no number"):
        run_verify(folder, spec)


def test_a_model_that_gives_no_number_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Length, "scorer", lambda *_: lambda _: (math.nan, ""))
    with pytest.raises(InputError, match="the score is nan"):
        run_verify(folder, described(best_of=2) | {"verifier": {"by": "length"}})


def test_verdicts_and_rows_are_the_same_bytes_again(folder: Path) -> None:
    spec = described(top=0.5)
    found = []
    for _ in range(2):
        run_verify(folder, spec)
        run_select(folder, spec)
        run_mix(folder, spec)
        names = ("verdicts.jsonl", "taken.jsonl", "measured.json", "mix.jsonl")
        found.append([(folder / name).read_bytes() for name in names])
    assert found[0] == found[1]


def test_a_description_of_the_study_is_what_the_steps_read(
    folder: Path, study_config: dict[str, Any]
) -> None:
    from manybaskets.config.validation import load
    from manybaskets.study.layout import Study

    study_config["mixes"]["best"] = {
        "origins": {"wren": 1.0},
        "select": {"best_of": 2, "verifier": "reference"},
    }
    study_config["rows"] = ROWS
    study = Study(load(study_config, "my.yaml"))
    run_verify(folder, fields_of(study, "score_responses", "best/seed=1"))
    taken, _ = run_select(folder, fields_of(study, "select", "best/seed=1"))
    rows, _ = run_mix(folder, fields_of(study, "build_mix", "best/seed=1"))
    assert len(taken) == len(rows) == ROWS
