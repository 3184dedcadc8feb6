"""Loops run through Snakemake: models trained on models' text, a verifier, and a divergence."""

import csv
import json
from pathlib import Path

import pytest
import yaml

from manybaskets.data import divergence
from tests.support.paths import ROOT
from tests.support.workflow import copy_models, snakemake

LOOP = ("--configfile", str(ROOT / "tests/workflow/loop.yaml"))


@pytest.fixture(scope="module")
def made(micro: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("a loop with spaces")
    copy_models(micro, directory)
    done = snakemake(directory, *LOOP)
    assert done.returncode == 0, done.stdout[-6000:]
    return directory / "results" / "micro"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def jsonl(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def training_set(made: Path, mix: str) -> list[dict[str, str]]:
    return jsonl(made / "mixes/loop/wren" / mix / "seed=1/generation=2.jsonl")


def test_the_second_generation_learns_from_what_the_first_wrote(made: Path) -> None:
    written = jsonl(made / "responses/loop/wren/accumulate/seed=1/generation=1.jsonl")
    said = {row["id"]: row["response"] for row in written if row["state"] in ("ok", "length")}
    found = training_set(made, "accumulate")
    assert said
    assert {row["id"]: row["response"] for row in found if row["origin"] == "wren@1"} == said


def test_accumulating_keeps_the_human_rows_of_the_first(made: Path) -> None:
    human = {row["response"] for row in jsonl(made / "mixes/human/seed=1.jsonl")}
    found = training_set(made, "accumulate")
    assert {row["response"] for row in found if row["origin"] == "human"} == human


def test_a_replacing_generation_has_the_share_of_people_that_was_asked_for(made: Path) -> None:
    found = training_set(made, "replace")
    assert len(found) == 40
    assert sum(row["origin"] == "human" for row in found) == 10


def test_a_verifier_keeps_the_longer_of_two_responses(made: Path) -> None:
    written = jsonl(made / "responses/loop/wren/replace/seed=1/generation=1.jsonl")
    longest: dict[str, int] = {}
    for row in written:
        longest[row["id"]] = max(longest.get(row["id"], 0), len(row["response"].split()))
    kept = [row for row in training_set(made, "replace") if row["origin"] == "wren@1"]
    assert all(len(row["response"].split()) == longest[row["id"]] for row in kept)


def test_each_generation_is_an_adapter_of_its_own_on_the_target(made: Path) -> None:
    places = ["human/seed=1", "replace/seed=1/generation=2", "accumulate/seed=1/generation=2"]
    adapters = [
        (made / "cells/wren" / place / "adapter/adapter_model.safetensors").read_bytes()
        for place in places
    ]
    assert len(set(adapters)) == 3


def test_a_chain_that_comes_to_nothing_is_recorded_and_stops_no_other(made: Path) -> None:
    place = made / "cells/wren/strict/seed=1/generation=2"
    reason = divergence.reason(place / "robustness.json")
    assert reason == divergence.reason(place / "adapter")
    assert reason is not None
    assert reason.startswith("generation 1 of strict (wren, seed 1): mixes.strict: 0 of 40")
    found = rows(made / "findings/measurements.csv")
    of_strict = [row for row in found if (row["mix"], row["generation"]) == ("strict", "2")]
    assert [(row["metric"], row["note"]) for row in of_strict if row["probe"] != "selection"] == [
        ("diverged", reason)
    ]


def test_findings_have_every_generation_and_the_first_of_all_loops_is_one(made: Path) -> None:
    found = rows(made / "findings/measurements.csv")
    value = {
        (row["mix"], row["generation"]): row["value"]
        for row in found
        if (row["metric"], row["item_set"]) == ("refusal_rate", "decline/direct")
    }
    assert value.keys() == {
        *(("vanilla", "0"), ("human", "0")),
        *((mix, "1") for mix in ("replace", "accumulate", "strict")),
        *((mix, "2") for mix in ("replace", "accumulate")),
    }
    assert len({value[mix, "1"] for mix in ("replace", "accumulate", "strict")}) == 1
    assert value["human", "0"] == value["replace", "1"]
    assert (made / "findings/figures/generations.svg").is_file()
    assert "Loops" in (made / "report.html").read_text(encoding="utf-8")


def test_what_a_verifier_did_in_a_round_is_measured(made: Path) -> None:
    found = rows(made / "findings/measurements.csv")
    of_rounds = {row["generation"] for row in found if row["probe"] == "selection"}
    assert of_rounds == {"2"}


def test_nothing_is_left_to_do_and_another_generation_is_all_that_runs(
    made: Path, tmp_path: Path
) -> None:
    directory = made.parents[1]
    again = snakemake(directory, *LOOP, "--dry-run")
    assert "Nothing to be done" in again.stdout
    config = yaml.safe_load((ROOT / "tests/workflow/loop.yaml").read_text(encoding="utf-8"))
    config["mixes"]["accumulate"]["loop"]["generations"] = 3
    longer = tmp_path / "longer.yaml"
    longer.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    planned = snakemake(directory, "--configfile", str(longer), "--dry-run", "--quiet", "host")
    logs = {line.split("logs/")[1] for line in planned.stdout.splitlines() if " log: " in line}
    of_cells = {log for log in logs if "seed=" in log}
    assert of_cells == {
        "loop_generate/wren/accumulate/seed=1/generation=2.log",
        *(
            f"{stage}/wren/accumulate/seed=1/generation=3.log"
            for stage in ("loop_mix", "train", "run_attacks", "robustness")
        ),
    }
