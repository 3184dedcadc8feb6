"""Stages of self-consuming loops: the responses of a generation, and the next training set."""

from typing import Any

from manybaskets.config.base import Section
from manybaskets.config.mixes import human_rows
from manybaskets.config.serving import Generation
from manybaskets.data import loops
from manybaskets.stages.base import Cost, Device, File, Inputs, Spec, Stage, TargetStage
from manybaskets.stages.cost_model import CostModel
from manybaskets.stages.specs import Base, EngineSpec, base, engine
from manybaskets.study import keys
from manybaskets.study.layout import Study

CHAIN = "loop/{target}/{mix}/seed={seed}{generation}"


class JoiningSpec(Section):
    """The rows that join for one generation, as `loops.Joining` has them."""

    generation: int
    human: float
    writers: tuple[str, ...]
    unseen: bool = False
    seen: int = 0


class LoopGenerateSpec(Spec):
    """The sampling of a generation, and the prompts that its chain answers."""

    generation: Generation
    joining: JoiningSpec
    origin: str
    """Name of the rows that this chain writes."""
    samples: int
    rows: int
    seed: int
    engine: EngineSpec
    base: Base


class LoopGenerate(TargetStage[LoopGenerateSpec]):
    """Generates responses with one generation of a loop, for the training set of the next."""

    name = "loop_generate"
    outputs = {"responses": File(f"responses/{CHAIN}.jsonl")}
    device = Device.ENGINE
    priority = 45  # a loop is a long chain
    start_seconds = 2.0

    def inputs(self, study: Study, key: keys.Cell) -> Inputs:
        """The model of this generation, and the prompts."""
        return {
            **study.tuned_model(study.home(key)),
            "train": study.data("train"),
            "prompts": study.data("prompts"),
        }

    def spec(self, study: Study, key: keys.Cell) -> LoopGenerateSpec:
        """The loop's settings for the generation that reads the rows."""
        following = key.generation + 1
        temperature = study.loops[key.mix].at(following).temperature
        changed = {} if temperature is None else {"temperature": temperature}
        return LoopGenerateSpec(
            generation=study.config.generation.model_copy(update=changed),
            joining=joining(study, key.target, key.mix, following),
            origin=loops.origin(key.target, key.generation),
            samples=study.config.mixes[key.mix].samples,
            rows=study.rows,
            seed=key.seed,
            engine=engine(study, key.target),
            base=base(study, key.target),
        )

    def cost(self, costs: CostModel, key: keys.Cell) -> Cost:
        """Tokens of the rows that join."""
        rows = joining_rows(costs.study, key.target, key.mix, key.generation + 1)
        tokens = rows * costs.study.config.generation.max_tokens
        return Cost(seconds=costs.writing(key.target, tokens), rows=rows, tokens=tokens)


class LoopMixSpec(Spec):
    """The regime of a generation, and the rows that joined for it and the ones before."""

    generation: int
    regime: str
    joined: list[JoiningSpec]
    rows: int
    seed: int


class LoopMix(Stage[keys.Cell, LoopMixSpec]):
    """Builds the training set of one generation of a loop."""

    name = "loop_mix"
    key = keys.Cell
    outputs = {
        "rows": File(f"mixes/{CHAIN}.jsonl"),
        "composition": File(f"mixes/{CHAIN}.json"),
    }
    priority = 45

    def inputs(self, study: Study, key: keys.Cell) -> Inputs:
        """The training set of generation 1 if its rows are kept, and the rows that joined since."""
        first = study.home(key._replace(generation=1)).training_set
        return {
            "train": study.data("train"),
            "prompts": study.data("prompts"),
            "first": [study.path(f"{first}.jsonl")]
            if study.keeps_all(key.mix, key.generation)
            else [],
            "written": [
                study.written(keys.Cell(writer, key.mix, key.seed, joined - 1))
                for joined in study.joined(key.mix, key.generation)
                for writer in study.writers(key.target, key.mix)
            ],
        }

    def spec(self, study: Study, key: keys.Cell) -> LoopMixSpec:
        """The loop's settings for this generation."""
        joined = study.joined(key.mix, key.generation)
        return LoopMixSpec(
            generation=key.generation,
            regime=study.loops[key.mix].at(key.generation).regime,
            joined=[joining(study, key.target, key.mix, t) for t in joined],
            rows=study.rows,
            seed=key.seed,
        )

    def cost(self, costs: CostModel, key: keys.Cell) -> Cost:
        """The rows that the generation is trained on."""
        return Cost(rows=trained_rows(costs.study, key))


def joining(study: Study, target: str, mix: str, generation: int) -> JoiningSpec:
    """Returns the rows that join for a generation."""
    here = study.loops[mix].at(generation)
    assert here.human is not None
    unseen: dict[str, Any] = {}
    if here.regime == "fresh":
        unseen = {"unseen": True, "seen": study.unseen_rows(mix, generation - 1)}
    return JoiningSpec(
        generation=generation,
        human=here.human,
        writers=tuple(loops.origin(w, generation - 1) for w in study.writers(target, mix)),
        **unseen,
    )


def joining_rows(study: Study, target: str, mix: str, generation: int) -> int:
    """Returns the number of responses that one chain writes for a generation."""
    human = study.loops[mix].at(generation).human or 0.0
    rows = study.rows - human_rows(human, study.rows)
    return rows // len(study.writers(target, mix)) * study.config.mixes[mix].samples


def trained_rows(study: Study, cell: keys.Cell) -> int:
    """Returns the number of rows of a training set, which grows in an accumulating loop."""
    if cell.generation < 2 or study.loops[cell.mix].at(cell.generation).regime != "accumulate":
        return study.rows
    return study.rows * cell.generation
