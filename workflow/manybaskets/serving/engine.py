"""Warm engines: one vLLM server per base model, shared by all jobs of a user on a host.

    with engine(base, EngineSettings(), adapter) as client:
        replies = client.chat(requests)

A job joins the running server of its base model, or starts one; the server's supervisor ends it.
The server is vLLM's OpenAI server on a unix socket that only its owner can open. `endpoint` yields
the same kind of client for an OpenAI-compatible endpoint.
"""

import contextlib
import fcntl
import glob
import hashlib
import json
import os
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

from manybaskets.config.urls import checked_endpoint, is_private
from manybaskets.devices import CPU, leased, visible
from manybaskets.files import InputError, canonical_json, read_json, write_json
from manybaskets.processes import locked, private_directory, start_time
from manybaskets.serving import engine_log, stall
from manybaskets.serving.client import Client
from manybaskets.serving.http import ServerAddress
from manybaskets.serving.repeated_errors import EndpointError
from manybaskets.serving.supervisor import (
    NO_RUN,
    is_alive,
    is_healthy,
    is_used,
    kill_group,
    send_request,
    start_lock,
)
from manybaskets.serving.vllm_args import (
    Base,
    EngineSettings,
    arguments,
    environment,
    inherited,
    python_path,
    resolve_base,
    weights_dtype,
)

LOST_SECONDS = 30.0  # a lost engine that has not ended by then is terminated
POLL_SECONDS = 0.1


@dataclass(frozen=True)
class EngineState:
    """The state of a running engine on this host."""

    base: str
    settings: EngineSettings
    devices: tuple[str, ...]
    socket: Path
    log: Path
    supervisor_pid: int
    server_pid: int | None  # None while the supervisor waits for a device
    run_pids: tuple[int, ...]  # Snakemake runs that use the engine
    in_use: bool
    idle_seconds: float  # 0 while in use
    adapters: tuple[str, ...]
    stalled: str  # "", or why it has requests but produces no tokens


@contextmanager
def engine(
    base: Path | str, settings: EngineSettings, adapter: Path | None = None
) -> Iterator[Client]:
    """Yields a client of `base` (a folder, or a hub id with or without "@revision") and `adapter`.

    On GPUs, a new server first waits for a lease of `settings.devices` devices. On a CPU there are
    no leases, since Snakemake limits the number of jobs by their cores. A server that is lost
    within the context is restarted once.

    Raises ValueError for an adapter that cannot be served, and RuntimeError with the end of the
    server's log if the server does not start or is lost twice.
    """
    if adapter is not None and settings.max_loras < 1:
        raise ValueError(
            f"{adapter} cannot be served: max_loras is {settings.max_loras}. Set it to at least 1."
        )
    with (
        _Session(resolve_base(base), settings, adapter) as session,
        stall.reported(session.directory),
    ):
        yield Client(session.address(), session.restart)


@contextmanager
def endpoint(
    url: str, model: str, api_key_env: str | None = None, token_budget: int | None = None
) -> Iterator[Client]:
    """Yields a client of an OpenAI-compatible endpoint; `url` ends with "/v1".

    The key is the value of the environment variable `api_key_env`. `token_budget` is the budget for
    tokens of prompts and replies; rows beyond it have the state failed. Raises EndpointError if the
    variable is not set or is not a key.
    """
    try:
        checked_endpoint(url)
    except ValueError as error:
        raise InputError(f"The endpoint: {error}.") from None
    key = None
    if api_key_env is not None:
        if not is_private(url):
            raise InputError(
                f"{url}: the key would be sent without encryption. Use https, or a tunnel to "
                "localhost."
            )
        key = os.environ.get(api_key_env, "").strip()
        if not key:
            raise EndpointError(
                f"The key for {url} is read from the environment variable {api_key_env}, which is "
                f"not set. Set it (export {api_key_env}=…) and start again."
            )
        if not key.isprintable() or " " in key:
            raise EndpointError(
                f"The key in the environment variable {api_key_env} contains a space, a line break "
                "or another control character. Set it to the key alone."
            )
    base_url = url.rstrip("/")
    yield Client(
        ServerAddress(
            base_url, model, canonical_json([base_url, model]), key=key, api_key_env=api_key_env
        ),
        token_budget=token_budget,
    )


def live_engines() -> list[EngineState]:
    """Returns the running and starting engines of this user on this host, sorted by name.

    Deletes the files of engines whose supervisors were killed.
    """
    clear_stale()
    states = []
    for directory in _directories():
        with contextlib.suppress(FileNotFoundError):  # the engine just ended
            if is_alive(directory):
                states.append(_state(directory))
    return states


def stop_engines() -> int:
    """Ends all engines of this user on this host, even if in use; returns their number."""
    stopped = 0
    for state in live_engines():
        if _terminate(state):
            stopped += 1
    return stopped


def clear_stale() -> None:
    """Deletes the directories, sockets and locks of engines whose supervisors were killed."""
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
    """A job's use of an engine: joins or starts the engine, and restarts it once if it is lost."""

    def __init__(self, base: Base, settings: EngineSettings, adapter: Path | None) -> None:
        self._base = base
        self._settings = settings
        self._adapter = adapter
        self._devices = () if visible() == (CPU,) else visible()
        identity = [
            base.weights,
            arguments(base, settings),
            environment(base, settings),
            self._devices,
            {key: value for key, value in os.environ.items() if key.startswith("VLLM_")},
            sys.executable,
            os.environ.get("SLURM_JOB_ID"),  # SLURM kills all processes of a job at its end
        ]
        self.directory = private_directory() / _digest(identity)[:12]
        self._is_restarted = False
        self._log: IO[bytes] | None = None
        self._used: IO[bytes] | None = None

    def __enter__(self) -> Self:
        clear_stale()
        try:
            self._join()
        except BaseException:
            self._release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._release()
        if os.environ.get("SLURM_JOB_ID"):
            # At the end of the job, SLURM would kill the supervisor before it can clean up.
            with contextlib.suppress(FileNotFoundError):
                if not is_used(self.directory):
                    _terminate(_state(self.directory))

    def address(self) -> ServerAddress:
        """Loads the adapter and returns the address of the model."""
        name = "base"
        if self._adapter is not None:
            name = _adapter_name(self._adapter)
            self._load(self._adapter.resolve(), name)
        dtype = weights_dtype(self._base, self._settings.dtype)
        numbers = [dtype, self._settings.quantization, self._settings.max_model_len]
        identity = canonical_json([self._base.weights, numbers, name])
        return ServerAddress("http://engine", name, identity, socket=self.directory / "s")

    def restart(self, failure: str) -> ServerAddress:
        """Restarts a lost engine and returns its address; the second time, raises RuntimeError."""
        log = self._log_tail()
        if self._is_restarted:
            raise RuntimeError(f"{failure} It was lost after a restart. Its log ends:\n{log}")
        self._is_restarted = True
        print(f"{failure} Restarting it. Its log ended:\n{log}", file=sys.stderr)
        self._release()
        self._wait_for_end()
        self._join()
        return self.address()

    def _join(self) -> None:
        """Joins or starts the engine, and waits until it is healthy."""
        while True:
            with locked(start_lock(self.directory)):
                is_new = not is_alive(self.directory)
                if is_new:
                    _clear(self.directory)
                    self._start()
                with contextlib.suppress(FileNotFoundError):  # the engine is ending
                    self._acquire()
                    while is_alive(self.directory):
                        if is_healthy(self.directory / "s"):
                            return
                        time.sleep(POLL_SECONDS)
                if is_new:
                    _clear(self.directory)
                    start_lock(self.directory).unlink(missing_ok=True)
                    log = self._log_tail()
                    remedy = engine_log.remedy(log)
                    raise RuntimeError(
                        f"The engine of {self._base.name} did not start.{remedy} "
                        f"Its log ends:\n{log}"
                    )
            self._release()

    def _acquire(self) -> None:
        self._log = (self.directory / "log").open("rb")
        self._used = (self.directory / "used").open("rb")
        fcntl.flock(self._used, fcntl.LOCK_SH)
        (self.directory / "runs" / _run()).touch()

    def _start(self) -> None:
        if self._devices and leased():
            raise RuntimeError(
                "An engine leases its devices itself. Request it outside of a lease; within one, "
                "it would wait forever for the devices of its own job."
            )
        self.directory.mkdir(mode=0o700)
        (self.directory / "runs").mkdir()
        for name in ("used", "log"):
            (self.directory / name).touch()
        write_json(self.directory / "order.json", self._order())
        with (
            (self.directory / "alive").open("a") as alive,
            (self.directory / "log").open("ab") as log,
        ):
            fcntl.flock(alive, fcntl.LOCK_EX)  # inherited by the supervisor until it ends
            subprocess.run(
                [sys.executable, "-m", "manybaskets.serving.supervisor", str(self.directory)],
                env=inherited(os.environ, self._base) | {"PYTHONPATH": python_path()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                pass_fds=[alive.fileno()],
                check=False,  # the lock on `alive` shows whether it started
            )

    def _order(self) -> dict[str, Any]:
        """Returns the content of order.json: command, environment and settings of the server."""
        server = [sys.executable, "-m", "manybaskets.serving.vllm_server"]
        # vLLM's temporary files are deleted with the engine's directory
        scratch = {"TMPDIR": str(self.directory), "VLLM_RPC_BASE_PATH": str(self.directory)}
        scratch[stall.VARIABLE] = str(self.directory / stall.FILE)
        return {
            "base": self._base.name,
            "settings": asdict(self._settings),
            "devices": self._settings.devices if self._devices else 0,
            "keep_alive": self._settings.keep_alive,
            "command": [
                *server,
                *("--uds", str(self.directory / "s")),
                *arguments(self._base, self._settings),
            ],
            "environment": environment(self._base, self._settings) | scratch,
        }

    def _load(self, adapter: Path, name: str) -> None:
        # Adapters are never unloaded: vLLM keeps the most recently used --max-cpu-loras adapters in
        # memory, and unloading would remove a name that another job may be using.
        body = {"lora_name": name, "lora_path": str(adapter)}
        socket = self.directory / "s"
        try:
            status, text = send_request(socket, "POST", "/v1/load_lora_adapter", body)
        except OSError as error:
            raise RuntimeError(
                f"The engine was lost while it loaded {adapter}. Its log ends:\n{self._log_tail()}"
            ) from error
        if status != 200 and "already been loaded" not in text:
            raise RuntimeError(
                f"{adapter} could not be loaded into {self._base.name}: {text[:1000]}"
            )

    def _wait_for_end(self) -> None:
        """Waits until the supervisor of a lost server has ended, or the server is healthy."""
        deadline = time.monotonic() + LOST_SECONDS
        while is_alive(self.directory) and not is_healthy(self.directory / "s"):
            if time.monotonic() > deadline:
                with contextlib.suppress(FileNotFoundError):  # the engine just ended
                    _terminate(_state(self.directory))
                return
            time.sleep(POLL_SECONDS)

    def _release(self) -> None:
        if self._used is not None:
            os.utime(self._used.fileno())  # the modification time is the last use
            self._used.close()
        if self._log is not None:
            self._log.close()
        self._used = self._log = None

    def _log_tail(self) -> str:
        """Returns the distinct error lines of the log, followed by its last lines."""
        if self._log is None:
            return "(no log)"
        self._log.seek(0)
        return engine_log.tail(self._log.read().decode(errors="replace"))


def _run() -> str:
    """Returns the Snakemake run of this job as `<pid>-<start time>`, or `none`."""
    pid = os.environ.get("MANYBASKETS_RUN_PID", "")
    start = start_time(int(pid)) if pid.isdigit() else None
    return NO_RUN if start is None else f"{pid}-{start}"


def _adapter_name(adapter: Path) -> str:
    """Returns the folder's name and a hash of its path and files (a retrained adapter differs)."""
    files = sorted(Path(path) for path in glob.glob(f"{glob.escape(str(adapter))}/adapter_*"))
    if not any(path.name == "adapter_config.json" for path in files):
        raise ValueError(f"{adapter}: not an adapter folder (adapter_config.json is missing).")
    digest = hashlib.sha256(os.fsencode(adapter.resolve()))  # vLLM may reload it from this path
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
    """Terminates an engine's supervisor and waits for its end; False if it has already ended."""
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
    state = read_json(directory / "state.json")
    in_use = is_used(directory)
    idle_seconds = max(0.0, time.time() - (directory / "used").stat().st_mtime)
    runs = [path.name for path in (directory / "runs").iterdir() if path.name != NO_RUN]
    adapters: list[str] = []
    with contextlib.suppress(OSError, ValueError):
        status, text = send_request(directory / "s", "GET", "/v1/models", timeout=5.0)
        if status == 200:
            adapters = [model["id"] for model in json.loads(text)["data"] if model.get("parent")]
    return EngineState(
        base=order["base"],
        settings=EngineSettings(**order["settings"]),
        devices=tuple(state["devices"]) or (CPU,),
        socket=directory / "s",
        log=directory / "log",
        supervisor_pid=state["supervisor"]["pid"],
        server_pid=state["server"]["pid"] if state["server"] else None,
        run_pids=tuple(sorted(int(run.partition("-")[0]) for run in runs)),
        in_use=in_use,
        idle_seconds=0.0 if in_use else idle_seconds,
        adapters=tuple(sorted(adapters)),
        stalled=stall.text_of(directory),
    )


def _clear(directory: Path) -> None:
    """Deletes the directory of a killed supervisor, and kills its server if it is still running."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        server = read_json(directory / "state.json")["server"]
        if server is not None and server["start"] == (start_time(server["pid"]) or -1):
            kill_group(server["pid"])
    shutil.rmtree(directory, ignore_errors=True)
