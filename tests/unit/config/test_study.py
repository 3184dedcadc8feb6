"""Errors in a config are reported with file, key, problem and fix."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from manybaskets.config import study, validation, yaml_files
from manybaskets.config.base import ConfigError
from manybaskets.simulations import theory
from manybaskets.simulations.eigenvalues import study as eigenvalue_study
from tests.support.paths import ROOT


def message(raw: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        validation.load(raw, "my.yaml")
    return str(caught.value)


def changed(raw: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    raw = copy.deepcopy(raw)
    *parents, last = path.split(".")
    place = raw
    for key in parents:
        place = place.setdefault(key, {})
    place[last] = value
    return raw


def test_a_complete_config_loads(study_config: dict[str, Any]) -> None:
    loaded = validation.load(study_config, "my.yaml")
    assert loaded.mixes["multi"].origins == {"wren": 0.5, "finch": 0.5}


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("sedes", [1], ["my.yaml: sedes", "unknown key", "Did you mean 'seeds'"]),
        ("training.rnak", 4, ["training.rnak", "unknown key", "Did you mean 'rank'"]),
        ("models.wren.scratch.famly", "llama", ["models.wren.scratch.famly", "'family'"]),
        ("probes.collapse.documnets", 4, ["probes.collapse.documnets", "'documents'"]),
        ("seeds", "one", ["my.yaml: seeds", "list", "'one' (str)"]),
        ("generation.temperature", "hot", ["generation.temperature", "'hot' (str)"]),
        ("mixes.multi.origins", {"wern": 1.0}, ["mixes.multi", "no source named 'wern'", "'wren'"]),
        ("mixes.multi.origins", {"wren": 0.5, "finch": 0.4}, ["mixes.multi.origins", "sum to 0.9"]),
        ("mixes.multi.origins", {"wren": 0.3, "finch": 0.7}, ["mixes.multi.assign", "random"]),
        ("mixes.single.select", {"verifier": "length"}, ["exactly one of correct, top, best_of"]),
        ("mixes.single.select.bestof", 4, ["select.bestof", "'best_of'"]),
        ("mixes.single.select", {"top": 0.5, "verifier": "lenght"}, ["verifier.by", "'lenght'"]),
        (
            "mixes.single.select",
            {"correct": True, "verifier": "reference"},
            ["verifier.accept"],
        ),
        (
            "mixes.single.select",
            {"top": 0.5, "verifier": {"by": "likelihood", "model": "wern"}},
            ["select.verifier.model", "Did you mean 'wren'"],
        ),
        (
            "mixes.single.select",
            {"top": 0.5, "verifier": {"by": "judge", "source": "oracle"}},
            ["select.verifier.source", "no source named 'oracle'"],
        ),
        (
            "mixes.single.select",
            {"top": 0.25, "samples": 2, "verifier": "length"},
            ["select.top", "50 % of the rows", "Raise samples"],
        ),
        (
            "mixes.single.select",
            {"threshold": 0.5, "verifier": {"by": "length", "noise": {"keep_right": 0.5}}},
            ["noise needs accept"],
        ),
        (
            "mixes.human.select",
            {"top": 0.5, "verifier": "length"},
            ["human rows are always kept"],
        ),
        ("rows", 100, ["my.yaml: rows", "100 rows", "only 40"]),
        ("probes.preference.labels", ["A", "A"], ["probes.preference.labels", "both labels"]),
        ("probes.preference.pairs", "some", ["probes.preference.pairs", "'some' (str)"]),
        ("probes.preference.questions", ["rate"], ["no question 'rate'. Known: likeli"]),
        ("seeds", [1, 2, 1], ["seeds must be unique", "[1]"]),
        ("mixes.a/b", {"origins": {"human": 1.0}}, ["'a/b' cannot be a file name"]),
        ("mixes...", {"origins": {"human": 1.0}}, ["cannot be a file name"]),
        ("mixes.vanilla", {"origins": {"human": 1.0}}, ["mixes.vanilla", "reserved name"]),
        ("mixes.Human", {"origins": {"human": 1.0}}, ["differ only in case"]),
        ("sources.human", {"model": "wren"}, ["sources.human"]),
        ("targets", ["wern"], ["no model named 'wern'", "'wren'"]),
        ("training.adapter", "dora", ["training.adapter", "several 'dora' adapters"]),
        ("training.rank", 1024, ["training.rank", "512"]),
        ("contrasts.pairs", [["multi", "hunam"]], ["contrasts.pairs", "'human'"]),
        ("models.wren", {"hub": "org/name"}, ["models.wren", "revision"]),
        ("models.wren", {}, ["models.wren", "exactly one of scratch, path, hub"]),
        ("dataset", {"docs": {"packages": ["stdlib"]}, "file": "x"}, ["dataset", "exactly one"]),
        ("sources.wren", {"recorded": "a.jsonl", "model": "wren"}, ["sources.wren", "recorded"]),
        ("models.wren", {"path": "w", "adapter": "a/b"}, ["models.wren", "adapter needs hub"]),
        (
            "models.wren",
            {"hub": "a/w", "revision": "v", "adapter": "a/b"},
            ["models.wren", "adapter and adapter_revision"],
        ),
        ("training.quantization", "nf5", ["training.quantization", "'nf4' or 'int8'"]),
        ("training.devices", 3, ["training.batch_size", "16 rows", "a multiple of"]),
        ("training.parallel", "fsdp", ["training.parallel", "Set training.devices"]),
        (
            "training",
            {"devices": 2, "parallel": "fsdp", "quantization": "nf4"},
            ["training.parallel", "quantized weights (nf4)", "use ddp"],
        ),
        ("match", "tokens", ["tokens", "needs tokens"]),
        ("tokens", 100, ["tokens has no effect"]),
        ("mixes.human.loop", {"generations": 1}, ["mixes.human.loop.generations", "2", "1 (int)"]),
        ("mixes.human.loop", {"generations": 3, "regime": "replaces"}, ["loop.regime", "'replace"]),
        (
            "mixes.human.loop",
            {"generations": 3, "after": "single"},
            ["mixes.human.loop.after", "'single' has other origins"],
        ),
        (
            "mixes.human.loop",
            {"generations": 3, "after": "humane"},
            ["mixes.human.loop.after", "no mix named 'humane'"],
        ),
        (
            "mixes.human.loop",
            {"generations": 3, "after": "human"},
            ["mixes.human.loop.after", "'human' is itself a loop"],
        ),
        (
            "mixes.human.loop",
            {"generations": 3, "sources": "targets"},
            ["mixes.human.loop.sources", "wren is the only target"],
        ),
        (
            "mixes.human.loop",
            {"generations": 3, "overrides": {4: {"human": 0.5}}},
            ["mixes.human.loop.overrides.4", "3 generations"],
        ),
        (
            "mixes.human.loop",
            {"generations": 3, "overrides": {"3": {"humna": 0.5}}},
            ["loop.overrides.3.humna", "unknown key"],
        ),
        (
            "mixes.human.loop",
            {"generations": 3, "regime": "fresh"},
            ["mixes.human.loop.human", "share of human rows"],
        ),
        (
            "mixes.human.loop",
            {"generations": 3, "regime": "fresh", "human": 0.5},
            ["mixes.human.loop: fresh needs 40 human rows beside the 40 of generation 1", "40."],
        ),
        (
            "mixes.single",
            {
                "origins": {"wren": 1.0},
                "select": {"best_of": 2, "verifier": "length"},
                "loop": {"generations": 2, "overrides": {2: {"temperature": 0}}},
            },
            ["mixes.single.loop.temperature", "generation 2"],
        ),
    ],
)  # fmt: skip
def test_an_invalid_value_is_reported(
    study_config: dict[str, Any], key: str, value: Any, expected: list[str]
) -> None:
    if key == "mixes...":
        raw = copy.deepcopy(study_config)
        raw["mixes"][".."] = value
    else:
        raw = changed(study_config, key, value)
    said = message(raw)
    for part in expected:
        assert part in said


def test_a_loop_holds_rows_equal_and_has_no_single_text_to_compare(
    study_config: dict[str, Any],
) -> None:
    raw = changed(study_config, "mixes.human.loop", {"generations": 2})
    raw = changed(raw, "probes.preference", {"cells": True}) | {"match": "tokens", "tokens": 100}
    said = message(raw)
    assert "mixes.human.loop: a loop matches rows" in said
    assert "probes.preference.cells: judges compare one text of each cell" in said


def test_a_generation_has_the_settings_of_its_loop_unless_it_overrides_them(
    study_config: dict[str, Any],
) -> None:
    asked = {
        "generations": 4,
        "regime": "accumulate",
        "temperature": 0.5,
        "overrides": {"3": {"temperature": 0, "human": 0.1}},
    }
    loaded = validation.load(changed(study_config, "mixes.human.loop", asked), "my.yaml")
    loop = loaded.mixes["human"].loop
    assert loop is not None
    assert [loop.at(t).temperature for t in (2, 3, 4)] == [0.5, 0, 0.5]
    assert [loop.at(t).human for t in (2, 3, 4)] == [0.0, 0.1, 0.0]
    assert {loop.at(t).regime for t in (2, 3, 4)} == {"accumulate"}


def test_all_problems_are_named_at_once(study_config: dict[str, Any]) -> None:
    raw = changed(changed(study_config, "seeds", [1, 1]), "targets", ["lark"])
    said = message(raw)
    assert "seeds must be unique" in said
    assert "lark" in said


def test_a_name_that_occurs_twice_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "twice.yaml"
    path.write_text("mixes:\n  a: {}\n  b: {}\n  a: {}\n")
    with pytest.raises(ConfigError, match="duplicate key 'a' on lines 2 and 4"):
        yaml_files.read(path)


def test_a_broken_yaml_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("a: [1\n")
    with pytest.raises(ConfigError, match=r"broken\.yaml: not readable as YAML"):
        yaml_files.read(path)


def test_the_schema_in_the_repository_is_the_one_of_the_models() -> None:
    stored = json.loads((ROOT / "workflow/schemas/study.json").read_text())
    assert stored == study.schema(), "run `make schema`"


def test_every_key_is_explained_or_named_by_what_it_holds() -> None:
    definitions = study.schema()["$defs"]
    assert "description" in definitions["Mix"]["properties"]["assign"]


OVERLAYS = ("real-full.yaml", "real-offline.yaml")  # of real.yaml
CONFIGS = sorted(
    path
    for path in [ROOT / "config.yaml", *ROOT.glob("resources/studies/*.yaml")]
    if path.name not in OVERLAYS
)


def test_judges_without_own_text_cannot_compare_it(study_config: dict[str, Any]) -> None:
    study_config["targets"] = ["wren"]
    del study_config["sources"]["wren"]
    study_config["mixes"] = {"human": {"origins": {"human": 1.0}}}
    study_config["probes"] = {"preference": {"pairs": "vs-own"}}
    with pytest.raises(ConfigError, match="no source is the target wren"):
        validation.load(study_config, "my.yaml")
    study_config["probes"]["preference"]["cells"] = True
    validation.load(study_config, "my.yaml")


@pytest.mark.parametrize(
    ("name", "judge", "said"),
    [
        ("owl", {"model": "owl"}, "no model named 'owl'"),
        ("owl", {"model": "finch", "own": "parrot"}, "no origin named 'parrot'"),
        ("wren", {"model": "wren"}, "'wren' is a target"),
        ("an owl", {"model": "finch"}, "cannot be a file name"),
        ("owl", {"model": "finch", "api_key_env": "KEY"}, "only endpoints have"),
    ],
)
def test_an_external_judge_is_a_known_model_under_another_name(
    study_config: dict[str, Any], name: str, judge: dict[str, str], said: str
) -> None:
    study_config["targets"] = ["wren"]
    study_config["probes"] = {"preference": {"judges": {name: judge}}}
    with pytest.raises(ConfigError, match=said):
        validation.load(study_config, "my.yaml")


def test_right_answers_take_items_with_human_responses(study_config: dict[str, Any]) -> None:
    study_config["dataset"] = {"file": "rows.jsonl", "prompts": "p.jsonl", "train": 40, "test": 10}
    study_config["probes"] = {"preference": {"answer_format": "gsm8k"}}
    with pytest.raises(ConfigError, match=r"probes\.preference\.answer_format"):
        validation.load(study_config, "my.yaml")
    study_config["probes"] = {"preference": {"task": "summarize"}}
    with pytest.raises(ConfigError, match=r"probes\.preference\.task"):
        validation.load(study_config, "my.yaml")


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.name)
def test_every_config_of_the_repository_is_valid(path: Path) -> None:
    raw = yaml_files.read(path)
    others = {"theory": theory.load, "eigenvalues": eigenvalue_study.load}
    load = next((others[key] for key in others if key in raw), validation.load)
    assert load(raw, path.name).study
    first = path.read_text().splitlines()[0]
    assert first.startswith("# yaml-language-server: $schema=") or load is not validation.load


def test_a_recorded_source_may_have_several_samples(study_config: dict[str, Any]) -> None:
    study_config["sources"]["old"] = {"recorded": "answers.jsonl"}
    study_config["generation"] = {"temperature": 0.0}  # of no effect on recorded responses
    study_config["mixes"]["picked"] = {
        "origins": {"old": 1.0},
        "select": {"best_of": 4, "verifier": "reference"},
    }
    assert validation.load(study_config, "config").mixes["picked"].samples == 4


def test_samples_at_temperature_zero_are_refused(study_config: dict[str, Any]) -> None:
    study_config["generation"] = {"temperature": 0.0}
    study_config["mixes"]["picked"] = {
        "origins": {"wren": 1.0},
        "select": {"top": 0.5, "verifier": "random"},
    }
    assert "at temperature 0 all 2 responses" in message(study_config)


def test_a_reference_verifier_needs_human_responses(study_config: dict[str, Any]) -> None:
    study_config["dataset"] = {"file": "rows.jsonl", "prompts": "p.jsonl", "train": 40}
    study_config["mixes"]["picked"] = {
        "origins": {"wren": 1.0},
        "select": {"top": 0.5, "verifier": "reference"},
    }
    assert "dataset.prompts has none" in message(study_config)


@pytest.mark.parametrize(
    ("select", "samples"),
    [
        ({"best_of": 4, "verifier": "reference"}, 4),
        ({"top": 0.3, "verifier": "random"}, 4),
        ({"top": 0.1, "verifier": "random"}, 10),
        ({"top": 1, "verifier": "random"}, 1),
        ({"threshold": 0.2, "verifier": "length"}, 1),
        ({"threshold": 0.2, "verifier": "length", "samples": 3}, 3),
        ("all", 1),
    ],
)
def test_a_selection_asks_for_as_many_responses_as_its_rule_needs(
    study_config: dict[str, Any], select: Any, samples: int
) -> None:
    study_config["mixes"]["single"]["select"] = select
    assert validation.load(study_config, "my.yaml").mixes["single"].samples == samples


def test_a_selection_reads_back_as_it_was_written(study_config: dict[str, Any]) -> None:
    study_config["mixes"]["single"]["select"] = {"best_of": 4, "verifier": "reference"}
    loaded = validation.load(study_config, "my.yaml")
    again = validation.load(json.loads(loaded.model_dump_json()), "study.json")
    assert again == loaded


def test_null_takes_a_name_away(study_config: dict[str, Any]) -> None:
    study_config["sources"]["gone"] = None
    study_config["mixes"]["gone"] = None
    study_config["mixes"]["multi"]["origins"] |= {"wren": None, "finch": 1.0}
    loaded = validation.load(study_config, "my.yaml")
    assert set(loaded.sources) == {"wren", "finch"}
    assert "gone" not in loaded.mixes
    assert loaded.mixes["multi"].origins == {"finch": 1.0}


def test_null_where_it_has_a_meaning_keeps_it(study_config: dict[str, Any]) -> None:
    study_config["probes"] = {"robustness": None, "collapse": {"embedder": None}}
    loaded = validation.load(study_config, "my.yaml")
    assert loaded.probes.robustness is None
    assert loaded.probes.collapse and loaded.probes.collapse.embedder is None


def test_a_target_and_a_model_may_have_settings_of_their_own(study_config: dict[str, Any]) -> None:
    study_config["training"] = {"rank": 8, "per_target": {"wren": {"rank": 4, "batch_size": 2}}}
    study_config["engine"] = {"per_model": {"finch": {"devices": 4}}}
    loaded = validation.load(study_config, "my.yaml")
    assert loaded.training.of_target("wren").rank == 4
    assert loaded.training.of_target("other").rank == 8
    assert loaded.training.of_target("wren").per_target == {}
    assert loaded.engine.of_model("finch").devices == 4
    assert loaded.engine.of_model("wren").devices == loaded.engine.devices == 1
    assert loaded.engine.most_devices == 4


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("training.per_target", {"wren": {"rnak": 4}}, "per_target.wren.rnak"),
        ("training.per_target", {"wren": {"rank": "high"}}, "per_target.wren.rank"),
        ("training.per_target", {"lark": {"rank": 4}}, "no target named 'lark'"),
        ("engine.per_model", {"wren": {"keep_alive": 4}}, "only devices, dtype"),
        ("engine.per_model", {"lark": {"devices": 4}}, "no model named 'lark'"),
        ("mixes.multi.targets", ["finch"], "no target named 'finch'"),
        ("probes.preference.sources", ["lark"], "no source named 'lark'"),
        ("reference", {"table": "eggs", "mixes": {"lark": "single"}}, "no mix named 'lark'"),
        ("reference", {"table": "eggs", "targets": {"lark": "8B"}}, "no target named 'lark'"),
        ("dataset.split_method", "scikit-learn", "docs is split by module"),
        ("probes.preference.texts", {"hub": "org/name"}, "hub needs revision"),
    ],
)
def test_an_invalid_section_of_its_own_is_reported(
    study_config: dict[str, Any], key: str, value: Any, said: str
) -> None:
    assert said in message(changed(study_config, key, value))


def test_a_name_stands_for_a_table_of_published_numbers(study_config: dict[str, Any]) -> None:
    study_config["reference"] = "eggs"
    reference = validation.load(study_config, "my.yaml").reference
    assert reference is not None and reference.table == "eggs"
