"""The cells of a study, its parts by name, and the paths of its files.

This module imports neither Snakemake nor large libraries.
"""

import itertools
from functools import cached_property
from pathlib import Path
from typing import Any

from manybaskets.config.base import HUMAN, VANILLA
from manybaskets.config.controls import control_of
from manybaskets.config.dataset import RemoteFile, Rows
from manybaskets.config.mixes import Loop, Mix, Select, human_rows
from manybaskets.config.models import Source
from manybaskets.config.probes import ExternalJudge
from manybaskets.config.study import StudyConfig
from manybaskets.data import loops, remote_files, request_sets
from manybaskets.paths import REPOSITORY, RESOURCES
from manybaskets.study.keys import LOOP, Cell

OPINION_CELLS = 500  # the most cells that are compared as judges; other seeds are left out
RANK_SEEDS = 3  # the first seeds, whose word frequencies are in the findings


def reference_table(name: str) -> Path:
    """Returns the path of a table of published numbers: in `resources/reference/`, or any file."""
    own = RESOURCES / "reference" / f"{name}.csv"
    return own if own.is_file() else Path(name)


class Study:
    """The cells of one config, and the paths of their files."""

    def __init__(self, config: StudyConfig) -> None:
        self.config = config
        self.root = f"results/{config.study}"

    # ---- cells and mixes ---------------------------------------------------------------------

    @cached_property
    def cells(self) -> list[Cell]:
        """Every target × vanilla and its mixes × seed, and × generation in loops."""
        return [
            Cell(target, mix, seed, generation)
            for target in self.config.targets
            for mix, seed in itertools.product(self.mixes_of(target), self.config.seeds)
            for generation in self.generations(mix)
        ]

    def mixes_of(self, target: str) -> list[str]:
        """Returns vanilla, and the mixes that a target is fine-tuned on."""
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
        """Returns the generations of a mix that have cells: those of a loop from 1 on, or from 2 on
        after another mix; only 0 for other mixes."""
        loop = self.loops.get(mix)
        return range(2 if loop.after else 1, loop.generations + 1) if loop else range(1)

    def home(self, cell: Cell) -> Cell:
        """Returns the cell; for generation 1 of a loop after another mix, the cell of that mix."""
        loop = self.loops.get(cell.mix)
        if loop and loop.after and cell.generation == 1:
            return Cell(cell.target, loop.after, cell.seed)
        return cell

    @property
    def last_cells(self) -> list[Cell]:
        """The cells, without the earlier generations of loops."""
        return [cell for cell in self.cells if cell.generation == self.generations(cell.mix)[-1]]

    def writers(self, target: str, mix: str) -> list[str]:
        """Returns the targets whose chains write the training rows of the chain of `target`."""
        return self.config.targets if self.loops[mix].sources == "targets" else [target]

    def unseen_rows(self, mix: str, generation: int) -> int:
        """Returns the number of human rows outside R that generations up to this one have used."""
        rounds = [self.loops[mix].at(t) for t in range(2, generation + 1)]
        shares = [one.human or 0.0 for one in rounds if one.regime == "fresh"]
        return sum(human_rows(share, self.rows) for share in shares)

    def keeps_all(self, mix: str, generation: int) -> bool:
        """Returns whether a generation is also trained on the rows of all earlier ones."""
        return self.loops[mix].at(generation).regime in loops.KEEPS_ALL

    def joined(self, mix: str, generation: int) -> range:
        """Returns the generations whose joining rows a generation is trained on."""
        first = 2 if self.keeps_all(mix, generation) else generation
        return range(first, generation + 1)

    def written(self, cell: Cell) -> str:
        """Returns the file of rows that a generation writes for the next, after any selection."""
        folder = "selections" if self.config.mixes[cell.mix].select else "responses"
        return self.path(folder, LOOP, cell.target, cell.mix, f"seed={cell.run}.jsonl")

    @cached_property
    def scratch_models(self) -> list[str]:
        """Models that the workflow pretrains."""
        return [name for name, model in self.config.models.items() if model.scratch]

    @cached_property
    def fetched_models(self) -> list[str]:
        """Models of the hub, of GGUF files, and with a chat template or system message."""
        return [
            name
            for name, model in self.config.models.items()
            if model.hub or model.is_converted or model.has_custom_chat
        ]

    @property
    def vocabularies(self) -> set[int]:
        """Sizes of the tokenizer in the settings of scratch models (one, or none)."""
        scratch = [m.scratch for m in self.config.models.values() if m.scratch]
        return {s.vocabulary for s in scratch}

    @property
    def rows(self) -> int:
        """Rows of every mix."""
        return self.config.rows or self.config.dataset.train

    def probes(self) -> list[str]:
        """Returns the names of the probes that are on."""
        return [name for name, probe in self.config.probes if probe is not None]

    @cached_property
    def own_probes(self) -> dict[str, dict[str, Any]]:
        """The settings of the probes of one file that are on, by file name."""
        declared = self.config.probes.model_extra or {}
        return {name: settings for name, settings in declared.items() if settings is not None}

    @property
    def embedder(self) -> str | None:
        """The model of sentence embeddings, if there are any."""
        collapse = self.config.probes.collapse
        return collapse.embedder if collapse else None

    def pairs(self) -> list[tuple[str, str]]:
        """Returns the declared or default contrasts: (mix, mix that it is compared with)."""
        if self.config.contrasts.pairs is not None:
            return list(self.config.contrasts.pairs)
        mixes = list(self.config.mixes)
        plain = {name: mix.origins for name, mix in self.config.mixes.items() if not mix.loop}
        human = next((name for name, origins in plain.items() if list(origins) == [HUMAN]), None)
        single = next((m for m in plain if len(plain[m]) == 1 and m != human), None)
        contrasts = [(mix, human) for mix in mixes if human and mix != human]
        contrasts += [(mix, single) for mix in mixes if single and mix not in (single, human)]
        controls = [(mix, control_of(mix, self.config.mixes)) for mix in self.selected]
        contrasts += [(mix, control) for mix, control in controls if control and control != single]
        return contrasts + [(mix, VANILLA) for mix in mixes]

    # ---- paths -------------------------------------------------------------------------------

    def path(self, *parts: str) -> str:
        """Returns a path below the study's results."""
        return "/".join((self.root, *parts))

    def model(self, name: str) -> str:
        """Returns the folder of a model: the user's, or that of the workflow."""
        model = self.config.models[name]
        own = model.path if not model.has_custom_chat else None
        return own or self.path("models", name)

    def data(self, name: str) -> str:
        """Returns the path of a file of human text."""
        return self.path("data", f"{name}.jsonl")

    def rows_file(self, section: Rows | Source) -> str | None:
        """Returns the file of a section's rows: the user's, or the downloaded one; None without."""
        local = section.file if isinstance(section, Rows) else section.recorded
        if local or not section.url:
            return local
        return self.path("data/files", remote_files.name_of(section.url, section.sha256 or ""))

    def downloads(self, section: Rows | Source) -> list[str]:
        """Returns the file of a section's rows, if the workflow downloads it."""
        path = self.rows_file(section)
        return [path] if path and Path(path).name in self.remote_files else []

    @cached_property
    def remote_files(self) -> dict[str, RemoteFile]:
        """The sections with files that the workflow downloads, by the names of these files."""
        preference = self.config.probes.preference
        texts = preference.texts if preference else None
        sections: list[Rows | Source] = [self.config.dataset, *self.config.sources.values()]
        sections += [texts] if texts else []
        files: dict[str, RemoteFile] = {}
        for section in sections:
            local = section.file if isinstance(section, Rows) else section.recorded
            if section.url and section.sha256 and not local:
                files[remote_files.name_of(section.url, section.sha256)] = section
        return files

    def tuned_model(self, cell: Cell) -> dict[str, str | list[str]]:
        """Returns the folders of a cell's target and adapter; vanilla has no adapter."""
        adapter = [] if cell.mix == VANILLA else [self.path(cell.path, "adapter")]
        return {"base": self.model(cell.target), "adapter": adapter}

    def responses(self, source: str, seed: int | str) -> str:
        """Returns the file of a source's responses to the training prompts."""
        return self.path("responses", source, f"seed={seed}.jsonl")

    def token_counter(self) -> list[str]:
        """Returns the model whose tokenizer counts training tokens, if mixes match in tokens."""
        return [self.model(self.config.targets[0])] if self.config.match == "tokens" else []

    def sample_files(self) -> list[str]:
        """Returns the files of cells that the report shows."""
        first = [cell for cell in self.last_cells if cell.seed == self.config.seeds[0]]
        trained = [cell for cell in self.cells if cell.mix != VANILLA]
        shown = [self.path(cell.path, "responses.jsonl") for cell in first]
        if self.config.probes.collapse is None:
            shown = []
        shown += [self.path(cell.path, "training.json") for cell in trained]
        compositions = {self.path(f"{cell.training_set}.json") for cell in trained}
        return [*shown, *sorted(compositions), self.path("data/test.jsonl")]

    def findings_files(self) -> list[str]:
        """Returns the files of cells that the findings read beside measurements."""
        collapse = self.config.probes.collapse is not None
        first = self.config.seeds[:RANK_SEEDS]
        files = [f"{cell.path}/training.json" for cell in self.cells if cell.mix != VANILLA]
        if collapse:
            files += [f"{cell.path}/likelihood.json" for cell in self.cells]
            shown = [cell for cell in self.last_cells if cell.seed in first]
            files += [f"{cell.path}/responses.jsonl" for cell in shown]
        return files

    @property
    def selected(self) -> list[str]:
        """Mixes that select from their sources' responses."""
        mixes = self.own_mixes.items()
        return [name for name, mix in mixes if mix.select and self.mix_sources(name)]

    @cached_property
    def own_mixes(self) -> dict[str, Mix]:
        """Mixes with a training set of their own: all but loops that start after another mix."""
        mixes = self.config.mixes.items()
        return {name: mix for name, mix in mixes if not (mix.loop and mix.loop.after)}

    def selection(self, mix: str) -> Select:
        """Returns the `select` section of a mix."""
        select = self.config.mixes[mix].select
        assert select is not None
        return select

    @property
    def selecting(self) -> list[str]:
        """Mixes that select from their sources' responses, or from those of each generation."""
        return list(dict.fromkeys([*self.selected, *self.selected_loops]))

    def selection_of_chain(self, cell: Cell) -> str:
        """Returns the measurements of the selection of a generation's training set."""
        before = cell._replace(generation=cell.generation - 1)
        return f"selections/{LOOP}/{cell.target}/{cell.mix}/seed={before.run}.json"

    @property
    def selected_loops(self) -> list[str]:
        """Loops that select from the responses of each generation."""
        return [name for name in self.loops if self.config.mixes[name].select]

    def mix_sources(self, mix: str) -> list[str]:
        """Returns the sources that a mix draws on."""
        return [origin for origin in self.config.mixes[mix].origins if origin != HUMAN]

    def reference_file(self) -> Path | None:
        """Returns the table of published numbers that the findings are compared with."""
        return reference_table(self.config.reference.table) if self.config.reference else None

    # ---- requests and judged texts -----------------------------------------------------------

    def request_files(self) -> list[Path]:
        """Returns the absolute paths of the files of requests."""
        named = self.named_requests()
        return [REPOSITORY / name for name in named if not request_sets.is_declared(name)]

    def request_sets(self) -> list[str]:
        """Returns the names of the public sets of requests."""
        return [name for name in self.named_requests() if request_sets.is_declared(name)]

    def optimised(self, cell: Cell) -> list[Cell]:
        """Returns the cells whose optimised suffixes a cell is attacked with."""
        robustness = self.config.probes.robustness
        if robustness is None or "gcg" not in robustness.attacks:
            return []
        vanilla = Cell(cell.target, VANILLA, self.config.seeds[0])
        return list(dict.fromkeys([vanilla, *([cell] if robustness.gcg.per_cell else [])]))

    def named_requests(self) -> list[str]:
        """Returns the files of requests and the names of public sets, as in the config."""
        robustness = self.config.probes.robustness
        named = robustness.requests if robustness else []
        return [named] if isinstance(named, str) else named

    def own_source(self, target: str) -> str | None:
        """Returns the source with the model of a target: its texts are the judge's own."""
        sources = self.config.sources
        return next((n for n in self.judged_sources() if sources[n].model == target), None)

    def own_origin(self, target: str, mix: str) -> str | None:
        """Returns the origin of the texts that are a cell's own as a judge."""
        preference = self.config.probes.preference
        if preference and preference.cells:
            return f"{target}/{mix}"
        return self.own_source(target)

    def judged_task(self) -> str:
        """Returns the task of the judged texts: `summarize`, or that of the dataset."""
        preference = self.config.probes.preference
        if preference and preference.task:
            return preference.task
        if preference and preference.texts:
            return "summarize"
        return "summarize" if self.config.dataset.docs else self.config.dataset.task

    def judged_items(self) -> str:
        """Returns the file of the items whose texts judges compare."""
        preference = self.config.probes.preference
        own = preference is not None and preference.texts is not None
        summaries = own or not self.config.dataset.docs or self.judged_task() == "summarize"
        return self.path("data", "items.jsonl" if summaries else "test.jsonl")

    def judged_cells(self, target: str, seed: int | str) -> list[str]:
        """Returns the files of cells' texts that judges compare, if the study has them."""
        preference = self.config.probes.preference
        mixes = self.mixes_of(target) if preference and preference.cells else []
        return [self.path(f"cells/{target}/{mix}/seed={seed}/candidates.jsonl") for mix in mixes]

    def judged_origins(self, *targets: str) -> list[str]:
        """Returns the origins that a judge compares: human, sources, and cells of `targets`."""
        preference = self.config.probes.preference
        wanted = preference is not None and preference.cells
        cells = (f"{t}/{mix}" for t in targets if wanted for mix in self.mixes_of(t))
        return [HUMAN, *self.judged_sources(), *cells]

    def judged_sources(self) -> list[str]:
        """Returns the sources whose texts judges compare."""
        preference = self.config.probes.preference
        named = preference.sources if preference else None
        return [name for name in self.config.sources if named is None or name in named]

    @property
    def external_judges(self) -> dict[str, ExternalJudge]:
        """Judges of preference that are not cells."""
        preference = self.config.probes.preference
        return preference.judges if preference else {}

    def external_judge_seeds(self) -> list[int]:
        """Returns the seeds of external judges: only the first if no texts are of cells."""
        preference = self.config.probes.preference
        seeds = self.config.seeds
        return seeds if preference and preference.cells else seeds[:1]

    def opinion_files(self) -> list[str]:
        """Returns the files of judgements of all judges, below the study's results."""
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
        """Returns the origin of the texts that are an external judge's own."""
        settings = self.external_judges[judge]
        sources = self.config.sources.items()
        same = (
            n for n, s in sources if (s.model, s.endpoint) == (settings.model, settings.endpoint)
        )
        return settings.own or next(same, None)
