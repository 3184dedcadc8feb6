"""Stages of the results: tables of all measurements, contrasts, figures and the report."""

from typing import Any

from manybaskets.config.analysis import Contrasts
from manybaskets.config.base import VANILLA
from manybaskets.config.study import StudyConfig
from manybaskets.paths import TEMPLATES
from manybaskets.stages import fingerprint
from manybaskets.stages.base import File, Folder, Inputs, Spec, Stage
from manybaskets.stages.specs import Texts, texts, unselected, values
from manybaskets.study import keys, series
from manybaskets.study.layout import Study

REPORT_TEMPLATE = "report.html"


class FindingsSpec(Spec):
    """The cells of the study, how they are compared, and the published numbers beside them."""

    study: str
    contrasts: dict[str, Any]
    series: list[Any]
    targets: list[str]
    mixes: list[str]
    only: dict[str, list[str]]
    """Mixes that only some targets are fine-tuned on."""
    seeds: list[int]
    loops: dict[str, tuple[int, str | None]]
    """Number of generations and the mix of generation 1, by mix."""
    probes: list[str]
    selected: list[str]
    selected_loops: list[str]
    reference: dict[str, Any] | None
    unselected: list[str]


class Findings(Stage[keys.Once, FindingsSpec]):
    """Gathers all measurements into one table and computes the contrasts."""

    name = "findings"
    outputs = {
        "measurements": File("findings/measurements.csv"),
        "parquet": File("findings/measurements.parquet"),
        "by_prompt": File("findings/items.parquet"),
        "contrasts": File("findings/contrasts.csv"),
        "trends": File("findings/trends.csv"),
        "pooled": File("findings/pooled.csv"),
        "training": File("findings/training.csv"),
        "ranks": File("findings/ranks.csv"),
        "comparison": File("findings/comparison.csv"),
        "proxies": File("findings/proxies.csv"),
        "dictionary": File("findings/dictionary.csv"),
    }
    start_seconds = 3.0

    def inputs(self, study: Study, key: keys.Once) -> Inputs:
        """The measurements of every probe and cell, and of selections."""
        return {
            "measured": [
                *(
                    study.path(cell.path, f"{probe}.json")
                    for cell in study.cells
                    for probe in study.probes()
                ),
                *(
                    study.path("selections", mix, f"seed={seed}.json")
                    for mix in study.selected
                    for seed in study.config.seeds
                ),
                *(
                    study.path(study.selection_of_chain(cell))
                    for cell in study.cells
                    if cell.mix in study.selected_loops and cell.generation > 1
                ),
            ],
            "cells": [study.path(path) for path in study.findings_files()],
            "test": study.data("test"),
        }

    def spec(self, study: Study, key: keys.Once) -> FindingsSpec:
        """The axes of the study, and its contrasts."""
        config = study.config
        return FindingsSpec(
            study=config.study,
            contrasts=values(config.contrasts) | {"pairs": study.pairs()},
            series=series.series(config),
            targets=config.targets,
            mixes=[VANILLA, *config.mixes],
            only={name: mix.targets for name, mix in config.mixes.items() if mix.targets},
            seeds=config.seeds,
            loops={name: (loop.generations, loop.after) for name, loop in study.loops.items()},
            probes=study.probes(),
            selected=study.selected,
            selected_loops=study.selected_loops,
            reference=_published(study),
            unselected=unselected(study),
        )


class FiguresSpec(Spec):
    """Names, order and series of the conditions in figures."""

    mixes: list[str]
    recipes: dict[str, list[tuple[str, float]]]
    """Origins with their shares, in order, by mix."""
    seeds: list[int]
    series: list[Any]
    contrasts: Contrasts
    own: dict[str, str | None]
    """The source with the target's own model, by target."""
    unselected: list[str]


class Figures(Stage[keys.Once, FiguresSpec]):
    """Draws every figure as SVG and PNG, with its data as CSV."""

    name = "figures"
    outputs = {"folder": Folder("findings/figures")}
    start_seconds = 12.0

    def inputs(self, study: Study, key: keys.Once) -> Inputs:
        """The tables that figures show."""
        shown = ("measurements", "contrasts", "trends", "training", "ranks")
        judged = study.config.probes.preference is not None
        tables: Inputs = {name: study.path(f"findings/{name}.csv") for name in shown}
        return {**tables, "judges": [study.path("findings/judges.csv")] if judged else []}

    def spec(self, study: Study, key: keys.Once) -> FiguresSpec:
        """The axes of the study, and its contrasts."""
        config = study.config
        return FiguresSpec(
            mixes=[VANILLA, *config.mixes],
            recipes={name: list(mix.origins.items()) for name, mix in config.mixes.items()},
            seeds=config.seeds,
            series=series.series(config),
            contrasts=config.contrasts,
            own={target: study.own_source(target) for target in config.targets},
            unselected=unselected(study),
        )


class ReportSpec(Spec):
    """The whole config, and the template of the page."""

    config: StudyConfig
    origins: dict[str, list[str]]
    """Origins in order, by mix: canonical JSON sorts keys."""
    template: Texts


class Report(Stage[keys.Once, ReportSpec]):
    """Writes the report: one HTML file that opens offline."""

    name = "report"
    outputs = {"page": File("report.html")}
    start_seconds = 3.0

    def inputs(self, study: Study, key: keys.Once) -> Inputs:
        """The tables, the figures, and samples of every cell."""
        scratch = bool(study.scratch_models)
        return {
            **Figures().inputs(study, key),
            "pooled": study.path("findings/pooled.csv"),
            "comparison": study.path("findings/comparison.csv"),
            "figures": study.path("findings/figures"),
            "yardstick": [study.path("models/yardstick.json")] if scratch else [],
            "cells": study.sample_files(),
        }

    def spec(self, study: Study, key: keys.Once) -> ReportSpec:
        """The config as it was read."""
        mixes = study.config.mixes.items()
        return ReportSpec(
            config=study.config,
            origins={name: list(mix.origins) for name, mix in mixes},
            template=texts(REPORT_TEMPLATE, root=TEMPLATES),
        )


def _published(study: Study) -> dict[str, Any] | None:
    """Returns the reference section with the hash of its table; its path may change."""
    table = study.reference_file()
    if table is None:
        return None
    return {**values(study.config.reference), "sha256": fingerprint.file_hash(table)}
