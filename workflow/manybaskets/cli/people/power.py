"""Computes the numbers of seeds and prompts that would decide a contrast of a finished study."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from manybaskets.files import InputError

if TYPE_CHECKING:
    import pandas as pd

    from manybaskets.findings.power import Variation

HELP = "Computes how many seeds and prompts would decide a contrast of a finished study."
TIMES = (0.5, 1, 2, 4)  # multiples of the number of prompts


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("study", type=Path, help="results/<study>")
    parser.add_argument("--of", help="mix (default: every pair that the study compares)")
    parser.add_argument("--against", help="mix to compare it with")
    parser.add_argument("--metric", help="METRIC@ITEM SET (default: the primary metrics)")
    parser.add_argument("--target", help="target (default: all targets)")
    parser.add_argument(
        "--difference", type=float, help="difference to detect (default: the observed difference)"
    )
    parser.add_argument(
        "--power", type=float, default=0.8, help="probability of a decision (default: %(default)s)"
    )
    parser.add_argument(
        "--alpha", type=float, default=0.05, help="significance level (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(options: argparse.Namespace) -> None:
    """Prints the seeds and prompts that each contrast needs."""
    if not 0 < options.power < 1 or not 0 < options.alpha < 1:
        raise InputError("--power and --alpha must be between 0 and 1.")
    analyses = needs(options)
    if options.json:
        print(json.dumps(analyses, indent=1))
        return
    for analysis in analyses:
        print("\n".join(_lines(analysis, options)))
    if options.difference is None:
        print(
            "Observed differences are uncertain, especially those of undecided contrasts.\n"
            "Give the smallest difference of practical importance with --difference."
        )


def needs(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Returns for each contrast its variation, power now, and the seeds needed by prompts."""
    from manybaskets.figures.tables import read_table
    from manybaskets.findings import per_prompt, power
    from manybaskets.metrics.measurement import last_generation

    folder = options.study / "findings"
    every = read_table(folder / "contrasts.csv")
    contrasts = _chosen(every, options)
    measured = last_generation(read_table(folder / "measurements.csv"))
    last = {(row.target, row.mix): row.generation for row in measured.itertuples()}
    table = (
        per_prompt.read(folder / "items.parquet") if (folder / "items.parquet").is_file() else {}
    )
    table = {k: one for k, one in table.items() if k.generation == last.get((k.target, k.mix))}
    tests = int((every["family"] == "primary").sum()) or 1
    analyses = []
    for row in contrasts.to_dict("records"):
        sides, prompts = _variations(row, measured, table)
        known: dict[str, Any] = {
            name: row[name] for name in ("target", "metric", "item_set", "mix", "against")
        }
        if sides is None:
            analyses.append(known | {"problem": "fewer than 2 seeds of a mix have a value"})
            continue
        difference = options.difference or row["difference"]
        seeds = min(row["seeds_mix"], row["seeds_against"])
        counts = [int(prompts * times) for times in TIMES] if prompts else [0]
        needed = {}
        for count in counts:
            one, other = (side.with_prompts(count) if count else side.runs for side in sides)
            needed[count] = {
                "alone": power.seeds_needed(difference, one, other, options.alpha, options.power),
                "in_family": power.seeds_needed(
                    difference, one, other, options.alpha / tests, options.power
                ),
            }
        one, other = (side.with_prompts(prompts) if prompts else side.runs for side in sides)
        analyses.append(
            known
            | {
                "difference": float(difference),
                "observed": float(row["difference"]),
                "seeds": int(seeds),
                "prompts": prompts,
                "sd_between_runs": [side.runs**0.5 for side in sides],
                "sd_of_seeds": [one**0.5, other**0.5],
                "power_now": power.power(difference, one, other, seeds, options.alpha),
                "smallest_difference_now": power.smallest_difference(
                    one, other, seeds, options.alpha, options.power
                ),
                "tests": tests,
                "needed": needed,
            }
        )
    return analyses


def _chosen(contrasts: "pd.DataFrame", options: argparse.Namespace) -> "pd.DataFrame":
    chosen = contrasts
    if options.metric:
        metric, _, item_set = options.metric.partition("@")
        chosen = chosen[
            (chosen["metric"] == metric) & (chosen["item_set"].isin([item_set or "test"]))
        ]
    else:
        chosen = chosen[chosen["family"] == "primary"]
    for column, wanted in (
        ("target", options.target),
        ("mix", options.of),
        ("against", options.against),
    ):
        if wanted is not None:
            chosen = chosen[chosen[column] == wanted]
    if chosen.empty:
        pairs = dict.fromkeys(zip(contrasts["mix"], contrasts["against"], strict=True))
        raise InputError(
            f"{options.study}: the study has no such contrast. Choose --of and --against from "
            f"{', '.join(f'{mix} against {against}' for mix, against in pairs)}, and a --metric "
            "and --target of the study."
        )
    return chosen


def _variations(
    row: dict[str, Any], measured: "pd.DataFrame", table: Any
) -> "tuple[tuple[Variation, Variation] | None, int]":
    """Returns the variation of both mixes, None for fewer than two seeds, and the prompts.

    The number of prompts is 0 if there are no values by prompt.
    """
    from manybaskets.findings import per_prompt, power

    which = measured[
        (measured["target"] == row["target"])
        & (measured["metric"] == row["metric"])
        & (measured["item_set"] == row["item_set"])
        & measured["value"].notna()
    ]
    values = [which.loc[which["mix"] == row[side], "value"] for side in ("mix", "against")]
    if min(map(len, values)) < 2:
        return None, 0
    conditions = [
        [
            of_metric
            for key, of_metric in sorted(table.items())
            if (key.target, key.mix) == (row["target"], row[side])
            and (key.metric, key.item_set) == (row["metric"], row["item_set"])
        ]
        for side in ("mix", "against")
    ]
    complete = [len(one) == len(other) for one, other in zip(conditions, values, strict=True)]
    matrices = per_prompt.by_item(conditions) if all(complete) else None
    if matrices is None:
        one, other = (power.Variation(float(of_side.var(ddof=1))) for of_side in values)
        return (one, other), 0
    one, other = (power.variation(matrix) for matrix in matrices)
    return (one, other), matrices[0].amounts.shape[1]


def _lines(one: dict[str, Any], options: argparse.Namespace) -> list[str]:
    name = f"{one['metric']} on {one['item_set']} of {one['target']}"
    lines = [f"{name}: {one['mix']} against {one['against']}"]
    if "problem" in one:
        return [*lines, f"  {one['problem']}", ""]
    spread = " and ".join(f"{sd:.3g}" for sd in one["sd_of_seeds"])
    lines.append(f"  {one['seeds']} seeds of each, standard deviations over seeds {spread}")
    if one["prompts"]:
        runs = " and ".join(f"{sd:.3g}" for sd in one["sd_between_runs"])
        lines.append(f"  between runs, which more prompts do not reduce: {runs}")
    lines.append(
        f"  a difference of {one['difference']:+.3g} is decided with probability "
        f"{one['power_now']:.2f}; the smallest difference "
        f"with probability {options.power:g}: {one['smallest_difference_now']:.3g}"
    )
    for prompts, needed in one["needed"].items():
        at = f"with {prompts:,} prompts" if prompts else "with these prompts"
        lines.append(
            f"  {at}: {_seeds(needed['alone'])} alone, {_seeds(needed['in_family'])} as the last "
            f"of {one['tests']} contrasts by Holm"
        )
    return [*lines, ""]


def _seeds(count: int | None) -> str:
    return "no number of seeds" if count is None else f"{count:,} seeds"
