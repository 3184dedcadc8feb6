"""Stage of the probes of one file, which measure a cell's responses."""

from collections.abc import Mapping, Sequence

from manybaskets.probes.probe import Setting, probe
from manybaskets.stages.base import File, Inputs, Spec, Stage
from manybaskets.study import keys
from manybaskets.study.layout import Study

CELL = f"cells/{keys.PATTERNS[keys.Cell]}"


class ProbeSpec(Spec):
    """A probe, by the name of its file, and its settings."""

    probe: str
    settings: dict[str, Setting]


class MeasureResponses(Stage[keys.ProbedCell, ProbeSpec]):
    """Measures a cell's responses with a probe of one file."""

    name = "measure_responses"
    key = keys.ProbedCell
    outputs = {"measured": File(f"{CELL}/{{probe}}.json")}
    priority = 60

    def inputs(self, study: Study, key: keys.ProbedCell) -> Inputs:
        """The cell's responses and the human ones."""
        cell = keys.Cell(*key[:4])
        return {"responses": study.path(cell.path, "responses.jsonl"), "test": study.data("test")}

    def spec(self, study: Study, key: keys.ProbedCell) -> ProbeSpec:
        """The probe's entry in the config, with its defaults."""
        settings = {**probe(key.probe).settings, **study.own_probes[key.probe]}
        return ProbeSpec(probe=key.probe, settings=settings)

    def allowed(self, study: Study) -> Mapping[str, Sequence[str]]:
        """Probes of one file that the study turns on."""
        return {"probe": list(study.own_probes)}
