"""A checkout and a copy of a finished study, edits of both, and the jobs that must run again."""

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

import yaml

from manybaskets.stages.registry import STAGES
from tests.support.paths import ROOT


@dataclass
class Workspace:
    """A checkout and a copy of a finished study, both of which a test may edit."""

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
        assert old in text, f"{old!r} is no longer in {file}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    def planned(self) -> set[str]:
        """Jobs that `manybaskets plan` would run."""
        output = self.plan("--all").stdout
        rows = re.findall(r"^([a-z_]+)((?:/\S+)?): ", output, re.MULTILINE)
        return {stage + rest for stage, rest in rows if stage in STAGES}

    def plan(self, *options: str) -> "subprocess.CompletedProcess[str]":
        completed = self._run(
            *("-m", "manybaskets", "plan", *self.targets, *options),
            *("--configfile", self.written()),
        )
        assert completed.returncode == 0, completed.stdout[-3000:]
        return completed

    def status(self) -> str:
        return self._run("-m", "manybaskets", "status", "--configfile", self.written()).stdout

    def make(self) -> None:
        """Runs the study for real."""
        completed = self._snakemake()
        assert completed.returncode == 0, completed.stdout[-3000:]

    def dry_run(self) -> set[str]:
        """Jobs that Snakemake would run."""
        completed = self._snakemake("--dry-run", "--quiet", "host", *self.snakemake_arguments)
        assert completed.returncode == 0, completed.stdout[-3000:]
        logs = re.findall(r"^ +log: results/micro/logs/(\S+)\.log", completed.stdout, re.MULTILINE)
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
        """Pretends that another version of a package is installed."""
        info = self.directory / "packages" / f"{package}-{version}.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n"
        )


def fresh_workspace(place: Path) -> Workspace:
    """A new checkout, and the path of a study beside it."""
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
    """Every job of the finished study: those that have a record."""
    records = workspace.results / "records"
    return {str(p.relative_to(records).with_suffix("")) for p in records.rglob("*.json")}


def expanded(patterns: set[str], planned: set[str], jobs: set[str]) -> set[str]:
    """The jobs that match a pattern; every pattern must match at least one."""
    known = planned | jobs
    for pattern in patterns:
        assert any(fnmatch(job, pattern) for job in known), f"no job matches {pattern}"
    return {job for job in known if any(fnmatch(job, pattern) for pattern in patterns)}


Edit = Callable[[Workspace], object]
Table = dict[str, tuple[Edit, set[str]]]  # edits by name, and the jobs that must run
NOTHING: set[str] = set()


def assert_reruns(workspace: Workspace, edit: Edit, patterns: set[str]) -> None:
    """After the edit, the plan has exactly the jobs that match the patterns."""
    jobs = all_jobs(workspace)
    edit(workspace)
    planned = workspace.planned()
    expected = expanded(patterns, planned, jobs)
    assert planned - expected == set(), "run for nothing"
    assert expected - planned == set(), "not run"


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


def replace_bytes(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def change_line(file: str, number: int, old: str, new: str) -> Edit:
    def edit(workspace: Workspace) -> None:
        path = workspace.directory / file
        lines = path.read_text(encoding="utf-8").splitlines()
        assert old in lines[number]
        lines[number] = lines[number].replace(old, new)
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")

    return edit
