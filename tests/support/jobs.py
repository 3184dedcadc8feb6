"""Jobs and specs of studies, named as their records are."""

import json
from typing import Any

from manybaskets.dag.graph import Graph, Job
from manybaskets.stages.registry import STAGES
from manybaskets.study import keys
from manybaskets.study.layout import Study


def job_of(stage: str, place: str = "") -> Job:
    """The job of a stage with this place: job_of("train", "wren/human/seed=1")."""
    kind = STAGES[stage].key
    names = place.split("/")
    generation = int(names.pop().removeprefix("generation=")) if "generation=" in place else 0
    values: dict[str, Any] = {}
    if names[0] == keys.LOOP:
        values["chain"] = names[1]
        names = names[2:]
    for field in kind._fields:
        if field == "generation":
            values[field] = generation
        elif field == "chain":
            values.setdefault(field, "")
        else:
            name = names.pop(0)
            values[field] = int(name.removeprefix("seed=")) if field == "seed" else name
    return Job(stage, kind(**values))


def spec_of(study: Study, stage: str, place: str = "") -> str:
    """The canonical spec of a job, as its rule passes it on."""
    return Graph(study).spec(job_of(stage, place))


def fields_of(study: Study, stage: str, place: str = "") -> dict[str, Any]:
    """The fields of a job's spec."""
    fields: dict[str, Any] = json.loads(spec_of(study, stage, place))
    return fields
