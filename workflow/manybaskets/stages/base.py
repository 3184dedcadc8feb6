"""The form of a workflow step: one `Stage` object per step.

A stage declares the outputs of a step, its inputs, the spec that determines its result, its device,
its priority and its cost. The command `manybaskets <name>` parses the same spec class and computes
the result.
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
    """A file or folder that a step writes: a path below the study's results, with wildcards."""

    path: str
    is_folder: bool = False


def File(path: str) -> Output:  # noqa: N802
    """Returns the output of a step that is a file."""
    return Output(path)


def Folder(path: str) -> Output:  # noqa: N802
    """Returns the output of a step that is a folder."""
    return Output(path, is_folder=True)


class Device(enum.Enum):
    """Where the model of a step runs."""

    NONE = "no model"
    JOB = "in the job, which leases the device"
    ENGINE = "in a vLLM engine, which jobs share"


class Spec(BaseModel):
    """The settings that determine a result, with hashes of the texts and files that it reads."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    code: dict[str, str] = {}
    """Identity of the step's code: hash of the sources, versions of the packages it uses."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Returns the spec of a job from its canonical JSON."""
        return cls.model_validate_json(text)

    def plain(self, *fields: str) -> dict[str, Any]:
        """Returns the fields as plain values; without names, all but `code`."""
        return self.model_dump(include=set(fields) if fields else None, exclude={"code"})


class Cost(NamedTuple):
    """The cost of one job, by the cost model; None: unknown."""

    seconds: float | None = 0.0  # of work on its device, without the start of the process
    rows: int = 8  # that it writes, of 500 bytes each
    bytes: int | None = -1  # on disk; -1: by its rows
    tokens: int = 0  # that it generates at most
    judgements: int = 0  # that it generates

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
    """The key of its jobs, such as a cell; its fields are the wildcards of the rule."""
    outputs: ClassVar[dict[str, Output]]
    """Outputs by their names in the rule; paths have the wildcards of the key."""
    device: ClassVar[Device] = Device.NONE
    priority: ClassVar[float] = 0
    """Jobs of higher priority start first among those that are ready."""
    start_seconds: ClassVar[float] = 1.0
    """Seconds before a job's own work begins: interpreter, libraries, model."""
    imports_torch: ClassVar[bool] = False
    """Whether the job itself loads a model; without a GPU it is a fork of the fork server."""
    extent: ClassVar[tuple[str, ...]] = ()
    """Fields of the spec that only determine the number of rows. When no other field changes, the
    job runs again and keeps its rows, and results from them remain valid."""

    def inputs(self, study: Study, key: K) -> Inputs:
        """Returns the files that a job reads, by their names in the rule."""
        return {}

    def spec(self, study: Study, key: K) -> S:
        """Returns the spec of a job."""
        raise NotImplementedError

    def allowed(self, study: Study) -> Mapping[str, Sequence[str]]:
        """Returns the allowed values of wildcards that do not allow every name."""
        return {}

    def model(self, study: Study, key: K) -> str | None:
        """Returns a job's model: a name in `models`, or an endpoint's own; None without one."""
        return None

    def is_served(self, study: Study, key: K) -> bool:
        """Returns whether an engine serves the model of a job."""
        return self.device is Device.ENGINE

    def gpus(self, study: Study, key: K) -> int:
        """Returns the number of GPUs that a job uses at once, on machines with GPUs."""
        if not self.is_served(study, key):
            return 1
        return study.config.engine.of_model(self.model(study, key)).devices

    def cost(self, costs: CostModel, key: K) -> Cost:
        """Returns the modelled cost of a job, used until a job of the stage is measured."""
        return Cost()

    def described(self, study: Study, key: K) -> str:
        """Returns a job's spec with the identity of its code, as canonical JSON."""
        spec = self.spec(study, key).model_dump(mode="json")
        spec["code"] = fingerprint.code(f"cli.steps.{self.name}")
        return canonical_json(spec)


class TargetStage(Stage[keys.Cell, S]):
    """A step that runs the target of a cell, with its adapter."""

    key = keys.Cell

    def model(self, study: Study, key: keys.Cell) -> str:
        """The target."""
        return key.target
