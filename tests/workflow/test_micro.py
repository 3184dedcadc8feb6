"""The whole graph, run through Snakemake: generation, training, judging, contrasts, report."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from manybaskets.cli import forkserver
from manybaskets.devices import on_cpu
from tests.support.paths import ROOT
from tests.support.workflow import snakemake

MICRO = ("--configfile", str(ROOT / "tests/workflow/micro.yaml"))
CELLS = [
    f"cells/wren/{mix}/seed={seed}" for mix in ("vanilla", "human", "multi") for seed in (1, 2)
]


def results(micro: Path) -> Path:
    return micro / "results" / "micro"


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def jsonl(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def planned(micro: Path, *arguments: str) -> set[str]:
    """The rules of which a dry run would run jobs."""
    done = snakemake(micro, "--dry-run", *arguments)
    assert done.returncode == 0, done.stdout[-3000:]
    table = re.search(r"^job +count\n-+ +-+\n(.*?)^total", done.stdout, re.MULTILINE | re.DOTALL)
    return {line.split()[0] for line in table[1].splitlines()} - {"all"} if table else set()


def test_every_cell_has_every_measurement(micro: Path) -> None:
    found = rows(results(micro) / "findings/measurements.csv")
    per_cell = {(row["mix"], row["seed"]) for row in found}
    assert per_cell == {(mix, seed) for mix in ("vanilla", "human", "multi") for seed in "12"}
    metrics = {row["metric"] for row in found}
    assert {"bits_per_byte", "self_bleu", "refusal_rate", "position_bias", "preference"} <= metrics
    assert {"label_bias", "likelihood_preference", "rating", "self_recognition"} <= metrics
    for row in found:
        assert row["value"] or row["note"], row


def test_preferences_of_three_origins_sum_to_one_and_a_half(micro: Path) -> None:
    found = rows(results(micro) / "findings/measurements.csv")
    for mix in ("vanilla", "human", "multi"):
        scores = [
            float(row["value"])
            for row in found
            if (row["mix"], row["seed"], row["metric"]) == (mix, "1", "preference")
        ]
        assert len(scores) == 3
        assert sum(scores) == pytest.approx(1.5)


def test_mixes_have_the_declared_origins_and_equal_rows(micro: Path) -> None:
    for seed in (1, 2):
        human = json.loads((results(micro) / f"mixes/human/seed={seed}.json").read_text())
        multi = json.loads((results(micro) / f"mixes/multi/seed={seed}.json").read_text())
        assert human["origins"] == {"human": 40}
        assert multi["rows"] + sum(multi["dropped"].values()) == 40
        ids = [
            {row["id"] for row in jsonl(results(micro) / f"mixes/{mix}/seed={seed}.jsonl")}
            for mix in ("human", "multi")
        ]
        assert ids[0] >= ids[1]


def test_the_first_source_of_the_config_answers_the_first_quarters(micro: Path) -> None:
    quarter = {row["id"]: row["quarter"] for row in jsonl(results(micro) / "data/train.jsonl")}
    for row in jsonl(results(micro) / "mixes/multi/seed=1.jsonl"):
        assert row["origin"] == ("wren" if quarter[row["id"]] in (1, 2) else "finch")


def test_no_text_is_on_both_sides(micro: Path) -> None:
    train, test = (
        {row["response"] for row in jsonl(results(micro) / f"data/{name}.jsonl")}
        for name in ("train", "test")
    )
    modules = [
        {str(row["id"]).split(":")[0] for row in jsonl(results(micro) / f"data/{name}.jsonl")}
        for name in ("train", "test")
    ]
    assert not train & test
    assert not modules[0] & modules[1]


def test_the_adapter_is_served_and_not_ignored(micro: Path) -> None:
    tuned, plain = (
        [
            row["response"]
            for row in jsonl(results(micro) / f"cells/wren/{mix}/seed=1/responses.jsonl")
        ]
        for mix in ("human", "vanilla")
    )
    assert tuned != plain


def test_what_models_answer_to_attacks_stays_with_its_owner(micro: Path) -> None:
    report = (results(micro) / "report.html").read_text(encoding="utf-8")
    for cell in CELLS:
        path = results(micro) / cell / "restricted/attacks.jsonl"
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o077 == 0
        for row in jsonl(path):
            assert len(str(row["response"])) < 20 or str(row["response"]) not in report


def test_nothing_unfinished_is_left(micro: Path) -> None:
    hidden = [path for path in results(micro).rglob(".*") if path.name != ".snakemake_timestamp"]
    assert hidden == []


def test_the_report_is_one_file_with_figures(micro: Path) -> None:
    report = (results(micro) / "report.html").read_text(encoding="utf-8")
    assert "Does the whole graph run?" in report
    assert not re.search(r"""(src|href)=["']https?://(?!arxiv)""", report)
    figures = {p.name for p in (results(micro) / "findings/figures").iterdir()}
    assert len([name for name in figures if name.endswith(".svg")]) >= 4
    assert {name[:-4] for name in figures if name.endswith(".svg")} <= {
        name[:-4] for name in figures if name.endswith(".png")
    }


def test_a_judge_that_is_no_cell_is_measured_like_one(micro: Path) -> None:
    table = rows(results(micro) / "findings/judges.csv")
    named: dict[str, set[tuple[str, str]]] = {row["judge"]: set() for row in table}
    for row in table:
        named[row["judge"]].add((row["metric"], row["item_set"]))
    assert named["outsider"] == named["wren/vanilla"]
    assert ("diagonal_excess", "matrix") in named["all"]
    judgements = jsonl(results(micro) / "judges/outsider/seed=1.jsonl")
    assert {row["own"] for row in judgements} == {"finch"}


def test_a_finished_study_has_nothing_to_do(micro: Path) -> None:
    assert planned(micro, *MICRO) == set()


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ("probes={collapse: {tokens: 6}}", {"collapse", "findings", "figures", "report"}),
        ("question='Another question?'", {"report"}),
        ("engine={keep_alive: 3}", {"report"}),
        (
            "training={dropout: 0.1}",
            {
                *("train", "sample_responses", "score_likelihood", "collapse"),
                *("run_attacks", "robustness", "judge_pairs", "preference"),
                *("compare_judges", "findings", "figures", "report"),
            },
        ),
    ],
)
def test_a_change_reruns_what_depends_on_it_and_nothing_else(
    micro: Path, change: str, rules: set[str]
) -> None:
    assert planned(micro, *MICRO, "--config", change) == rules


def test_cells_made_again_on_one_core_are_the_same_bytes(
    micro: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but logs, records and the report, which contain the time of every job.

    Every step starts by itself this time: the first run's were copies of the fork server.
    """
    monkeypatch.setenv(forkserver.VARIABLE, "none")
    micro = shutil.copytree(micro, tmp_path / "a study with spaces")
    before = {
        path.relative_to(micro): path.read_bytes()
        for path in results(micro).rglob("*")
        if path.is_file() and not {"logs", "records", "report.html"} & set(path.parts)
    }
    shutil.rmtree(results(micro) / "findings")
    for made in ("responses/finch", "mixes/multi", "cells/wren/vanilla", "cells/wren/multi"):
        shutil.rmtree(results(micro) / made / "seed=1", ignore_errors=True)
        for path in (results(micro) / made).glob("seed=1.*"):
            path.unlink()
    (results(micro) / "report.html").unlink()
    done = snakemake(micro, *MICRO, "--cores", "1")
    assert done.returncode == 0, done.stdout[-3000:]
    changed = [
        str(path) for path, content in before.items() if (micro / path).read_bytes() != content
    ]
    assert changed == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("sedes=[1]", "Did you mean 'seeds'"),
        ("targets=[lark]", "no model named 'lark'"),
        ("rows=1000", "only 48"),
    ],
)
def test_a_bad_config_ends_before_any_job_and_writes_nothing(
    tmp_path: Path, change: str, said: str
) -> None:
    done = snakemake(tmp_path, *MICRO, "--config", change)
    assert done.returncode != 0
    assert said in done.stdout
    assert "micro.yaml" in done.stdout
    assert not (tmp_path / "results").exists()


def test_training_jobs_hold_a_gpu_each_where_there_are_any(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MANYBASKETS_DEVICES", "0,1")
    done = snakemake(
        tmp_path, *MICRO, "--quiet", "host", "--", "results/micro/data/documentation.jsonl"
    )
    assert done.returncode == 0, done.stdout
    assert re.search(r"Provided resources: gpu=\D*2\b", done.stdout)
    done = snakemake(tmp_path, *MICRO, "--dry-run", "--quiet", "host")
    train = done.stdout.split("rule train:")[1].split("\n\n")[0]
    assert "gpu=1" in train


def test_a_model_split_over_more_gpus_than_the_run_has_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MANYBASKETS_DEVICES", "0,1,2,3")
    wanted = ("--config", "engine={devices: 2}", "--dry-run")
    assert snakemake(tmp_path, *MICRO, *wanted).returncode == 0
    done = snakemake(tmp_path, *MICRO, *wanted, "--resources", "gpu=1")
    assert done.returncode != 0
    assert (
        "engine.devices: the config spreads a model over 2 GPUs, but this run has 1" in done.stdout
    )


def test_two_gpus_of_a_training_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MANYBASKETS_DEVICES", "0,1")
    wanted = ("--config", "training={devices: 2, batch_size: 8}", "--dry-run", "--quiet", "host")
    done = snakemake(tmp_path, *MICRO, *wanted)
    assert "gpu=2" in done.stdout.split("rule train:")[1].split("\n\n")[0]
    done = snakemake(tmp_path, *MICRO, *wanted, "--resources", "gpu=1")
    assert done.returncode != 0
    assert "training.devices" in done.stdout


@pytest.mark.skipif(sys.platform != "linux" or not on_cpu(), reason="no fork server here")
def test_steps_are_done_by_copies_of_the_fork_server(tmp_path: Path) -> None:
    with (tmp_path / "said").open("wb") as out:
        run = subprocess.Popen(
            [
                *(sys.executable, "-m", "snakemake", "--snakefile", str(ROOT / "Snakefile")),
                *("--directory", str(tmp_path), "--cores", "1", *MICRO),
                # three steps one after the other: the last ones come when the server is ready
                *("--", "results/micro/models/yardstick.json"),
            ],
            stdout=out,
            stderr=out,
        )
    seen = set()
    while run.poll() is None:
        for task in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                words = task.read_text().split("\0")
                parent = int((task.parent / "stat").read_text().rpartition(")")[2].split()[1])
                if words[1:3] == ["-m", "manybaskets.cli.forkserver"]:
                    seen.add((words[3].rpartition("-")[2] == str(run.pid), parent == run.pid))
        time.sleep(0.1)
    assert run.returncode == 0, (tmp_path / "said").read_text()[-3000:]
    # the server, which Snakemake started, and a copy, which the server did
    assert {(True, True), (True, False)} <= seen


def test_a_cell_is_published_as_a_folder_that_peft_loads(micro: Path, tmp_path: Path) -> None:
    import torch
    from peft import PeftModel

    from manybaskets.models.loading import load_model

    done = subprocess.run(
        [
            *(sys.executable, "-m", "manybaskets", "publish"),
            *(results(micro) / "cells/wren/multi/seed=2", "--output", tmp_path / "out"),
        ],
        text=True, capture_output=True, timeout=120, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "workflow")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    card = (tmp_path / "out/README.md").read_text()
    assert "bits_per_byte (test)" in card and "2 seeds" in card
    for row in jsonl(results(micro) / "cells/wren/multi/seed=2/responses.jsonl"):
        assert len(str(row["response"])) < 20 or str(row["response"]) not in card
    base = load_model(results(micro) / "models/wren", torch.float32)
    assert PeftModel.from_pretrained(base, tmp_path / "out").peft_config
