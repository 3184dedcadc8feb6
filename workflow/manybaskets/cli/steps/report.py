"""Writes the report of a study from its tables, figures and samples."""

import argparse
from pathlib import Path

from manybaskets.cli.arguments import spec_argument
from manybaskets.config.study import StudyConfig
from manybaskets.figures.tables import read_table
from manybaskets.files import write_text
from manybaskets.reporting import page as report_page
from manybaskets.stages.findings import ReportSpec

HELP = "Writes the report from tables, figures and samples: one HTML file that opens offline."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    spec_argument(parser, ReportSpec)
    parser.add_argument("--root", type=Path, required=True, help="the study's folder of results")
    parser.add_argument("--measurements", type=Path, required=True)
    parser.add_argument("--contrasts", type=Path, required=True)
    parser.add_argument("--trends", type=Path)
    parser.add_argument("--pooled", type=Path)
    parser.add_argument("--comparison", type=Path)
    parser.add_argument("--figures", type=Path, required=True)
    parser.add_argument("--yardstick", type=Path, nargs="*", default=[])
    parser.add_argument("--output", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes the page."""
    config = options.spec.config.model_dump(mode="json")
    for name, order in options.spec.origins.items():
        # Canonical JSON sorts keys; the order of origins determines their quarters.
        shares = config["mixes"][name]["origins"]
        config["mixes"][name]["origins"] = {origin: shares[origin] for origin in order}
    page = report_page.render(
        StudyConfig.model_validate(config),
        options.root,
        read_table(options.measurements),
        read_table(options.contrasts),
        options.figures,
        options.yardstick[0] if options.yardstick else None,
        read_table(options.trends) if options.trends else None,
        read_table(options.pooled) if options.pooled else None,
        read_table(options.comparison) if options.comparison else None,
    )
    write_text(options.output, page)
