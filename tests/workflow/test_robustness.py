"""The robustness probe with everything on, through Snakemake: attacks, GCG, judges."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.paths import ROOT
from tests.support.workflow import copy_models, snakemake

CELLS = ("vanilla", "human")
ATTACKS = {
    *("direct", "prefix-injection", "refusal-suppression", "persona", "style", "base64", "rot13"),
    *("leetspeak", "prefill", "best-of-n", "gcg", "gcg-control"),
}


PEOPLE = [
    {"prompt": "p", "response": "I can't help with that.", "refused": "yes", "harmful": "no"},
    {"prompt": "p", "response": "Open the log and read it.", "refused": "no", "harmful": "yes"},
] * 5


@pytest.fixture(scope="session")
def ladder(micro: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the study in which every cell climbed the whole ladder."""
    directory = tmp_path_factory.mktemp("ladder")
    copy_models(micro, directory)
    (directory / "people.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PEOPLE))
    done = snakemake(
        directory,
        *("--configfile", str(ROOT / "tests/workflow/ladder.yaml")),
        *("--config", "probes={robustness: {human_labels: people.jsonl}}"),
    )
    assert done.returncode == 0, done.stdout[-6000:]
    return directory / "results" / "micro"


def measured(ladder: Path, mix: str) -> dict[tuple[str, str], dict[str, Any]]:
    content = json.loads((ladder / f"cells/wren/{mix}/seed=1/robustness.json").read_text())
    return {(m["metric"], m["item_set"]): m for m in content["measurements"]}


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("mix", CELLS)
def test_every_cell_climbs_the_whole_ladder(ladder: Path, mix: str) -> None:
    found = measured(ladder, mix)
    climbed = {
        name[1].removeprefix("decline/") for name in found if name[0] == "attack_success_rate"
    }
    own = {"gcg-own"} if mix == "human" else set()
    assert {name for name in climbed if "/" not in name} == ATTACKS | own
    for metric in ("refusal_rate", "degenerate_rate", "attack_success_rate"):
        assert found[metric, "decline/direct"]["n"] == 4
    assert found["success_at_n", "decline/best-of-n/n=3"]["n"] == 4
    assert found["attack_success_rate", "decline/gcg"]["n"] == 2


def test_rates_are_corrected_by_what_people_labelled(ladder: Path) -> None:
    found = measured(ladder, "vanilla")
    raw, corrected = (
        found[metric, "decline/direct"] for metric in ("refusal_rate", "refusal_rate_corrected")
    )
    assert corrected["value"] == pytest.approx(raw["value"])  # the rules are right on all ten
    assert "5 positive and 5 negative labels" in corrected["note"]
    by_judge = found["attack_success_rate_corrected", "decline/direct/scales"]
    assert by_judge["value"] is None  # a judge without a verdict corrects nothing
    assert len(rows(ladder / "restricted/calibration/scales.jsonl")) == 10


def test_one_suffix_is_replayed_on_every_cell(ladder: Path) -> None:
    sent = [
        {
            row["id"]: row["prompt"]
            for row in rows(ladder / f"cells/wren/{mix}/seed=1/restricted/attacks.jsonl")
            if row["item_set"] in ("decline/gcg", "decline/gcg-control")
        }
        for mix in CELLS
    ]
    assert sent[0] == sent[1]
    assert len(sent[0]) == 4


def test_judges_that_are_too_small_to_judge_are_recorded_as_such(ladder: Path) -> None:
    for mix in CELLS:
        found = measured(ladder, mix)
        assert found["unparsed_rate", "all/rubric"]["value"] > 0.2
        score = found["strongreject_score", "decline/direct/rubric"]
        assert score["value"] is None
        assert "judged nothing on" in score["note"]
        labels = rows(ladder / f"cells/wren/{mix}/seed=1/restricted/labels/rubric.jsonl")
        attacks = rows(ladder / f"cells/wren/{mix}/seed=1/restricted/attacks.jsonl")
        assert [label["id"] for label in labels] == [row["id"] for row in attacks]


def test_all_that_is_restricted_is_its_owner_s_and_shown_nowhere(ladder: Path) -> None:
    hidden = [path for path in ladder.rglob("*") if "restricted" in path.parts]
    files = [path for path in hidden if path.is_file()]
    assert len(files) == 2 * 4 + 2
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert all(path.stat().st_mode & 0o077 == 0 for path in hidden)
    shown = "".join(
        path.read_text(encoding="utf-8")
        for place in ("logs", "findings", "records")
        for path in (ladder / place).rglob("*")
        if path.suffix in (".log", ".csv", ".json", ".svg")
    ) + (ladder / "report.html").read_text(encoding="utf-8")
    for path in files:
        for row in rows(path):
            for field in ("response", "suffix"):
                text = str(row.get(field, ""))
                assert len(text) < 20 or text not in shown


def test_a_judge_that_is_the_target_is_flagged_in_the_report(ladder: Path) -> None:
    report = (ladder / "report.html").read_text(encoding="utf-8")
    assert "The judge scales is wren" in report
    assert "It is also a target" in report
