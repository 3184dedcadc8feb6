"""A real SLURM on this machine: two emulated nodes with pretended GPUs, on 127.0.0.1 only.

Needs root and the packages of install.sh. Everything lies in one directory, but for symbolic links
in /etc/slurm: the plugin's job step drops SLURM_CONF, so the default place must hold the config. A
config that is there already is never touched. Only processes that were started here are ended.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.cluster import late

NODES = ("node1", "node2")
GPUS_PER_NODE = 2
NVIDIA_MAJOR = 195  # with /dev/null's numbers, ConstrainDevices would deny /dev/null to every job
PROGRAMS = ("munged", "munge", "slurmctld", "slurmd", "sbatch", "squeue")
CONFIGS = ("slurm.conf", "gres.conf", "cgroup.conf")
PLACE = Path("/etc/slurm")
CGROUPS = Path("/sys/fs/cgroup")
CONTROLLERS = ("freezer", "memory", "devices")


def why_not() -> str | None:
    """Why no cluster can be started on this machine; None where one can."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} not installed: make test-cluster installs them"
    if os.getuid() != 0:
        return "starting SLURM's daemons needs root"
    foreign = [str(PLACE / name) for name in CONFIGS if (PLACE / name).exists()]
    if foreign:
        return f"{', '.join(foreign)}: this machine has a SLURM of its own"
    return None


@contextlib.contextmanager
def cluster(shared: Path) -> Iterator[None]:
    """Starts the cluster, and stops it so that nothing is left of it.

    Each node sees what others make in the folder `shared` late, as on a network file system.
    """
    with contextlib.ExitStack() as running:
        made = running.enter_context(tempfile.TemporaryDirectory(prefix="manybaskets-slurm-"))
        directory = Path(made)
        directory.chmod(0o755)  # munged wants its socket within everybody's reach
        _write_configs(directory)
        for name in CONFIGS:
            link = PLACE / name
            link.symlink_to(directory / name)
            running.callback(link.unlink)
        munged = ("munged", "--foreground", f"--key-file={directory}/munge.key")
        munged += (f"--socket={directory}/munge.socket", f"--pid-file={directory}/munge.pid")
        munged += (f"--log-file={directory}/munged.log", f"--seed-file={directory}/munge.seed")
        running.enter_context(_daemon(directory, "munged", *munged))
        _wait(lambda: _does("munge", "-S", f"{directory}/munge.socket", "-n"), directory)
        running.enter_context(_daemon(directory, "slurmctld", "slurmctld", "-D"))
        running.callback(_remove_cgroups)
        for node in NODES:
            (directory / node).mkdir()
            sight = running.enter_context(late.host(shared))
            slurmd = sight.command("slurmd", "-D", "-N", node)
            running.enter_context(_daemon(directory, node, *slurmd))
        _wait(lambda: states() == {"idle"}, directory)
        running.callback(_cancel_all, directory)
        yield


def states() -> set[str]:
    """The states of the nodes, as `sinfo` names them."""
    return set(ask("sinfo", "--noheader", "--Node", "--format=%T").split())


def ask(*command: str) -> str:
    """Returns the output of a SLURM command."""
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


@dataclass(frozen=True)
class Job:
    """A job as `squeue` shows it, also after its end."""

    id: int
    state: str
    node: str
    minutes: int  # time limit
    megabytes: int
    what: str  # the rule and its wildcards


def jobs(*states: str) -> list[Job]:
    """The jobs in these states, or in any, the oldest first."""
    shown = ask(
        *("squeue", "--noheader", f"--states={','.join(states) or 'all'}"),
        *("--Format", "JobID:|,State:|,NodeList:|,TimeLimit:|,MinMemory:|,Comment:|"),
    )
    rows = [line.split("|") for line in shown.splitlines()]
    found = [
        Job(int(row[0]), row[1], row[2], _minutes(row[3]), _megabytes(row[4]), row[5])
        for row in rows
    ]
    return sorted(found, key=lambda job: job.id)


def steps() -> list[int]:
    """The processes of the workflow's steps that are at work inside of jobs."""
    found = []
    for pid in inside_jobs():
        with contextlib.suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
            if words[1:3] == ["-m", "manybaskets"]:
                found.append(pid)
    return found


def inside_jobs() -> list[int]:
    """The processes of this machine that were started by a job, and those of its children."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [pid for pid in pids if "SLURM_JOB_ID" in environment(pid)]


def environment(pid: int) -> dict[str, str]:
    """The environment a process was started with; nothing for one that has ended."""
    try:
        text = Path(f"/proc/{pid}/environ").read_text(errors="replace")
    except OSError:
        return {}
    pairs = (entry.partition("=") for entry in text.split("\0") if entry)
    return {name: value for name, _, value in pairs}


def _minutes(limit: str) -> int:
    """Of SLURM's days-hours:minutes:seconds."""
    days, _, clock = limit.rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    hours = parts[-3] if len(parts) > 2 else 0
    return (int(days or 0) * 24 + hours) * 60 + parts[-2]


def _megabytes(memory: str) -> int:
    return int(float(memory[:-1]) * {"M": 1, "G": 1024}[memory[-1]])


def _write_configs(directory: Path) -> None:
    key = directory / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    devices = directory / "dev"
    devices.mkdir()
    for number in range(GPUS_PER_NODE):  # SLURM does not accept regular files as devices
        os.mknod(devices / f"nvidia{number}", 0o020666, os.makedev(NVIDIA_MAJOR, number))
    host = socket.gethostname().partition(".")[0]
    control, *ports = _free_ports(1 + len(NODES))
    cgroup = _can_use_cgroups()
    lines = [
        "ClusterName=manybaskets",
        f"SlurmctldHost={host}(127.0.0.1)",
        f"SlurmctldPort={control}",
        "AuthType=auth/munge",
        "CredType=cred/munge",
        f"AuthInfo=socket={directory}/munge.socket",
        "SlurmUser=root",
        "SlurmdUser=root",
        f"SlurmctldPidFile={directory}/slurmctld.pid",
        f"SlurmdPidFile={directory}/%n.pid",
        f"SlurmdSpoolDir={directory}/%n",
        f"StateSaveLocation={directory}/state",
        f"SlurmctldLogFile={directory}/slurmctld.log",
        f"SlurmdLogFile={directory}/%n.log",
        "DebugFlags=NO_CONF_HASH",
        "MailProg=/bin/true",
        f"ProctrackType=proctrack/{'cgroup' if cgroup else 'linuxproc'}",
        f"TaskPlugin=task/{'cgroup' if cgroup else 'none'}",
        "MpiDefault=none",
        "JobAcctGatherType=jobacct_gather/linux",
        "JobAcctGatherFrequency=2",
        "AccountingStorageType=accounting_storage/none",
        "SchedulerParameters=sched_interval=2,bf_interval=2,sched_min_interval=0,batch_sched_delay=0",
        "SelectType=select/cons_tres",
        "SelectTypeParameters=CR_Core_Memory",
        "EnforcePartLimits=ALL",
        "ReturnToService=1",
        "MinJobAge=3600",  # tests look at jobs that ended
        "KillWait=3",
        "InactiveLimit=0",
        "CompleteWait=0",
        "SlurmdParameters=config_overrides",  # nodes may claim more than this machine has
        "GresTypes=gpu",
        f"NodeName=node[1-{len(NODES)}] NodeHostname={host} NodeAddr=127.0.0.1"
        f" Port={','.join(map(str, ports))} CPUs=16 Boards=1 SocketsPerBoard=1 CoresPerSocket=16"
        f" ThreadsPerCore=1 RealMemory=400000 Gres=gpu:pretended:{GPUS_PER_NODE} State=UNKNOWN",
        "PartitionName=gpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP",
        "PartitionName=cpu Nodes=ALL MaxTime=INFINITE State=UP",
    ]
    if _is_loopback(host):
        lines.append("CommunicationParameters=NoCtldInAddrAny,NoInAddrAny")
    (directory / "slurm.conf").write_text("\n".join(lines) + "\n")
    (directory / "gres.conf").write_text(
        f"NodeName=node[1-{len(NODES)}] Name=gpu Type=pretended"
        f" File={devices}/nvidia[0-{GPUS_PER_NODE - 1}]\n"
    )
    (directory / "cgroup.conf").write_text(
        f"CgroupPlugin=cgroup/v1\nCgroupMountpoint={CGROUPS}\nCgroupAutomount=no\n"
        "ConstrainCores=no\nConstrainRAMSpace=yes\nConstrainDevices=yes\n"
        if cgroup
        else "CgroupAutomount=no\n"
    )


def _free_ports(count: int) -> list[int]:
    """Ports on which no process listens at the moment."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _is_loopback(host: str) -> bool:
    """Whether daemons that bind to this host's name are out of reach from outside."""
    try:
        return socket.gethostbyname(host).startswith("127.")
    except OSError:
        return False


def _can_use_cgroups() -> bool:
    """Version 1 with the controllers SLURM needs; its plugin for version 2 wants systemd."""
    for name in CONTROLLERS:
        probe = CGROUPS / name / f"manybaskets-{os.getpid()}"
        try:
            if not (CGROUPS / name / "tasks").exists():
                return False
            probe.mkdir()
            probe.rmdir()
        except OSError:
            return False
    return True


@contextlib.contextmanager
def _daemon(directory: Path, name: str, *command: str) -> Iterator[None]:
    with (directory / f"{name}.out").open("wb") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _cancel_all(directory: Path) -> None:
    """Every job of this cluster; waits until none is left."""
    for job in jobs("pending", "running", "completing"):
        subprocess.run(["scancel", str(job.id)], check=False)
    _wait(lambda: not jobs("pending", "running", "completing"), directory)


def _remove_cgroups() -> None:
    for name in CONTROLLERS:
        for node in NODES:
            top = CGROUPS / name / f"slurm_{node}"
            for path in sorted(top.rglob("*"), reverse=True) if top.exists() else []:
                if path.is_dir():
                    path.rmdir()
            if top.exists():
                top.rmdir()


def _does(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _wait(done: Callable[[], bool], directory: Path, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(subprocess.SubprocessError):  # a daemon that is not up yet
            if done():
                return
        if time.monotonic() > deadline:
            said = [
                f"{path.name}: {path.read_text(errors='replace')[-1000:]}"
                for path in sorted([*directory.glob("*.out"), *directory.glob("*.log")])
            ]
            raise TimeoutError("SLURM is not as it should be:\n" + "\n".join(said))
        time.sleep(0.1)
