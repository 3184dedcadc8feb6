"""The form of a workflow step: one `Stage` object per step.

A stage contains everything about a step but what it computes: its outputs, its inputs, the spec
that determines its result, the device it runs on, its priority and its cost. The command
`manybaskets <name>` computes the result; it parses the same spec class.
"""

import enum
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar

from pydantic import BaseModel, ConfigDict

from manybaskets.files import canonical_json
from manybaskets.stages import fingerprint
from manybaskets.stages.cost_model import CostModel
from manybaskets.study import keys
from manybaskets.study.layout import Study

Inputs = dict[str, str | list[str]]


class Output(NamedTuple):
    """What a step writes: a path below the study's results, with wildcards."""

    path: str
    is_folder: bool = False


def File(path: str) -> Output:  # noqa: N802
    """A file that a step writes."""
    return Output(path)


def Folder(path: str) -> Output:  # noqa: N802
    """A folder that a step writes."""
    return Output(path, is_folder=True)


class Device(enum.Enum):
    """Where the model of a step runs."""

    NONE = "no model"
    JOB = "in the job, which leases the device"
    ENGINE = "in a vLLM engine, which jobs share"


class Spec(BaseModel):
    """The part of the config that determines a result, with hashes of texts and files it reads."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    code: dict[str, str] = {}
    """Identity of the step's code: hash of the sources, versions of the packages it uses."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """The spec of a job from its canonical JSON."""
        return cls.model_validate_json(text)

    def plain(self, *fields: str) -> dict[str, Any]:
        """Fields as plain values; all but `code` without names."""
        return self.model_dump(include=set(fields) if fields else None, exclude={"code"})


class Cost(NamedTuple):
    """What one job costs, by the cost model; None: not known."""

    seconds: float | None = 0.0  # of work on its device, without the start of the process
    rows: int = 8  # that it writes, of 500 bytes each
    bytes: int | None = -1  # on disk; -1: by its rows
    tokens: int = 0  # that it generates at most
    judgements: int = 0  # that it asks for

    @property
    def size(self) -> int | None:
        """Bytes on disk."""
        return 500 * self.rows if self.bytes == -1 else self.bytes


S = TypeVar("S", bound=Spec)
K = TypeVar("K", bound=tuple[Any, ...])


class Stage(Generic[K, S]):
    """One step of the workflow; rule, stage and command have the same name."""

    name: ClassVar[str]
    key: ClassVar[type[Any]] = keys.Once
    """What a job of it is for; its fields are the rule's wildcards."""
    outputs: ClassVar[dict[str, Output]]
    """By the names that its rule uses; paths have the wildcards of the key."""
    device: ClassVar[Device] = Device.NONE
    priority: ClassVar[float] = 0
    """Jobs of higher priority start first when more jobs are ready than there is room for."""
    start_seconds: ClassVar[float] = 1.0
    """Seconds before a job's own work begins: interpreter, libraries, model."""
    imports_torch: ClassVar[bool] = False
    """Whether the job loads a model itself; without a GPU it is a copy of the fork server."""
    extent: ClassVar[tuple[str, ...]] = ()
    """Fields of the spec that only determine how much is asked for. When nothing else changes, the
    job runs again and keeps the rows it has, and what was made from them still holds."""

    def inputs(self, study: Study, key: K) -> Inputs:
        """The files a job reads, by the names its rule uses."""
        return {}

    def spec(self, study: Study, key: K) -> S:
        """What determines a job's result."""
        raise NotImplementedError

    def allowed(self, study: Study) -> Mapping[str, Sequence[str]]:
        """Values of wildcards, where not every name is allowed."""
        return {}

    def model(self, study: Study, key: K) -> str | None:
        """The model that a job runs: a name in `models`, or an endpoint's own; None without one."""
        return None

    def is_served(self, study: Study, key: K) -> bool:
        """Whether an engine serves the model of a job."""
        return self.device is Device.ENGINE

    def gpus(self, study: Study, key: K) -> int:
        """GPUs that a job holds at once, on machines that have them."""
        if not self.is_served(study, key):
            return 1
        return study.config.engine.of_model(self.model(study, key)).devices

    def cost(self, costs: CostModel, key: K) -> Cost:
        """What a job costs where no job of this stage has been measured."""
        return Cost()

    def described(self, study: Study, key: K) -> str:
        """A job's spec with the identity of its code, as canonical JSON."""
        spec = self.spec(study, key).model_dump(mode="json")
        spec["code"] = fingerprint.code(f"cli.steps.{self.name}")
        return canonical_json(spec)
