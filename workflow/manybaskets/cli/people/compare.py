"""Compares the conclusions of two studies, or of a study and published numbers."""

import argparse
import json
from collections import Counter
from pathlib import Path

HELP = "Compares the conclusions of two studies, or of a study and published numbers."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    inputs = "results/<study>, a contrasts.csv, or a table of resources/reference/"
    parser.add_argument("one", type=Path, metavar="A", help=inputs)
    parser.add_argument("other", type=Path, metavar="B", help=inputs)
    parser.add_argument("--all", action="store_true", help="include exploratory contrasts")
    parser.add_argument("--json", action="store_true", help="print all contrasts as JSON")


def run(options: argparse.Namespace) -> None:
    """Prints the comparison."""
    from manybaskets.findings import comparison

    one, other = comparison.read(options.one), comparison.read(options.other)
    contrasts = comparison.compare(one, other)
    if options.json:
        print(json.dumps(json.loads(contrasts.to_json(orient="records")), indent=1))
        return
    published = bool(one["published"].any() or other["published"].any())
    shown = contrasts if options.all or published else contrasts[contrasts["primary"]]
    if shown.empty:
        print("A and B have no common contrast: mixes, metrics and item sets must have the same")
        print("names." if options.all else "names (--all includes exploratory contrasts).")
        return
    for conclusion, heading in (
        (comparison.AGREE, "Same conclusion"),
        (comparison.CONTRADICT, "Opposite conclusions"),
        (comparison.OPEN, "Undecided in at least one"),
    ):
        rows = shown[shown["conclusion"] == conclusion]
        if len(rows):
            print(f"{heading}:")
        for row in rows.to_dict("records"):
            targets = dict.fromkeys((row["target_a"], row["target_b"]))
            size = ""
            if row["differ"]:
                size = f"; the differences differ by {row['between']:+.3g} "
                size += f"({row['between_low']:+.3g} to {row['between_high']:+.3g})"
            print(f"  {' / '.join(targets)}: {row['words']}{size}")
    if one["published"].any() != other["published"].any():
        table, study = (one, other) if one["published"].any() else (other, one)
        sizes = Counter(comparison.effects(study, table)["words"])
        for words, count in sizes.most_common():
            print(f"{count} effects: {words}.")
    counts = Counter(shown["conclusion"])
    decided = counts[comparison.AGREE] + counts[comparison.CONTRADICT]
    print(
        f"{counts[comparison.AGREE]} of {decided} contrasts decided in both agree; "
        f"{counts[comparison.OPEN]} are undecided in at least one."
    )
    if published:
        print("Published numbers come from one run each and have no interval.")
