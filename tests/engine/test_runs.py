"""Engines under a real Snakemake: when a run ends in any way, its jobs and engines end too."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from manybaskets.files import canonical_json, read_jsonl, write_jsonl
from manybaskets.processes import private_directory, start_time
from manybaskets.serving.engine import EngineState, engine, live_engines
from manybaskets.serving.vllm_args import EngineSettings
from tests.support.engines import only_engine, own_runtime_directory
from tests.support.processes import wait_until

SPEC = {
    "generation": {"temperature": 1.0, "top_p": 1.0, "max_tokens": 24},
    "seed": 1,
    "prompts": 1,
    "samples": 1,
    "engine": {
        "max_model_len": 512,
        "max_lora_rank": 0,
        "dtype": "float32",
        "quantization": None,
        "trust_remote_code": False,
        "threads": 1,
        "devices": 1,
    },
    "base": {"name": "base"},
}
# The job `hold` keeps the engine in use and does not end by itself.
SNAKEFILE = """
import os
shell.prefix(f"export MANYBASKETS_RUN_PID={os.getpid()}; ")
rule all:
    input: [f"{cell}.jsonl" for cell in config["cells"].split("+")]
rule respond:
    output: "{cell,[0-9]+}.jsonl"
    params: command=config["command"]
    shell: "{params.command} --output {output} --samples {output}.samples > {output}.log 2>&1"
rule hold:
    output: "hold.jsonl"
    params: command=config["hold"]
    shell: "{params.command}"
rule fail:
    output: "fail.jsonl"
    params: command=config["command"]
    shell: "{params.command} --output {output} --samples {output}.samples && exit 1"
"""


@pytest.fixture(autouse=True)
def own_directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Sockets and locks of one test; neither a file nor a process is left at the end."""
    monkeypatch.setenv("MANYBASKETS_ENGINE", canonical_json({"kv_cache_gib": 0.25}))
    with own_runtime_directory("runs") as runtime:
        yield private_directory()
        wait_until(lambda: not list(private_directory().iterdir()))
        private_directory().rmdir()
        assert list(runtime.iterdir()) == []
    left = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True)
    assert [line for line in left.stdout.splitlines() if str(runtime) in line] == []


def snakemake(directory: Path, base: Path, cells: str) -> "subprocess.Popen[bytes]":
    """Starts a Snakemake of its own session, as a terminal would."""
    directory.mkdir(exist_ok=True)
    (directory / "Snakefile").write_text(SNAKEFILE)
    write_jsonl(directory / "test.jsonl", ({"id": str(n), "prompt": f"{n}"} for n in range(20)))
    step = [sys.executable, "-m", "manybaskets", "sample_responses", "--spec", canonical_json(SPEC)]
    step += ["--base", str(base), "--test", "test.jsonl"]
    hold = [sys.executable, "-m", "tests.support.engines", "hold", str(base)]
    given = {"cells": cells, "command": shlex.join(step), "hold": shlex.join(hold)}
    (directory / "config.json").write_text(canonical_json(given))
    with (directory / "output").open("wb") as output:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "config.json"),
                *("--keep-going",),
            ],
            cwd=directory,
            stdout=output,
            stderr=output,
            start_new_session=True,
            # a background process of a shell may be born deaf to it
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )


def held(directory: Path, run: "subprocess.Popen[bytes]") -> tuple[int, EngineState]:
    """Waits until the holding job uses the engine; its process, and the engine."""
    holding = directory / "holding"
    wait_until(lambda: holding.exists() or run.poll() is not None, 90)
    assert run.poll() is None, (directory / "output").read_text()
    wait_until(lambda: holding.read_text())
    return int(holding.read_text()), only_engine()


def test_success_and_a_failing_job_leave_nothing_behind(base: Path, tmp_path: Path) -> None:
    run = snakemake(tmp_path / "run", base, "1+fail+2")
    assert run.wait(120) != 0
    for cell in ("1", "2"):
        assert len(read_jsonl(tmp_path / f"run/{cell}.jsonl")) == 20
    assert not (tmp_path / "run/fail.jsonl").exists()


def test_interrupting_snakemake_ends_its_jobs_and_engines(base: Path, tmp_path: Path) -> None:
    run = snakemake(tmp_path / "run", base, "hold")
    job, state = held(tmp_path / "run", run)
    os.killpg(run.pid, signal.SIGINT)  # Ctrl-C reaches all that the terminal started
    run.wait(60)
    assert_ended(job, state)


def assert_ended(job: int, state: EngineState) -> None:
    """Waits until a job and an engine have ended, the supervisor and the server."""
    wait_until(lambda: start_time(job) is None)
    wait_until(lambda: start_time(state.supervisor_pid) is None)
    assert state.server_pid is not None
    assert start_time(state.server_pid) is None


def test_two_runs_share_an_engine_and_only_the_end_of_the_last_one_ends_it(
    base: Path, tmp_path: Path
) -> None:
    first = snakemake(tmp_path / "first", base, "hold")
    _, state = held(tmp_path / "first", first)
    second = snakemake(tmp_path / "second", base, "hold")
    job, shared = held(tmp_path / "second", second)
    assert shared.server_pid == state.server_pid
    assert set(shared.run_pids) == {first.pid, second.pid}
    first.kill()
    first.wait()
    time.sleep(2.0)
    assert only_engine().server_pid == state.server_pid
    assert start_time(job) is not None
    second.kill()
    second.wait()
    assert_ended(job, shared)


def test_a_long_and_spaced_directory_for_temporary_files_is_allowed(
    base: Path, tmp_path: Path
) -> None:
    """Sockets have at most 107 bytes of path; what is too long is put below /tmp."""
    long = tmp_path / ("a rather long name " * 6)
    long.mkdir()
    settings = EngineSettings(dtype="float32", kv_cache_gib=0.25, keep_alive=0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("XDG_RUNTIME_DIR")
        patch.setenv("TMPDIR", str(long))
        patch.setattr("tempfile.tempdir", None)
        with engine(base, settings):
            (state,) = [found for found in live_engines() if found.base == str(base)]
            assert len(os.fsencode(state.socket)) <= 107
        wait_until(lambda: not state.socket.parent.exists())
        wait_until(lambda: start_time(state.supervisor_pid) is None)
    assert [path.name for path in long.iterdir() if "manybaskets" in path.name] == []
