"""A study laid out: its cells, what it asks for by name, and where every product lies.

Nothing here imports Snakemake or anything heavy.
"""

import itertools
from functools import cached_property
from pathlib import Path
from typing import Any

from manybaskets.config.base import HUMAN, VANILLA
from manybaskets.config.controls import control_of
from manybaskets.config.mixes import Loop, Mix, Select, human_rows
from manybaskets.config.probes import ExternalJudge
from manybaskets.config.study import StudyConfig
from manybaskets.data import loops, request_sets
from manybaskets.paths import REPOSITORY, RESOURCES
from manybaskets.study.keys import LOOP, Cell

OPINION_CELLS = 500  # so many judges are compared with each other at most, by leaving out seeds
RANK_SEEDS = 3  # of these the findings show how often words occur; more would show nothing else


def reference_table(name: str) -> Path:
    """A table of published numbers: one under `resources/reference/`, or a file of one's own."""
    own = RESOURCES / "reference" / f"{name}.csv"
    return own if own.is_file() else Path(name)


class Study:
    """The cells of one config, and the paths of their files."""

    def __init__(self, config: StudyConfig) -> None:
        self.config = config
        self.root = f"results/{config.study}"

    # ---- what there is -----------------------------------------------------------------------

    @cached_property
    def cells(self) -> list[Cell]:
        """Every target × (vanilla and every mix of its) × seed, in loops × generation."""
        return [
            Cell(target, mix, seed, generation)
            for target in self.config.targets
            for mix, seed in itertools.product(self.mixes_of(target), self.config.seeds)
            for generation in self.generations(mix)
        ]

    def mixes_of(self, target: str) -> list[str]:
        """Vanilla, and the mixes that a target is fine-tuned on."""
        return [
            VANILLA,
            *(
                name
                for name, mix in self.config.mixes.items()
                if mix.targets is None or target in mix.targets
            ),
        ]

    @cached_property
    def loops(self) -> dict[str, Loop]:
        """Mixes that are chains of generations."""
        return {name: mix.loop for name, mix in self.config.mixes.items() if mix.loop}

    def generations(self, mix: str) -> range:
        """The generations of a mix that are cells of its own: in a loop those from 1, or from 2
        after another mix; otherwise 0 alone."""
        loop = self.loops.get(mix)
        return range(2 if loop.after else 1, loop.generations + 1) if loop else range(1)

    def home(self, cell: Cell) -> Cell:
        """The cell that a cell is: itself, or of a loop after another mix the first generation."""
        loop = self.loops.get(cell.mix)
        if loop and loop.after and cell.generation == 1:
            return Cell(cell.target, loop.after, cell.seed)
        return cell

    @property
    def last_cells(self) -> list[Cell]:
        """The cells, of loops those of the last generation only."""
        return [cell for cell in self.cells if cell.generation == self.generations(cell.mix)[-1]]

    def writers(self, target: str, mix: str) -> list[str]:
        """The targets whose chains write what the chain of `target` is trained on."""
        return self.config.targets if self.loops[mix].sources == "targets" else [target]

    def unseen_rows(self, mix: str, generation: int) -> int:
        """Human rows that generations up to this one had of those that R leaves over."""
        rounds = [self.loops[mix].at(t) for t in range(2, generation + 1)]
        shares = [one.human or 0.0 for one in rounds if one.regime == "fresh"]
        return sum(human_rows(share, self.rows) for share in shares)

    def keeps_all(self, mix: str, generation: int) -> bool:
        """Whether a generation is trained on rows of all earlier ones, too."""
        return self.loops[mix].at(generation).regime in loops.KEEPS_ALL

    def joined(self, mix: str, generation: int) -> range:
        """The generations whose joining rows a generation is trained on."""
        first = 2 if self.keeps_all(mix, generation) else generation
        return range(first, generation + 1)

    def written(self, cell: Cell) -> str:
        """What the model of a generation wrote for the next, or what a selection took of it."""
        folder = "selections" if self.config.mixes[cell.mix].select else "responses"
        return self.path(folder, LOOP, cell.target, cell.mix, f"seed={cell.run}.jsonl")

    @cached_property
    def scratch_models(self) -> list[str]:
        """Models that the workflow pretrains."""
        return [name for name, model in self.config.models.items() if model.scratch]

    @cached_property
    def fetched_models(self) -> list[str]:
        """Models that are fetched from the hub, or given a chat template or a system message."""
        models = self.config.models.items()
        return [name for name, model in models if model.hub or model.has_custom_chat]

    @property
    def vocabularies(self) -> set[int]:
        """Sizes of the shared tokenizer that scratch models ask for (one, or none)."""
        scratch = [m.scratch for m in self.config.models.values() if m.scratch]
        return {s.vocabulary for s in scratch}

    @property
    def rows(self) -> int:
        """Rows of every mix."""
        return self.config.rows or self.config.dataset.train

    def probes(self) -> list[str]:
        """Names of the probes that are on."""
        return [name for name, probe in self.config.probes if probe is not None]

    @cached_property
    def own_probes(self) -> dict[str, dict[str, Any]]:
        """The settings of probes of one file that are on, by the name of the file."""
        declared = self.config.probes.model_extra or {}
        return {name: settings for name, settings in declared.items() if settings is not None}

    @property
    def embedder(self) -> str | None:
        """The model of sentence embeddings, where meaning is measured."""
        collapse = self.config.probes.collapse
        return collapse.embedder if collapse else None

    def pairs(self) -> list[tuple[str, str]]:
        """Contrasts: (mix, mix it is held against), as declared or the usual ones."""
        if self.config.contrasts.pairs is not None:
            return list(self.config.contrasts.pairs)
        mixes = list(self.config.mixes)
        plain = {name: mix.origins for name, mix in self.config.mixes.items() if not mix.loop}
        human = next((name for name, origins in plain.items() if list(origins) == [HUMAN]), None)
        single = next((m for m in plain if len(plain[m]) == 1 and m != human), None)
        found = [(mix, human) for mix in mixes if human and mix != human]
        found += [(mix, single) for mix in mixes if single and mix not in (single, human)]
        held = [(mix, control_of(mix, self.config.mixes)) for mix in self.selected]
        found += [(mix, control) for mix, control in held if control and control != single]
        return found + [(mix, VANILLA) for mix in mixes]

    # ---- where it lies -----------------------------------------------------------------------

    def path(self, *parts: str) -> str:
        """A path below the study's results."""
        return "/".join((self.root, *parts))

    def model(self, name: str) -> str:
        """The folder of a model: the user's own, or the one the workflow makes or fetches."""
        model = self.config.models[name]
        own = model.path if not model.has_custom_chat else None
        return own or self.path("models", name)

    def data(self, name: str) -> str:
        """A file of human text."""
        return self.path("data", f"{name}.jsonl")

    def tuned_model(self, cell: Cell) -> dict[str, str | list[str]]:
        """The target of a cell, and its adapter where it has one."""
        adapter = [] if cell.mix == VANILLA else [self.path(cell.path, "adapter")]
        return {"base": self.model(cell.target), "adapter": adapter}

    def responses(self, source: str, seed: int | str) -> str:
        """The responses of a source to the training prompts."""
        return self.path("responses", source, f"seed={seed}.jsonl")

    def token_counter(self) -> list[str]:
        """The model whose tokenizer counts training tokens, where mixes match in tokens."""
        return [self.model(self.config.targets[0])] if self.config.match == "tokens" else []

    def sample_files(self) -> list[str]:
        """What the report shows of cells: responses of the first seed, compositions, trainings."""
        first = [cell for cell in self.last_cells if cell.seed == self.config.seeds[0]]
        trained = [cell for cell in self.cells if cell.mix != VANILLA]
        shown = [self.path(cell.path, "responses.jsonl") for cell in first]
        if self.config.probes.collapse is None:
            shown = []
        shown += [self.path(cell.path, "training.json") for cell in trained]
        compositions = {self.path(f"{cell.training_set}.json") for cell in trained}
        return [*shown, *sorted(compositions), self.path("data/test.jsonl")]

    def findings_files(self) -> list[str]:
        """What the findings read of cells beside measurements; paths below the study's results."""
        collapse = self.config.probes.collapse is not None
        first = self.config.seeds[:RANK_SEEDS]
        found = [f"{cell.path}/training.json" for cell in self.cells if cell.mix != VANILLA]
        if collapse:
            found += [f"{cell.path}/likelihood.json" for cell in self.cells]
            shown = [cell for cell in self.last_cells if cell.seed in first]
            found += [f"{cell.path}/responses.jsonl" for cell in shown]
        return found

    @property
    def selected(self) -> list[str]:
        """Mixes that keep some of their sources' responses and leave others."""
        mixes = self.own_mixes.items()
        return [name for name, mix in mixes if mix.select and self.mix_sources(name)]

    @cached_property
    def own_mixes(self) -> dict[str, Mix]:
        """Mixes with a training set of their own: all but loops that start after another mix."""
        mixes = self.config.mixes.items()
        return {name: mix for name, mix in mixes if not (mix.loop and mix.loop.after)}

    def selection(self, mix: str) -> Select:
        """How a mix selects."""
        select = self.config.mixes[mix].select
        assert select is not None
        return select

    @property
    def selecting(self) -> list[str]:
        """Mixes that select from their sources' responses, or from what each generation writes."""
        return list(dict.fromkeys([*self.selected, *self.selected_loops]))

    def selection_of_chain(self, cell: Cell) -> str:
        """The measurements of the selection that made a generation's training set."""
        before = cell._replace(generation=cell.generation - 1)
        return f"selections/{LOOP}/{cell.target}/{cell.mix}/seed={before.run}.json"

    @property
    def selected_loops(self) -> list[str]:
        """Loops that keep some of what each generation writes and leave the rest."""
        return [name for name in self.loops if self.config.mixes[name].select]

    def mix_sources(self, mix: str) -> list[str]:
        """The sources that a mix draws on."""
        return [origin for origin in self.config.mixes[mix].origins if origin != HUMAN]

    def reference_file(self) -> Path | None:
        """The table of published numbers that the findings are compared with."""
        return reference_table(self.config.reference.table) if self.config.reference else None

    # ---- what attacks are made of, and what judges read -----------------------------------------

    def request_files(self) -> list[Path]:
        """Files of requests that the study names, made absolute."""
        named = self.named_requests()
        return [REPOSITORY / name for name in named if not request_sets.is_declared(name)]

    def request_sets(self) -> list[str]:
        """Public sets of requests that the study names."""
        return [name for name in self.named_requests() if request_sets.is_declared(name)]

    def optimised(self, cell: Cell) -> list[Cell]:
        """The cells on which the suffixes were optimised that a cell is attacked with."""
        robustness = self.config.probes.robustness
        if robustness is None or "gcg" not in robustness.attacks:
            return []
        vanilla = Cell(cell.target, VANILLA, self.config.seeds[0])
        return list(dict.fromkeys([vanilla, *([cell] if robustness.gcg.per_cell else [])]))

    def named_requests(self) -> list[str]:
        """Files of requests and names of public sets, as the study has them."""
        robustness = self.config.probes.robustness
        named = robustness.requests if robustness else []
        return [named] if isinstance(named, str) else named

    def own_source(self, target: str) -> str | None:
        """The source that is the target itself, whose text a judge may take for its own."""
        sources = self.config.sources
        return next((n for n in self.judged_sources() if sources[n].model == target), None)

    def own_origin(self, target: str, mix: str) -> str | None:
        """The origin of the texts that are a cell's own as a judge."""
        preference = self.config.probes.preference
        if preference and preference.cells:
            return f"{target}/{mix}"
        return self.own_source(target)

    def judged_task(self) -> str:
        """What judges compare: summaries, or responses to instructions."""
        preference = self.config.probes.preference
        if preference and preference.task:
            return preference.task
        if preference and preference.texts:
            return "summarize"
        return "summarize" if self.config.dataset.docs else self.config.dataset.task

    def judged_items(self) -> str:
        """The file of the items that judges compare texts on."""
        preference = self.config.probes.preference
        own = preference is not None and preference.texts is not None
        summaries = own or not self.config.dataset.docs or self.judged_task() == "summarize"
        return self.path("data", "items.jsonl" if summaries else "test.jsonl")

    def judged_cells(self, target: str, seed: int | str) -> list[str]:
        """The texts of cells that judges compare, where the study wants that."""
        preference = self.config.probes.preference
        mixes = self.mixes_of(target) if preference and preference.cells else []
        return [self.path(f"cells/{target}/{mix}/seed={seed}/candidates.jsonl") for mix in mixes]

    def judged_origins(self, *targets: str) -> list[str]:
        """The origins that a judge compares, human text included; `targets` are whose cells."""
        preference = self.config.probes.preference
        wanted = preference is not None and preference.cells
        cells = (f"{t}/{mix}" for t in targets if wanted for mix in self.mixes_of(t))
        return [HUMAN, *self.judged_sources(), *cells]

    def judged_sources(self) -> list[str]:
        """The sources whose texts judges compare."""
        preference = self.config.probes.preference
        named = preference.sources if preference else None
        return [name for name in self.config.sources if named is None or name in named]

    @property
    def external_judges(self) -> dict[str, ExternalJudge]:
        """Judges of preference that are not cells."""
        preference = self.config.probes.preference
        return preference.judges if preference else {}

    def external_judge_seeds(self) -> list[int]:
        """The seeds that these judge: where no cell writes, the texts are the same for all."""
        preference = self.config.probes.preference
        seeds = self.config.seeds
        return seeds if preference and preference.cells else seeds[:1]

    def opinion_files(self) -> list[str]:
        """Judgements that judges are compared by, below the study's results."""
        conditions = len(self.last_cells) // len(self.config.seeds)
        seeds = self.config.seeds[: max(1, OPINION_CELLS // conditions)]
        of_cells = [f"{c.path}/judgements.jsonl" for c in self.last_cells if c.seed in seeds]
        return of_cells + [
            f"judges/{judge}/seed={seed}.jsonl"
            for judge in self.external_judges
            for seed in self.external_judge_seeds()
            if seed in seeds
        ]

    def external_judge_origin(self, judge: str) -> str | None:
        """The origin of the texts that are such a judge's own."""
        asked = self.external_judges[judge]
        sources = self.config.sources.items()
        same = (n for n, s in sources if (s.model, s.endpoint) == (asked.model, asked.endpoint))
        return asked.own or next(same, None)
