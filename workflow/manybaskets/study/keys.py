"""Keys of jobs: the cell, source, mix or judge of a job.

A key is a tuple with one field per wildcard of its rule; `PATTERNS` contains the part of a path
that names it. Two wildcards are empty where they do not apply: `{generation}` outside loops
(otherwise `/generation=3`), and `{chain}` for a mix that is not a loop (otherwise
`loop/<target>/`).
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeVar

NAME, SEED = r"[A-Za-z0-9._-]+", r"\d+"
LOOP = "loop"  # the folder of the files that the chains of loops write
REGEX = {
    "seed": SEED,
    "generation": r"(?:/generation=\d+)?",
    "chain": rf"(?:{LOOP}/{NAME}/)?",
}


class Once(NamedTuple):
    """A job that a study has once."""


class Model(NamedTuple):
    """A base model."""

    model: str


class Source(NamedTuple):
    """A source, for all seeds."""

    source: str


class SourceSeed(NamedTuple):
    """A source in one seed."""

    source: str
    seed: int


class MixSeed(NamedTuple):
    """A mix in one seed."""

    mix: str
    seed: int


class Pool(NamedTuple):
    """The responses that a selection chooses from: those of a mix's sources, or those of one
    generation of a loop. `chain` is the target whose chain wrote them, empty outside loops."""

    chain: str
    mix: str
    seed: int
    generation: int = 0


class Cell(NamedTuple):
    """One fine-tuned adapter, or the target as it is (mix `vanilla`). Generations of a loop count
    from 1; outside loops the generation is 0."""

    target: str
    mix: str
    seed: int
    generation: int = 0

    @property
    def run(self) -> str:
        """Seed and generation as paths have them: `2`, or in a loop `2/generation=3`."""
        return f"{self.seed}/generation={self.generation}" if self.generation else str(self.seed)

    @property
    def path(self) -> str:
        """Folder below the study's results."""
        return f"cells/{self.target}/{self.mix}/seed={self.run}"

    @property
    def training_set(self) -> str:
        """Rows (.jsonl) and composition (.json), below the study's results, without extension."""
        if self.generation > 1:
            return f"mixes/{LOOP}/{self.target}/{self.mix}/seed={self.run}"
        return f"mixes/{self.mix}/seed={self.seed}"


class JudgedCell(NamedTuple):
    """A cell, and a judge of harm that labels its responses."""

    target: str
    mix: str
    seed: int
    generation: int
    judge: str


class ProbedCell(NamedTuple):
    """A cell, and a probe of one file that measures its responses."""

    target: str
    mix: str
    seed: int
    generation: int
    probe: str


class Judge(NamedTuple):
    """A judge, for all seeds."""

    judge: str


class JudgeSeed(NamedTuple):
    """An external judge of preference in one seed."""

    judge: str
    seed: int


class RequestSet(NamedTuple):
    """A public set of requests."""

    set: str


class RemoteFile(NamedTuple):
    """A file of rows that is downloaded."""

    file: str


PATTERNS: dict[type[Any], str] = {
    Once: "",
    Model: "{model}",
    Source: "{source}",
    SourceSeed: "{source}/seed={seed}",
    MixSeed: "{mix}/seed={seed}",
    Pool: "{chain}{mix}/seed={seed}{generation}",
    Cell: "{target}/{mix}/seed={seed}{generation}",
    JudgedCell: "{target}/{mix}/seed={seed}{generation}/{judge}",
    ProbedCell: "{target}/{mix}/seed={seed}{generation}/{probe}",
    Judge: "{judge}",
    JudgeSeed: "{judge}/seed={seed}",
    RequestSet: "{set}",
    RemoteFile: "{file}",
}
Key = (
    (Once | Model | Source | SourceSeed | MixSeed | Pool | Cell | JudgedCell | Judge | JudgeSeed)
    | ProbedCell
    | RequestSet
    | RemoteFile
)
K = TypeVar("K", bound=tuple[Any, ...])


def wildcards(key: Any) -> dict[str, str]:
    """Returns the values of a key's wildcards, as in paths."""
    values = dict(zip(key._fields, map(str, key), strict=True))
    if "generation" in values:
        values["generation"] = f"/generation={key.generation}" if key.generation else ""
    if "chain" in values:
        values["chain"] = f"{LOOP}/{key.chain}/" if key.chain else ""
    return values


def place(key: Any) -> str:
    """Returns the part of a path that names a key, such as `wren/multi/seed=2`."""
    return PATTERNS[type(key)].format(**wildcards(key))


def parsed(kind: type[K], values: Mapping[str, str]) -> K:
    """Returns the key of a kind from the values of its wildcards, as in paths.

    `generation` and `chain` may be missing: studies without loops do not have them.
    """
    fields: tuple[str, ...] = kind._fields  # type: ignore[attr-defined]
    read = [_READERS[name](values) if name in _READERS else values[name] for name in fields]
    return kind(*read)  # type: ignore[arg-type]


_READERS: dict[str, Callable[[Mapping[str, str]], str | int]] = {
    "seed": lambda values: int(values["seed"]),
    "generation": lambda values: int(values.get("generation", "").rpartition("=")[2] or 0),
    "chain": lambda values: values.get("chain", "")[len(LOOP) + 1 : -1],
}


def without_loops(pattern: str) -> str:
    """Returns the pattern for studies without loops, which have fewer wildcards."""
    return pattern.replace("{chain}", "").replace("{generation}", "")
