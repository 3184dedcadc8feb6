"""A study laid out: its cells, what it asks for by name, and where every product lies.

Nothing here imports Snakemake or anything heavy.
"""

import itertools
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from manybaskets import request_sets
from manybaskets.config import HUMAN, VANILLA, StudyConfig
from manybaskets.controls import control_of

REPOSITORY = Path(__file__).parents[2]
RESOURCES = REPOSITORY / "resources"
RANK_SEEDS = 3  # of these the findings show how often words occur; more would show nothing else


@dataclass(frozen=True, order=True)
class Cell:
    """One fine-tuned adapter, or the target as it is (mix `vanilla`)."""

    target: str
    mix: str
    seed: int

    @property
    def path(self) -> str:
        """Folder below the study's results."""
        return f"cells/{self.target}/{self.mix}/seed={self.seed}"


class Layout:
    """The cells of one config, and where everything of theirs lies."""

    def __init__(self, config: StudyConfig) -> None:
        self.config = config
        self.root = f"results/{config.study}"

    # ---- what there is -----------------------------------------------------------------------

    @cached_property
    def cells(self) -> list[Cell]:
        """Every target × (vanilla and every mix) × seed."""
        mixes = [VANILLA, *self.config.mixes]
        return [
            Cell(*which)
            for which in itertools.product(self.config.targets, mixes, self.config.seeds)
        ]

    @cached_property
    def scratch_models(self) -> list[str]:
        """Models that the workflow pretrains."""
        return [name for name, model in self.config.models.items() if model.scratch]

    @cached_property
    def hub_models(self) -> list[str]:
        """Models that are fetched from the hub."""
        return [name for name, model in self.config.models.items() if model.hub]

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
        human = next((m for m in mixes if list(self.config.mixes[m].origins) == [HUMAN]), None)
        single = next(
            (m for m in mixes if len(self.config.mixes[m].origins) == 1 and m != human), None
        )
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
        return model.path if model.path else self.path("models", name)

    def responses(self, source: str, seed: int | str) -> str:
        """The responses of a source to the training prompts."""
        return self.path("responses", source, f"seed={seed}.jsonl")

    def token_counter(self) -> list[str]:
        """The model whose tokenizer counts training tokens, where mixes match in tokens."""
        return [self.model(self.config.targets[0])] if self.config.match == "tokens" else []

    def sample_files(self) -> list[str]:
        """What the report shows of cells: responses of the first seed, compositions, trainings."""
        first = [cell for cell in self.cells if cell.seed == self.config.seeds[0]]
        trained = [cell for cell in self.cells if cell.mix != VANILLA]
        shown = [self.path(cell.path, "responses.jsonl") for cell in first]
        if self.config.probes.collapse is None:
            shown = []
        shown += [self.path(cell.path, "training.json") for cell in trained]
        compositions = {self.path("mixes", c.mix, f"seed={c.seed}.json") for c in trained}
        return [*shown, *sorted(compositions), self.path("data/test.jsonl")]

    def findings_files(self) -> list[str]:
        """What the findings read of cells beside measurements; paths below the study's results."""
        collapse = self.config.probes.collapse is not None
        first = self.config.seeds[:RANK_SEEDS]
        found = [f"{cell.path}/training.json" for cell in self.cells if cell.mix != VANILLA]
        if collapse:
            found += [f"{cell.path}/likelihood.json" for cell in self.cells]
            found += [f"{cell.path}/responses.jsonl" for cell in self.cells if cell.seed in first]
        return found

    @property
    def selected(self) -> list[str]:
        """Mixes that keep some of the responses and leave others."""
        return [name for name, mix in self.config.mixes.items() if mix.select]

    def mix_sources(self, mix: str) -> list[str]:
        """The sources that a mix draws on."""
        return [origin for origin in self.config.mixes[mix].origins if origin != HUMAN]

    # ---- what attacks are made of, and what judges read -----------------------------------------

    def request_files(self) -> list[Path]:
        """Files of requests that the study names, made absolute."""
        named = self._named_requests()
        return [REPOSITORY / name for name in named if not request_sets.is_declared(name)]

    def request_sets(self) -> list[str]:
        """Public sets of requests that the study names."""
        return [name for name in self._named_requests() if request_sets.is_declared(name)]

    def optimised(self, target: str, mix: str, seed: str) -> list[Cell]:
        """The cells on which the suffixes were optimised that a cell is attacked with."""
        robustness = self.config.probes.robustness
        if robustness is None or "gcg" not in robustness.attacks:
            return []
        vanilla = self._vanilla(target)
        own = [Cell(target, mix, int(seed))] if robustness.gcg.per_cell else []
        return list(dict.fromkeys([vanilla, *own]))

    def _vanilla(self, target: str) -> Cell:
        return Cell(target, VANILLA, self.config.seeds[0])

    def _named_requests(self) -> list[str]:
        robustness = self.config.probes.robustness
        named = robustness.requests if robustness else []
        return [named] if isinstance(named, str) else named

    def own_source(self, target: str) -> str | None:
        """The source that is the target itself, whose text a judge may take for its own."""
        return next((n for n, s in self.config.sources.items() if s.model == target), None)

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
        return "summarize" if self.config.dataset.docs else self.config.dataset.task

    def judged_items(self) -> str:
        """The file of the items that judges compare texts on."""
        summaries = not self.config.dataset.docs or self.judged_task() == "summarize"
        return self.path("data", "items.jsonl" if summaries else "test.jsonl")

    def judged_cells(self, target: str, seed: int | str) -> list[str]:
        """The texts of cells that judges compare, where the study wants that."""
        preference = self.config.probes.preference
        mixes = [VANILLA, *self.config.mixes] if preference and preference.cells else []
        return [self.path(f"cells/{target}/{mix}/seed={seed}/candidates.jsonl") for mix in mixes]

    def judged_origins(self, target: str) -> list[str]:
        """The origins that a judge compares, human text included."""
        preference = self.config.probes.preference
        mixes = [VANILLA, *self.config.mixes] if preference and preference.cells else []
        return [HUMAN, *self.config.sources, *(f"{target}/{mix}" for mix in mixes)]
