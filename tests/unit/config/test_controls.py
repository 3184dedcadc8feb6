"""Every selected mix has a random control at its keep rate, and no study has one twice."""

import sys
from pathlib import Path
from typing import Any

import pytest

from manybaskets import __main__
from manybaskets.config import controls, validation
from manybaskets.config.base import ConfigError
from manybaskets.config.study import StudyConfig
from manybaskets.dag.graph import Graph
from manybaskets.files import read_json, read_jsonl, write_jsonl
from manybaskets.study.layout import Study
from tests.support.jobs import fields_of, job_of, spec_of

BEST = {"best_of": 4, "verifier": "reference"}
RIGHT = {
    "correct": True,
    "samples": 3,
    "verifier": {"by": "reference", "accept": 0.3},
    "on_shortfall": "fewer",
}


def study(config: dict[str, Any], **mixes: dict[str, Any]) -> StudyConfig:
    return validation.load(config | {"mixes": mixes}, "my.yaml")


def picked(select: dict[str, Any] | None = None, **origins: float) -> dict[str, Any]:
    mix: dict[str, Any] = {"origins": origins or {"finch": 1.0}}
    return mix | ({"select": select} if select else {})


def test_a_selected_mix_gets_a_control_behind_it(study_config: dict[str, Any]) -> None:
    found = study(study_config, picked=picked(BEST), human=picked(human=1.0))
    assert list(found.mixes) == ["picked", "picked-random", "human"]
    select = found.mixes["picked-random"].select
    assert select is not None
    assert (select.verifier.by, select.best_of, select.responses) == ("random", 4, 4)
    assert controls.control_of("picked", found.mixes) == "picked-random"


def test_the_only_response_to_each_prompt_is_one_of_n_at_random(
    study_config: dict[str, Any],
) -> None:
    found = study(study_config, single=picked(), picked=picked(BEST))
    assert list(found.mixes) == ["single", "picked"]
    assert controls.control_of("picked", found.mixes) == "single"
    of_others = study(study_config, single=picked(wren=1.0), picked=picked(BEST))
    assert "picked-random" in of_others.mixes


def test_the_best_quarter_is_not_compared_with_all_rows(study_config: dict[str, Any]) -> None:
    top = {"top": 0.25, "verifier": "reference"}
    found = study(study_config, single=picked(), picked=picked(top))
    assert list(found.mixes) == ["single", "picked", "picked-random"]
    select = found.mixes["picked-random"].select
    assert select is not None
    assert (select.top, select.responses) == (0.25, 4)


def test_two_selections_of_a_kind_share_a_control(study_config: dict[str, Any]) -> None:
    by_length = BEST | {"verifier": "length"}
    found = study(study_config, one=picked(BEST), two=picked(by_length))
    assert list(found.mixes) == ["one", "one-random", "two"]


def test_a_declared_control_is_the_control(study_config: dict[str, Any]) -> None:
    top = {"top": 0.5, "verifier": "reference"}
    chance = {"top": 0.5, "verifier": "random"}
    found = study(study_config, picked=picked(top), chance=picked(chance))
    assert list(found.mixes) == ["picked", "chance"]
    other_rate = study(study_config, picked=picked(top), chance=picked(chance | {"top": 0.25}))
    assert "picked-random" in other_rate.mixes


def test_a_control_can_be_declined(study_config: dict[str, Any]) -> None:
    found = study(study_config, picked=picked(BEST | {"control": False}))
    assert list(found.mixes) == ["picked"]


def test_a_mix_is_compared_with_its_control(study_config: dict[str, Any]) -> None:
    found = Study(study(study_config, plain=picked(wren=1.0), picked=picked(RIGHT)))
    assert ("picked", "picked-random") in found.pairs()
    pairs = Study(study(study_config, plain=picked(), picked=picked(BEST))).pairs()
    assert pairs.count(("picked", "plain")) == 1


def test_loading_a_study_again_adds_nothing(study_config: dict[str, Any]) -> None:
    found = study(study_config, one=picked(BEST), two=picked(RIGHT))
    again = validation.load(found.model_dump(mode="json"), "study.json")
    assert again == found


def test_a_taken_name_is_an_error(study_config: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"mixes\.picked-random: the random control of"):
        study(study_config, picked=picked(BEST), **{"picked-random": picked(wren=1.0)})


@pytest.mark.parametrize(
    ("select", "said"),
    [
        ({"match_keep_rate": "picked", "verifier": "length"}, "needs verifier: random"),
        (
            {"match_keep_rate": "missing", "verifier": "random"},
            "'missing' is not a mix that a verifier",
        ),
        (
            {"match_keep_rate": "human", "verifier": "random"},
            "'human' is not a mix that a verifier",
        ),
    ],
)
def test_a_control_of_nothing_is_an_error(
    study_config: dict[str, Any], select: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError, match=said):
        study(
            study_config,
            human=picked(human=1.0),
            picked=picked(BEST),
            chance=picked(select),
        )


@pytest.fixture
def verdicts(tmp_path: Path, study_config: dict[str, Any]) -> tuple[Graph, Path, Path]:
    """Three responses to each of 40 prompts; a third is right, and the random scores say nothing
    of that."""
    graph = Graph(Study(study(study_config, picked=picked(RIGHT))))
    paths = tmp_path / "picked.jsonl", tmp_path / "random.jsonl"
    for path, score in zip(paths, (lambda i, s: float(s == i % 3), _mixed), strict=True):
        rows = [
            {
                "origin": "finch", "id": f"p{i}", "sample": s, "state": "ok", "reason": "",
                "prompt": f"say {i}", "response": f"it is {i}" if s == i % 3 else "no",
                "score": score(i, s),
            }
            for i in range(40)
            for s in range(3)
        ]  # fmt: skip
        write_jsonl(path, rows)
    return graph, *paths


def _mixed(prompt: int, sample: int) -> float:
    return ((prompt * 3 + sample) * 37 % 120) / 120


def test_the_control_of_a_verifier_keeps_as_many_whatever_they_are(
    verdicts: tuple[Graph, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph, own, chance = verdicts
    assert graph.inputs(job_of("select", "picked/seed=1"))["like"] == []
    like = graph.inputs(job_of("select", "picked-random/seed=1"))["like"]
    assert like == [graph.study.path("verdicts/picked/seed=1.jsonl")]
    assert job_of("score_responses", "picked/seed=1") in graph.producers(
        job_of("select", "picked-random/seed=1")
    )

    def call(stage: str, mix: str, *arguments: object) -> None:
        spec = spec_of(graph.study, stage, f"{mix}/seed=1")
        monkeypatch.setattr(
            sys, "argv", ["manybaskets", stage, "--spec", spec, *map(str, arguments)]
        )
        assert __main__.main() == 0

    rows = {mix: tmp_path / f"{mix}.rows.jsonl" for mix in ("picked", "picked-random")}
    call("select", "picked", "--verdicts", own, "--rows", rows["picked"])
    call("select", "picked-random", "--verdicts", chance, "--like", own,
         "--rows", rows["picked-random"])  # fmt: skip
    taken = {mix: read_jsonl(path) for mix, path in rows.items()}
    assert len(taken["picked"]) == len(taken["picked-random"]) == 40
    assert all(row["response"].startswith("it is") for row in taken["picked"])
    right = sum(row["response"].startswith("it is") for row in taken["picked-random"])
    assert 4 < right < 26

    write_jsonl(
        tmp_path / "train.jsonl",
        [{"id": f"p{i}", "prompt": f"say {i}", "response": f"it is {i}"} for i in range(40)],
    )
    found = tmp_path / "found.json"
    call("verifier_quality", "picked-random", "--verdicts", chance, "--like", own,
         "--train", tmp_path / "train.jsonl", "--output", found)  # fmt: skip
    measured = {(m["metric"], m["item_set"]): m["value"] for m in read_json(found)["measurements"]}
    assert measured["kept_share", "pool"] == pytest.approx(1 / 3)
    assert measured["p_star", "rouge-1 from p75"] == pytest.approx(0.5, abs=0.2)


def test_the_control_follows_the_rule_of_its_mix(study_config: dict[str, Any]) -> None:
    loose = RIGHT | {"verifier": {"by": "reference", "accept": 0.1}}
    specs = [
        fields_of(
            Study(study(study_config, picked=picked(select))), "select", "picked-random/seed=1"
        )
        for select in (RIGHT, loose, RIGHT | {"control": True})
    ]  # fmt: skip
    assert specs[0]["like"]["accepts_from"] == 0.3
    assert specs[1]["like"]["accepts_from"] == 0.1
    assert specs[0] == specs[2]
