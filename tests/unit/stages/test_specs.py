"""Cells, paths and job descriptions."""

import copy
import json
from typing import Any

import pytest

from manybaskets.cli.steps import findings
from manybaskets.config.validation import load
from manybaskets.stages.findings import FindingsSpec
from manybaskets.study.environment import endpoint_environment
from manybaskets.study.keys import Cell
from manybaskets.study.layout import Study
from tests.support.jobs import fields_of, spec_of


def study(raw: dict[str, Any], **changes: Any) -> Study:
    raw = copy.deepcopy(raw)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = raw
        for key in parents:
            place = place.setdefault(key, {})
        place[last] = value
    return Study(load(raw, "my.yaml"))


BEST = {
    "origins": {"wren": 1.0},
    "select": {"top": 0.5, "verifier": {"by": "reference", "accept": 0.5}},
}
CELL = "wren/single/seed=1"
OF_CELL = (
    *("train", "score_likelihood", "sample_responses", "collapse", "run_attacks", "robustness"),
    *("optimise_suffixes", "judge_pairs", "preference"),
)
JOBS = {
    "generate": "wren/seed=1",
    "source_candidates": "wren",
    "build_mix": "single/seed=1",
    "score_responses": "best/seed=1",
    "select": "best/seed=1",
    **dict.fromkeys(OF_CELL, CELL),
}


def changed_jobs(raw: dict[str, Any], **changes: Any) -> set[str]:
    before, after = (
        study(raw, mixes__best=copy.deepcopy(BEST)),
        study(raw, mixes__best=copy.deepcopy(BEST), **changes),
    )
    return {
        stage
        for stage, place in JOBS.items()
        if spec_of(before, stage, place) != spec_of(after, stage, place)
    }


def test_every_target_has_vanilla_and_every_mix_for_every_seed(
    study_config: dict[str, Any],
) -> None:
    cells = study(study_config).cells
    assert len(cells) == 1 * 4 * 2
    assert cells[0].path == "cells/wren/vanilla/seed=1"


def test_a_mix_may_be_for_some_targets_alone(study_config: dict[str, Any]) -> None:
    found = study(study_config, targets=["wren", "finch"], mixes__multi__targets=["finch"])
    assert found.mixes_of("wren") == ["vanilla", "human", "single"]
    assert found.mixes_of("finch") == ["vanilla", "human", "single", "multi"]
    assert ("wren", "multi") not in {(cell.target, cell.mix) for cell in found.cells}
    gathered = [cell for cell, _ in findings._cells(FindingsSpec.parse(spec_of(found, "findings")))]
    assert gathered == list(found.cells)


def test_texts_of_the_judges_own_are_the_dataset_s_job(study_config: dict[str, Any]) -> None:
    texts = {"hub": "org/news", "revision": "abc", "request": "eggs-summary"}
    found = study(study_config, probes__preference__texts=texts)
    described = fields_of(found, "prepare_dataset")["texts"]
    assert (described["hub"], described["items"]) == ("org/news", 25)  # 24 controls and one
    assert list(described["template"]) == ["prompts/eggs-summary.txt"]
    assert found.judged_task() == "summarize"
    assert found.judged_items().endswith("items.jsonl")
    assert fields_of(study(study_config), "prepare_dataset")["texts"] is None


def test_a_model_is_served_with_settings_of_its_own(study_config: dict[str, Any]) -> None:
    found = study(study_config, engine__per_model={"wren": {"devices": 4, "max_model_len": 64}})
    engine = fields_of(found, "sample_responses", CELL)["engine"]
    assert (engine["devices"], engine["max_model_len"]) == (4, 64)
    other = fields_of(found, "source_candidates", "finch")["engine"]
    assert other["devices"] == 1


def test_a_description_is_canonical_json(study_config: dict[str, Any]) -> None:
    spec = spec_of(study(study_config), "train", CELL)
    assert spec == json.dumps(json.loads(spec), sort_keys=True, separators=(",", ":"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "jobs"),
    [
        ({"question": "Another?"}, set()),
        ({"engine__keep_alive": 5}, set()),
        ({"engine__max_loras": 2}, set()),
        ({"training__learning_rate": 1e-3}, {"train"}),
        ({"training__rank": 4, "training__alpha": 8}, {"train"}),
        ({"probes__collapse__tokens": 8}, {"collapse"}),
        ({"probes__robustness__attacks": ["persona"]}, {"run_attacks"}),
        ({"probes__robustness__best_of_n": {"n": 8}}, {"run_attacks"}),
        ({"probes__robustness__gcg": {"steps": 3}}, {"optimise_suffixes"}),
        ({"probes__robustness__compliance_prefix": "Yes:"}, {"run_attacks", "optimise_suffixes"}),
        ({"probes__robustness__count": 9}, {"run_attacks", "optimise_suffixes"}),
        ({"probes__preference__items": 8}, {"judge_pairs"}),
        ({"probes__preference__items": 30}, {"judge_pairs", "source_candidates"}),
        ({"probes__preference__swap_labels": True}, {"judge_pairs"}),
        ({"probes__preference__questions": ["rating"]}, {"judge_pairs"}),
        ({"probes__preference__pairs": "sample 2"}, {"judge_pairs"}),
        ({"probes__preference__cells": True}, {"judge_pairs", "preference"}),
        ({"probes__preference__task": "instruct"}, {"judge_pairs", "source_candidates"}),
        ({"mixes__multi__origins": {"finch": 0.5, "wren": 0.5}}, {"generate"}),
        ({"mixes__other": {"origins": {"finch": 1.0}}}, set()),
        (
            {"generation__temperature": 0.5},
            {"generate", "source_candidates", "sample_responses", "run_attacks"},
        ),
        ({"rows": 20}, {"generate", "build_mix", "score_responses"}),
        ({"mixes__best__select__top": 0.6}, {"select"}),
        ({"mixes__best__select__on_shortfall": "repeat"}, {"select"}),
        ({"mixes__best__select__verifier__noise": {"keep_right": 0.9}}, {"select"}),
        ({"mixes__best__select__verifier__metric": "rouge-L"}, {"score_responses", "select"}),
        ({"mixes__best__select__verifier__by": "length"}, {"score_responses", "select"}),
        ({"mixes__best__select__samples": 4}, {"generate", "score_responses", "select"}),
        ({"mixes__best__select__top": 0.2}, {"generate", "score_responses", "select"}),
        ({"training__threads": 2}, {"train", "score_likelihood", "optimise_suffixes"}),
        ({"training__loss": "text"}, {"train"}),
        ({"training__per_target": {"wren": {"epochs": 1}}}, {"train"}),
        ({"mixes__single__targets": ["wren"]}, set()),
        ({"reference": "eggs"}, set()),
        ({"probes__preference__sources": ["wren"]}, {"judge_pairs"}),
        ({"probes__preference__templates": {"pair": "eggs-pair"}}, {"judge_pairs"}),
        ({"probes__preference__templates": {"rating": "eggs-rating"}}, set()),
    ],
)
def test_a_change_touches_exactly_the_jobs_that_depend_on_it(
    study_config: dict[str, Any], changes: dict[str, Any], jobs: set[str]
) -> None:
    assert changed_jobs(study_config, **changes) == jobs


def test_what_happens_when_too_few_pass_is_not_what_the_verifier_did(
    study_config: dict[str, Any],
) -> None:
    kept, fewer, less = (
        spec_of(
            study(study_config, mixes__best=copy.deepcopy(BEST), **changes),
            "verifier_quality",
            "best/seed=1",
        )
        for changes in (
            {},
            {"mixes__best__select__on_shortfall": "fewer"},
            {"mixes__best__select__top": 0.6},
        )
    )
    assert kept == fewer != less


def test_the_usual_contrasts(study_config: dict[str, Any]) -> None:
    assert study(study_config).pairs() == [
        ("single", "human"),
        ("multi", "human"),
        ("multi", "single"),
        ("human", "vanilla"),
        ("single", "vanilla"),
        ("multi", "vanilla"),
    ]


def test_which_quarter_is_whose_depends_on_the_order_in_the_config(
    study_config: dict[str, Any],
) -> None:
    spec = fields_of(study(study_config), "build_mix", "multi/seed=1")
    assert spec["mix"]["origins"] == [["wren", 0.5], ["finch", 0.5]]


def test_keys_never_enter_a_description(study_config: dict[str, Any]) -> None:
    remote = {"endpoint": "https://example.org/v1", "model": "m", "api_key_env": "MY_SECRET"}
    spec = spec_of(study(study_config, sources__far=remote), "generate", "far/seed=1")
    assert "MY_SECRET" not in spec


def test_the_target_is_its_own_source(study_config: dict[str, Any]) -> None:
    assert study(study_config).own_source("wren") == "wren"


def test_a_cells_own_text_is_that_of_the_source_it_was_made_from_or_its_own(
    study_config: dict[str, Any],
) -> None:
    assert study(study_config).own_origin("wren", "single") == "wren"
    with_cells = study(study_config, probes__preference__cells=True)
    assert with_cells.own_origin("wren", "single") == "wren/single"
    assert with_cells.judged_cells("wren", 2)[0] == (
        "results/micro/cells/wren/vanilla/seed=2/candidates.jsonl"
    )
    assert "wren/vanilla" in with_cells.judged_origins("wren")


def test_items_of_judges_are_summaries_of_documentation_or_instructions(
    study_config: dict[str, Any],
) -> None:
    assert study(study_config).judged_items() == "results/micro/data/items.jsonl"
    instructions = study(study_config, probes__preference__task="instruct")
    assert instructions.judged_items() == "results/micro/data/test.jsonl"
    assert "judge-answers" in spec_of(instructions, "judge_pairs", CELL)


def test_suffixes_are_optimised_once_on_the_vanilla_target_of_the_first_seed(
    study_config: dict[str, Any],
) -> None:
    without = study(study_config)
    assert without.optimised(Cell("wren", "single", 2)) == []
    once = study(study_config, probes__robustness={"attacks": ["gcg"]})
    assert [cell.path for cell in once.optimised(Cell("wren", "single", 2))] == [
        "cells/wren/vanilla/seed=1"
    ]
    each = {"attacks": ["gcg"], "gcg": {"per_cell": True}}
    own = study(study_config, probes__robustness=each)
    assert [cell.path for cell in own.optimised(Cell("wren", "single", 2))] == [
        "cells/wren/vanilla/seed=1",
        "cells/wren/single/seed=2",
    ]
    assert len(own.optimised(Cell("wren", "vanilla", 1))) == 1


def test_a_judge_s_key_and_budget_never_enter_a_description(study_config: dict[str, Any]) -> None:
    judge = {"endpoint": "https://example.org/v1", "model": "m", "api_key_env": "MY_SECRET"}
    found = study(study_config, probes__robustness={"judges": {"j": judge | {"by": "scales"}}})
    spec = spec_of(found, "judge_harm", f"{CELL}/j")
    assert "MY_SECRET" not in spec
    assert set(json.loads(spec)["texts"]) == {"judges/harmfulness.txt", "judges/quality.txt"}
    assert json.loads(endpoint_environment(found))["judge j"]["api_key_env"] == "MY_SECRET"


def test_a_set_is_described_by_its_hash_and_the_study_s_goes_before(
    study_config: dict[str, Any],
) -> None:
    settings = {"requests": ["xstest"], "sha256": {"xstest": "0" * 64}}
    ours = study(study_config, probes__robustness={"requests": ["xstest"]})
    theirs = study(study_config, probes__robustness=settings)
    assert fields_of(ours, "download_requests", "xstest")["set"]["sha256"].startswith("11783fb2")
    assert fields_of(theirs, "download_requests", "xstest")["set"]["sha256"] == "0" * 64
