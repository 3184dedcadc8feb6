"""Warm engines: one vLLM server per base model, shared by the jobs of a user on a host.

    with engine(base, EngineSettings(), adapter) as client:
        replies = client.chat(requests)

Joins the server that is up for that base, or starts one; `supervisor` ends it. The server is
vLLM's own, on a unix socket that only its owner can open. `endpoint` makes the same client for an
OpenAI-compatible endpoint. Knows nothing about what is asked.
"""

import contextlib
import fcntl
import glob
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Self

from manybaskets.devices import CPU, leased, visible
from manybaskets.files import canonical_json, read_json, write_json
from manybaskets.processes import locked, private_directory, start_time
from manybaskets.serving.client import Client
from manybaskets.serving.http import ServerAddress
from manybaskets.serving.supervisor import (
    NO_RUN,
    answers,
    ask,
    is_alive,
    is_used,
    kill_group,
    start_lock,
)
from manybaskets.serving.vllm_args import (
    Base,
    EngineSettings,
    arguments,
    described,
    environment,
    python_path,
)

ERRORS_IN_MESSAGES = 5
LOG_LINES_IN_MESSAGES = 20
LOST_SECONDS = 30.0  # a lost engine that has not ended by then is told to
POLL_SECONDS = 0.1
MORE_MEMORY = (
    " The memory did not suffice: lower engine.gpu_memory_utilization where others use the GPU "
    "too; raise it (on a CPU, engine.kv_cache_gib) where the cache got too little; or lower "
    "engine.max_model_len."
)
_OUT_OF_MEMORY = re.compile(r"out of memory|Free memory on device|memory for the cache|max seq len")
_NOISE = re.compile(r"Route: |nanobind|^ - (leaked|\.\.\. skipped)|^\S* *[\^~]+$")
_PREFIX = re.compile(r"^\(\w+ pid=\d+\) (?:\w+ [\d-]+ [\d:]+ \[[^\]]*\] )?")
_ERROR = re.compile(r"(\w+\.)*\w*(Error|Exception)\b: ?")


@dataclass(frozen=True)
class EngineState:
    """One live engine of this host, as `live_engines` finds it."""

    base: str
    settings: EngineSettings
    devices: tuple[str, ...]
    socket: Path
    log: Path
    supervisor_pid: int
    server_pid: int | None  # None while the supervisor waits for a device
    run_pids: tuple[int, ...]  # the Snakemake runs it serves
    in_use: bool
    idle_seconds: float  # 0 while in use
    adapters: tuple[str, ...]


@contextmanager
def engine(
    base: Path | str, settings: EngineSettings, adapter: Path | None = None
) -> Iterator[Client]:
    """A client of `base` (a local folder, or a hub id with or without "@revision") and `adapter`.

    On GPUs a server that has to be started leases `settings.devices` devices first, and waits for
    them; on a CPU it takes no exclusive lease, since Snakemake's cores do the counting there. A
    server that is lost inside the block is started again once.

    Raises ValueError for an adapter that cannot be served, and RuntimeError with the end of the
    server's log when the server does not start or is lost twice.
    """
    if adapter is not None and settings.max_loras < 1:
        raise ValueError(f"{adapter} cannot be served: max_loras is {settings.max_loras}")
    with _Session(described(base), settings, adapter) as session:
        yield Client(session.access(), session.revive)


@contextmanager
def endpoint(
    url: str, model: str, api_key_env: str | None = None, token_budget: int | None = None
) -> Iterator[Client]:
    """A client of an OpenAI-compatible endpoint, `url` up to and with "/v1".

    The key is read from the environment variable `api_key_env` only. `token_budget` bounds the
    tokens of prompts and replies that this client spends; rows beyond it are failed, with that
    reason. Raises RuntimeError when the variable is not set.
    """
    key = None
    if api_key_env is not None:
        key = os.environ.get(api_key_env, "").strip()
        if not key:
            raise RuntimeError(
                f"The key for {url} is read from the environment variable {api_key_env}, which is "
                f"not set. Set it (export {api_key_env}=…) and start again."
            )
    address = url.rstrip("/")
    yield Client(
        ServerAddress(
            address, model, canonical_json([address, model]), key=key, api_key_env=api_key_env
        ),
        token_budget=token_budget,
    )


def live_engines() -> list[EngineState]:
    """The engines of this user on this host that are up or starting, in the order of their names.

    Clears what engines left that were killed together with their supervisors.
    """
    clear_stale()
    states = []
    for directory in _directories():
        with contextlib.suppress(FileNotFoundError):  # it ended meanwhile
            if is_alive(directory):
                states.append(_state(directory))
    return states


def stop_engines() -> int:
    """Ends every engine of this user on this host, also those in use; returns how many."""
    stopped = 0
    for state in live_engines():
        if _terminate(state):
            stopped += 1
    return stopped


def clear_stale() -> None:
    """Removes directories, sockets and locks of engines whose supervisor was killed."""
    for directory in _directories(hidden=True):
        if directory.name.startswith("."):
            if not is_alive(directory):
                _clear(directory)
            continue
        with locked(start_lock(directory), blocking=False) as lock:
            if lock is not None and not is_alive(directory):
                _clear(directory)
    for lock_path in private_directory().glob("*.start"):
        with locked(lock_path, blocking=False) as lock:
            if lock is not None and not lock_path.with_suffix("").exists():
                lock_path.unlink(missing_ok=True)


class _Session:
    """One job's use of one engine: joined or started, held, and started again once when lost."""

    def __init__(self, base: Base, settings: EngineSettings, adapter: Path | None) -> None:
        self._base = base
        self._settings = settings
        self._adapter = adapter
        self._devices = () if visible() == (CPU,) else visible()
        shared_by_all_jobs = [
            base.weights,
            arguments(base, settings),
            environment(base, settings),
            self._devices,
            {key: value for key, value in os.environ.items() if key.startswith("VLLM_")},
            sys.executable,
            os.environ.get("SLURM_JOB_ID"),  # what was started in one job dies with it
        ]
        self._directory = private_directory() / _digest(shared_by_all_jobs)[:12]
        self._revived = False
        self._log: IO[bytes] | None = None
        self._used: IO[bytes] | None = None

    def __enter__(self) -> Self:
        clear_stale()
        try:
            self._join()
        except BaseException:
            self._leave()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._leave()
        if os.environ.get("SLURM_JOB_ID"):
            # With the job SLURM kills all it started, the supervisor before it could clear up.
            with contextlib.suppress(FileNotFoundError):
                if not is_used(self._directory):
                    _terminate(_state(self._directory))

    def access(self) -> ServerAddress:
        """Loads the adapter, and tells where and under which name the model answers."""
        name = "base"
        if self._adapter is not None:
            name = _adapter_name(self._adapter)
            self._load(self._adapter.resolve(), name)
        numbers = [self._settings.dtype, self._settings.quantization, self._settings.max_model_len]
        identity = canonical_json([self._base.weights, numbers, name])
        return ServerAddress("http://engine", name, identity, socket=self._directory / "s")

    def revive(self, what: str) -> ServerAddress:
        """Starts a lost engine again, the first time; raises RuntimeError afterwards."""
        log = self._log_tail()
        if self._revived:
            raise RuntimeError(f"{what} It was started again once before. Its log ends:\n{log}")
        self._revived = True
        print(f"{what} Starting it again. Its log ended:\n{log}", file=sys.stderr)
        self._leave()
        self._wait_for_the_end()
        self._join()
        return self.access()

    def _join(self) -> None:
        """Holds the engine from here on, and waits until it answers."""
        while True:
            with locked(start_lock(self._directory)):
                mine = not is_alive(self._directory)
                if mine:
                    _clear(self._directory)
                    self._start()
                with contextlib.suppress(FileNotFoundError):  # it was told to end at this moment
                    self._hold()
                    while is_alive(self._directory):
                        if answers(self._directory / "s"):
                            return
                        time.sleep(POLL_SECONDS)
                if mine:
                    _clear(self._directory)
                    start_lock(self._directory).unlink(missing_ok=True)
                    log = self._log_tail()
                    mend = MORE_MEMORY if _OUT_OF_MEMORY.search(log) else ""
                    raise RuntimeError(
                        f"The engine of {self._base.name} did not start.{mend} Its log ends:\n{log}"
                    )
            self._leave()

    def _hold(self) -> None:
        self._log = (self._directory / "log").open("rb")
        self._used = (self._directory / "used").open("rb")
        fcntl.flock(self._used, fcntl.LOCK_SH)
        (self._directory / "runs" / _run()).touch()

    def _start(self) -> None:
        if self._devices and leased():
            raise RuntimeError(
                "An engine leases its devices itself: ask for it outside of a lease, or it would "
                "wait for its own job forever."
            )
        self._directory.mkdir(mode=0o700)
        (self._directory / "runs").mkdir()
        for name in ("used", "log"):
            (self._directory / name).touch()
        python = [sys.executable, "-m"]
        socket = ["--uds", str(self._directory / "s")]
        scratch = {"TMPDIR": str(self._directory), "VLLM_RPC_BASE_PATH": str(self._directory)}
        write_json(
            self._directory / "order.json",
            {
                "base": self._base.name,
                "settings": asdict(self._settings),
                "devices": self._settings.devices if self._devices else 0,
                "keep_alive": self._settings.keep_alive,
                "command": [
                    *python,
                    "manybaskets.serving.vllm_server",
                    *socket,
                    *arguments(self._base, self._settings),
                ],
                # what vLLM leaves among the temporary files goes with the engine
                "environment": environment(self._base, self._settings) | scratch,
            },
        )
        with (
            (self._directory / "alive").open("a") as alive,
            (self._directory / "log").open("ab") as log,
        ):
            fcntl.flock(alive, fcntl.LOCK_EX)  # handed over: unlocked when the supervisor ends
            subprocess.run(
                [*python, "manybaskets.serving.supervisor", str(self._directory)],
                env=os.environ | {"PYTHONPATH": python_path()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                pass_fds=[alive.fileno()],
                check=False,  # `alive` tells
            )

    def _load(self, adapter: Path, name: str) -> None:
        # Adapters are never unloaded: vLLM keeps the last used ones in memory, as many as
        # --max-cpu-loras says, and unloading would only make it forget a name that another job
        # may be using.
        body = {"lora_name": name, "lora_path": str(adapter)}
        try:
            status, said = ask(self._directory / "s", "POST", "/v1/load_lora_adapter", body)
        except OSError as error:
            raise RuntimeError(
                f"The engine was lost while it loaded {adapter}. Its log ends:\n{self._log_tail()}"
            ) from error
        if status != 200 and "already been loaded" not in said:
            raise RuntimeError(f"{adapter} could not be loaded into its base: {said[:1000]}")

    def _wait_for_the_end(self) -> None:
        """The supervisor of a lost server needs a moment to see and to clear it."""
        deadline = time.monotonic() + LOST_SECONDS
        while is_alive(self._directory) and not answers(self._directory / "s"):
            if time.monotonic() > deadline:
                with contextlib.suppress(FileNotFoundError):  # it ended at this moment
                    _terminate(_state(self._directory))
                return
            time.sleep(POLL_SECONDS)

    def _leave(self) -> None:
        if self._used is not None:
            os.utime(self._used.fileno())  # its time is the last use
            self._used.close()
        if self._log is not None:
            self._log.close()
        self._used = self._log = None

    def _log_tail(self) -> str:
        """The distinct errors in the log, then its last lines."""
        if self._log is None:
            return "(no log)"
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").splitlines()
        lines = [_PREFIX.sub("", line) for line in lines if not _NOISE.search(line)]
        errors = list(dict.fromkeys(line for line in lines if _ERROR.match(line)))
        return "\n".join(errors[-ERRORS_IN_MESSAGES:] + lines[-LOG_LINES_IN_MESSAGES:])


def _run() -> str:
    """The Snakemake run this job belongs to, as `<pid>-<start time>`; or `none`."""
    pid = os.environ.get("MANYBASKETS_RUN_PID", "")
    start = start_time(int(pid)) if pid.isdigit() else None
    return NO_RUN if start is None else f"{pid}-{start}"


def _adapter_name(adapter: Path) -> str:
    """The folder's name and a hash of its place and weights: a retrained adapter is another one."""
    files = sorted(Path(path) for path in glob.glob(f"{glob.escape(str(adapter))}/adapter_*"))
    if not any(path.name == "adapter_config.json" for path in files):
        raise ValueError(f"{adapter}: not an adapter (adapter_config.json is missing)")
    digest = hashlib.sha256(os.fsencode(adapter.resolve()))  # vLLM may read it again from there
    for path in files:
        digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return f"{adapter.resolve().name}-{digest.hexdigest()[:16]}"


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def _directories(hidden: bool = False) -> list[Path]:
    return sorted(
        path
        for path in private_directory().iterdir()
        if path.is_dir() and (hidden or not path.name.startswith("."))
    )


def _terminate(state: EngineState) -> bool:
    """Has the supervisor end its engine, and waits for it."""
    pid = state.supervisor_pid
    start = start_time(pid)
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return False
    while start is not None and start_time(pid) == start:
        time.sleep(POLL_SECONDS)
    return True


def _state(directory: Path) -> EngineState:
    order = read_json(directory / "order.json")
    known = read_json(directory / "state.json")
    in_use = is_used(directory)
    idle_seconds = max(0.0, time.time() - (directory / "used").stat().st_mtime)
    runs = [path.name for path in (directory / "runs").iterdir() if path.name != NO_RUN]
    adapters: list[str] = []
    with contextlib.suppress(OSError, ValueError):
        status, said = ask(directory / "s", "GET", "/v1/models", timeout=5.0)
        if status == 200:
            adapters = [model["id"] for model in json.loads(said)["data"] if model.get("parent")]
    return EngineState(
        base=order["base"],
        settings=EngineSettings(**order["settings"]),
        devices=tuple(known["devices"]) or (CPU,),
        socket=directory / "s",
        log=directory / "log",
        supervisor_pid=known["supervisor"]["pid"],
        server_pid=known["server"]["pid"] if known["server"] else None,
        run_pids=tuple(sorted(int(run.partition("-")[0]) for run in runs)),
        in_use=in_use,
        idle_seconds=0.0 if in_use else idle_seconds,
        adapters=tuple(sorted(adapters)),
    )


def _clear(directory: Path) -> None:
    """Removes what a killed supervisor left; its server died with it, by all that is known."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        server = read_json(directory / "state.json")["server"]
        if server is not None and server["start"] == (start_time(server["pid"]) or -1):
            kill_group(server["pid"])
    shutil.rmtree(directory, ignore_errors=True)
