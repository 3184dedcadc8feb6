"""Gathers every cell's measurements and compares conditions."""

import argparse
import itertools
import json
from pathlib import Path

from manybaskets import measurements, statistics
from manybaskets.files import whole_file

HELP = "Gathers all measurements into one table and computes the contrasts."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--spec", type=json.loads, required=True)
    parser.add_argument("--root", type=Path, required=True)
    for name in ("measurements", "parquet", "contrasts", "dictionary"):
        parser.add_argument(f"--{name}", type=Path, required=True)


def run(options: argparse.Namespace) -> None:
    """Writes the measurements, the contrasts and the data dictionary."""
    spec = options.spec
    cells = [
        (
            {"study": spec["study"], "target": t, "mix": m, "seed": s, "generation": 0},
            options.root / "cells" / t / m / f"seed={s}" / f"{probe}.json",
        )
        for t, m, s in itertools.product(spec["targets"], spec["mixes"], spec["seeds"])
        for probe in spec["probes"]
    ]
    # What a selection did to a training set stands with every target that was trained on it.
    cells += [
        (
            {"study": spec["study"], "target": t, "mix": m, "seed": s, "generation": 0},
            options.root / "selections" / m / f"seed={s}.json",
        )
        for t, m, s in itertools.product(spec["targets"], spec["selected"], spec["seeds"])
    ]
    table = measurements.gather(cells)
    measurements.write_tables(table, options.measurements, options.parquet)
    primary = {
        probe: tuple(named.split("@", 1))
        for probe, named in spec["contrasts"]["primary"].items()
        if probe in spec["probes"]
    }
    contrasts = statistics.contrasts(
        table[table["probe"] != "selection"],  # no outcome: nothing to compare over seeds
        [(mix, against) for mix, against in spec["contrasts"]["pairs"]],
        primary,
        spec["contrasts"]["alpha"],
    )
    with whole_file(options.contrasts) as beside:
        contrasts.to_csv(beside, index=False, lineterminator="\n", encoding="utf-8")
    import pandas as pd

    with whole_file(options.dictionary) as beside:
        pd.DataFrame(sorted(measurements.METRICS.items()), columns=["metric", "definition"]).to_csv(
            beside, index=False, lineterminator="\n", encoding="utf-8"
        )
    print(f"{len(table)} measurements, {len(contrasts)} contrasts")
