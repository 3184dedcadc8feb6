"""Faults of the machine: full and read-only disks, too little memory, two runs at once."""

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from manybaskets.dag.graph import Graph, Job
from manybaskets.dag.preflight import study_of
from manybaskets.files import read_json
from tests.faults.conftest import OWN, ROOT, command, contents, make_mixes, snakemake
from tests.support.jobs import job_of

ROOMY = 60 * 1024**2


@pytest.fixture
def small_disk(own: Path) -> Iterator[Path]:
    """A file system of 60 MiB, of its own, at the study's results."""
    place = own / "results"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={ROOMY}", "tmpfs", str(place)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("file systems cannot be mounted here (not root?)")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def remount(place: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)


def step(own: Path, name: str, job: Job, files: str) -> list[str]:
    """A step's command as its rule has it."""
    graph = Graph(study_of([str(own / "own.yaml")], []))
    words = [word if word.startswith("--") else f"results/own/{word}" for word in files.split()]
    told = f"python -m manybaskets {name} {graph.arguments(job)} {' '.join(words)}"
    return ["bash", "-c", told]


MIX = (
    "build_mix",
    job_of("build_mix", "multi/seed=1"),
    "--train data/train.jsonl --prompts data/prompts.jsonl"
    " --responses responses/one/seed=1.jsonl responses/two/seed=1.jsonl --tokenizer"
    " --rows mixes/multi/seed=1.jsonl --composition mixes/multi/seed=1.json",
)


def run_mix(own: Path, command: list[str]) -> "subprocess.CompletedProcess[str]":
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        command,
        cwd=own,
        env=os.environ | {"PYTHONPATH": str(ROOT / "workflow"), "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_full_disk_ends_a_run_that_goes_on_when_there_is_room(small_disk: Path) -> None:
    own = small_disk.parent
    filler = small_disk / "filler"
    with (own / "terminal").open("w") as terminal:
        run = subprocess.Popen(
            command("--configfile", "own.yaml", "--", "results/own/mixes/multi/seed=1.jsonl"),
            cwd=own,
            stdout=terminal,
            stderr=terminal,
        )
        while not (small_disk / "own/study.json").exists():  # past the check at the start
            assert run.poll() is None, (own / "terminal").read_text()
            time.sleep(0.01)
        with pytest.raises(OSError, match="No space left"), filler.open("wb") as file:
            while True:
                file.write(bytes(1024))
                file.flush()
        assert run.wait(120) != 0
    said = (own / "terminal").read_text()
    logs = "".join(path.read_text() for path in small_disk.rglob("*.log"))
    assert "No space left on device" in said + logs
    unfinished = [
        p for p in (small_disk / "own").rglob("*.jsonl") if not p.read_text().endswith("\n")
    ]
    assert unfinished == []
    filler.unlink()
    done = make_mixes(own)
    assert done.returncode == 0, done.stdout


def test_a_disk_that_is_too_small_is_reported_before_anything_runs(small_disk: Path) -> None:
    remount(small_disk, "size=1m")
    done = make_mixes(small_disk.parent)
    assert done.returncode != 0
    assert "the disk has 1 MiB free. Make room" in done.stdout
    assert list(small_disk.iterdir()) == []


def test_a_step_on_a_full_disk_fails_with_that_reason_and_leaves_nothing(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = small_disk.parent
    assert make_mixes(own).returncode == 0
    monkeypatch.chdir(own)
    command = step(own, *MIX)
    before = contents(own)
    used = sum(len(content) for content in before.values())
    remount(small_disk, f"size={max(used // 1024 * 4, 400)}k")
    with pytest.raises(OSError), (small_disk / "filler").open("wb") as file:  # noqa: PT011
        while True:
            file.write(bytes(1024))
            file.flush()
    done = run_mix(own, command)
    assert done.returncode == 2, done.stderr
    assert "No space left on device" in done.stderr
    assert "Make room" in done.stderr
    assert "Traceback" not in done.stderr
    (small_disk / "filler").unlink()
    remount(small_disk, f"size={ROOMY}")
    assert make_mixes(own).returncode == 0
    assert contents(own) == before


def test_a_read_only_disk_is_reported_at_the_start(small_disk: Path) -> None:
    remount(small_disk, "ro")
    done = make_mixes(small_disk.parent)
    assert done.returncode != 0
    assert "Read-only file system" in done.stdout
    assert "results/own" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_full_directory_for_temporary_files_is_reported(own: Path) -> None:
    """Steps without an engine succeed; an engine fails with the name of the full directory."""
    full = Path(f"/tmp/mb-full-{os.getpid()}")  # short enough for sockets
    full.mkdir()
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=16k,nr_inodes=3", "tmpfs", str(full)], check=False
        )
        if mounted.returncode:
            pytest.skip("file systems cannot be mounted here (not root?)")
        code = (
            "from manybaskets.serving.engine import engine\n"
            "from manybaskets.serving.vllm_args import EngineSettings\n"
            "with engine('no-such-model', EngineSettings()): pass\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=os.environ
            | {"TMPDIR": str(full), "XDG_RUNTIME_DIR": "", "PYTHONPATH": str(ROOT / "workflow")},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode != 0
        assert f"No space left on device: '{full}" in done.stderr
    finally:
        subprocess.run(["umount", str(full)], check=False)
        full.rmdir()


def test_a_job_that_exceeds_its_memory_fails_with_that_reason(
    own: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert make_mixes(own).returncode == 0
    big = own / "one.jsonl"
    lines = big.read_text().splitlines(keepends=True)
    big.write_text("".join(lines) + "".join(lines[:1]) * 400_000)
    done = subprocess.run(
        command(
            "--keep-going", "--configfile", "own.yaml", "--", "results/own/mixes/multi/seed=1.jsonl"
        ),
        cwd=own,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (400 * 1024**2,) * 2),
    )
    assert done.returncode != 0
    assert "emory" in done.stdout


def test_the_second_of_two_runs_exits_with_the_first_one_s_pid(own: Path) -> None:
    first = subprocess.Popen(
        command("--configfile", "own.yaml", "--", "results/own/mixes/multi/seed=1.jsonl"),
        cwd=own,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    lock = own / "results/own/records/run.lock"
    while not (lock.exists() and lock.read_text()):
        assert first.poll() is None
        time.sleep(0.01)
    second = make_mixes(own)
    assert second.returncode != 0
    assert f"this study is already running (process {first.pid} on" in second.stdout
    assert "Traceback" not in second.stdout
    assert first.wait(120) == 0
    assert make_mixes(own).returncode == 0


def test_two_studies_run_side_by_side_in_one_directory(own: Path) -> None:
    (own / "other.yaml").write_text(yaml.safe_dump(OWN | {"study": "other"}, sort_keys=False))
    runs = [
        subprocess.Popen(
            command(
                "--configfile", f"{name}.yaml", "--", f"results/{name}/mixes/multi/seed=1.jsonl"
            ),
            cwd=own,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for name in ("own", "other")
    ]
    assert [run.wait(120) for run in runs] == [0, 0]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content: content[: len(content) // 2], "bytes instead of"),
        (lambda content: b"".join(content.splitlines(keepends=True)[:-1]), "bytes instead of"),
        (lambda content: content.replace(b"Answer 1", b"answer 1"), "has other content"),
    ],
    ids=["truncated", "a row less", "a letter"],
)
def test_a_damaged_input_is_named_and_not_used(
    own: Path, monkeypatch: pytest.MonkeyPatch, damage: object, said: str
) -> None:
    assert make_mixes(own).returncode == 0
    whole = contents(own)
    path = own / "results/own/responses/two/seed=1.jsonl"
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    monkeypatch.chdir(own)
    done = run_mix(own, step(own, *MIX))
    assert done.returncode == 2
    assert "responses/two/seed=1.jsonl" in done.stderr
    assert said in done.stderr
    assert "Start snakemake again" in done.stderr
    note = read_json(own / "results/own/records/build_mix/multi/seed=1.unfinished")
    assert said in note["failed"]
    again = make_mixes(own)
    assert again.returncode == 0
    assert contents(own) == whole


def test_times_of_the_future_do_not_matter(own: Path) -> None:
    """As after a clock that was set back."""
    assert make_mixes(own).returncode == 0
    ahead = time.time() + 1e6
    for path in own.rglob("*"):
        os.utime(path, (ahead, ahead))
    done = snakemake(
        own, "--dry-run", "--configfile", "own.yaml", "--", "results/own/mixes/multi/seed=1.jsonl"
    )
    assert "Nothing to be done" in done.stdout
