"""A step killed at each point at which it changes a file: whole or absent, and made again.

The step runs under a wrapper that sends itself SIGKILL before its n-th rename or removal of a file,
for every n there is.
"""

import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from manybaskets.dag.graph import Graph
from manybaskets.dag.invalidation import Reruns
from manybaskets.dag.preflight import study_of
from tests.faults.conftest import ROOT, contents, make_mixes
from tests.support.jobs import job_of

WRAPPER = """
import os, runpy, signal, sys
point = int(sys.argv[1])
def counted(change):
    def changed(*arguments, **options):
        global point
        point -= 1
        if point == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return change(*arguments, **options)
    return changed
os.replace, os.rename, os.unlink = map(counted, (os.replace, os.rename, os.unlink))
sys.argv = ["manybaskets", *sys.argv[2:]]
runpy.run_module("manybaskets", run_name="__main__")
"""
JOBS = {
    "build_mix": (
        job_of("build_mix", "multi/seed=1"),
        "--train data/train.jsonl --prompts data/prompts.jsonl"
        " --responses responses/one/seed=1.jsonl responses/two/seed=1.jsonl --tokenizer"
        " --rows mixes/multi/seed=1.jsonl --composition mixes/multi/seed=1.json",
    ),
    "generate": (
        job_of("generate", "one/seed=1"),
        "--train data/train.jsonl"
        " --prompts data/prompts.jsonl --output responses/one/seed=1.jsonl --extend",
    ),
    "prepare_dataset": (
        job_of("prepare_dataset"),
        "--train data/train.jsonl --test data/test.jsonl"
        " --prompts data/prompts.jsonl --items data/items.jsonl",
    ),
}


@pytest.mark.parametrize("name", JOBS)
def test_a_step_killed_at_every_point(
    own: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert make_mixes(own).returncode == 0
    whole = contents(own)
    monkeypatch.chdir(own)
    job, arguments = JOBS[name]
    graph = Graph(study_of(["own.yaml"], []))
    files = [word if word.startswith("--") else f"results/own/{word}" for word in arguments.split()]
    step = [name, *shlex.split(graph.arguments(job)), *files]
    points = 0
    while True:
        points += 1
        for path in graph.outputs(job):
            Path(path).unlink(missing_ok=True)
        done = subprocess.run(
            [sys.executable, "-c", WRAPPER, str(points), *step],
            env={"PYTHONPATH": str(ROOT / "workflow"), "PATH": ""},
            capture_output=True,
            text=True,
            check=False,
        )
        for path, content in contents(own).items():
            if "/." not in path:
                assert content == whole[path], f"half a file at point {points}: {path}"
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
        there = [Path(path).exists() for path in graph.outputs(job)]
        if not Reruns(graph).why(job):
            assert all(there)
    assert points > 4
    assert make_mixes(own).returncode == 0
    leftovers = [path for path in contents(own) if "/." in path]
    assert {p: c for p, c in contents(own).items() if p not in leftovers} == whole
    assert leftovers == [], "unfinished files of killed steps"
