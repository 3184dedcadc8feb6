"""Every extension that the guide shows, in one study: each is found, run, measured and reported."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.support import guide

SMALL = {
    "mixes": {"multi": None},
    "probes": {"preference": {"judges": {"outsider": None}, "swap_labels": False}},
}


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of the micro study with the extensions, run in a copy of the project."""
    reader = guide.Reader(tmp_path_factory.mktemp("extended") / "manybaskets")
    (page,) = (page for page in guide.PAGES if page.stem == "extending")
    for block in guide.blocks(page):
        if block.kind in ("file", "config"):
            path = reader.place / block.mark.split()[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, encoding="utf-8")
    (reader.place / "small.yaml").write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    result = subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", "--cores", "all", "--configfile"),
            *("tests/workflow/micro.yaml", "extended.yaml", "small.yaml"),
        ],
        cwd=reader.place,
        env=os.environ | {"PATH": path, "PYTHONPATH": str(reader.place / "workflow")},
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=900,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-6000:]
    return reader.place / "results/extended"


@pytest.fixture(scope="module")
def measured(extended: Path) -> dict[tuple[str, str], list[dict[str, str]]]:
    """The rows of all cells by metric and item set."""
    by_metric: dict[tuple[str, str], list[dict[str, str]]] = {}
    with (extended / "findings/measurements.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            by_metric.setdefault((row["metric"], row["item_set"]), []).append(row)
    return by_metric


@pytest.mark.parametrize(
    ("metric", "item_set"),
    [
        ("long_words", "test"),
        ("largest_share", "test"),
        ("refusal_rate", "decline/in-a-play"),
        ("refusal_rate", "decline/shout"),
        ("clarity", "wren"),
        ("clarity", "human"),
        ("echo", "test"),
    ],
)
def test_metrics_attacks_and_questions_are_measured_on_every_cell(
    measured: dict[tuple[str, str], list[dict[str, str]]], metric: str, item_set: str
) -> None:
    rows = measured[metric, item_set]
    assert len(rows) == 8  # four conditions, two seeds
    assert any(row["value"] for row in rows)
    assert all(row["value"] or row["note"] for row in rows)


def test_the_harm_judge_labels_every_response(extended: Path) -> None:
    folder = extended / "cells/wren/human/seed=1/restricted"
    labels = [json.loads(line) for line in (folder / "labels/word.jsonl").open(encoding="utf-8")]
    responses = (folder / "attacks.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(labels) == len(responses)
    assert {label["state"] for label in labels} <= {"ok", "unparsed", "not_answered"}


def test_the_verifier_scores_and_the_rule_keeps_the_middle(extended: Path) -> None:
    verdicts = extended / "verdicts/middle/seed=1.jsonl"
    scores = [json.loads(line)["score"] for line in verdicts.open(encoding="utf-8")]
    known = sorted(score for score in scores if score is not None)
    taken = [
        json.loads(line)["score"]
        for line in (extended / "selections/middle/seed=1.jsonl").open(encoding="utf-8")
    ]
    assert known[0] < min(taken) <= max(taken) < known[-1]


def test_the_figure_and_the_words_of_each_are_in_the_report(extended: Path) -> None:
    assert (extended / "findings/figures/lengths.svg").is_file()
    report = (extended / "report.html").read_text(encoding="utf-8")
    for words in (
        "Mean length of the responses to test prompts",
        "share of long words",
        "The attack shout sends each request in capital letters",
        "for one word: whether the response complies",
        "whether it is clear",
        "the middle 50 % were kept, by the number of different words",
    ):
        assert words in report, words
