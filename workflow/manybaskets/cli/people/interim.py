"""Writes a report on the results that an unfinished study has so far."""

import argparse
from pathlib import Path

from manybaskets.cli.arguments import config_arguments
from manybaskets.cli.steps import compare_judges, figures, findings
from manybaskets.dag.preflight import study_of
from manybaskets.figures.tables import read_table
from manybaskets.files import InputError, whole_directory, write_text
from manybaskets.reporting import page as report_page
from manybaskets.stages.findings import Figures, Findings
from manybaskets.study.keys import Once

HELP = "Writes findings and a report of an unfinished study's results so far, to interim/."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    config_arguments(parser)


def run(options: argparse.Namespace) -> None:
    """Writes `results/<study>/interim/`; runs neither read nor write this folder."""
    study = study_of(options.configfile, options.config)
    root = Path(study.root)
    if not (root / "cells").is_dir():
        raise InputError(f"{root}: there are no results of cells yet. Run snakemake first.")
    yardstick = root / "models" / "yardstick.json"
    with whole_directory(root / "interim") as folder:
        counts = findings.gather(Findings().spec(study, Once()), root, folder, partly=True)
        tables = {
            name: folder / f"{name}.csv"
            for name in ("measurements", "contrasts", "trends", "training", "ranks")
        }
        judged = [root / path for path in study.opinion_files() if (root / path).is_file()]
        if study.config.probes.preference and judged:
            tables["judges"] = folder / "judges.csv"
            compare_judges.compare(judged, tables["judges"])
        (folder / "figures").mkdir()
        figures.draw(Figures().spec(study, Once()), tables, folder / "figures")
        page = report_page.render(
            study.config,
            root,
            read_table(tables["measurements"]),
            read_table(tables["contrasts"]),
            folder / "figures",
            yardstick if yardstick.is_file() else None,
            read_table(tables["trends"]),
            read_table(folder / "pooled.csv"),
            read_table(folder / "comparison.csv"),
        )
        write_text(folder / "report.html", page)
    expected = len(study.cells) * len(study.probes())
    there = sum(
        (root / cell.path / f"{probe}.json").is_file()
        for cell in study.cells
        for probe in study.probes()
    )
    print(f"{there} of {expected} results of probes, {counts['measurements']} measurements.")
    print(f"Report: {root / 'interim' / 'report.html'}")
