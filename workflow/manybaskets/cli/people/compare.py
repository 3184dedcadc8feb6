"""Two studies side by side, or a study and published numbers."""

import argparse
import json
from collections import Counter
from pathlib import Path

HELP = "Compares two studies, or a study and published numbers: which conclusions agree."


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    places = "results/<study>, a contrasts.csv, or a table of resources/reference/"
    parser.add_argument("one", type=Path, metavar="A", help=places)
    parser.add_argument("other", type=Path, metavar="B", help=places)
    parser.add_argument("--all", action="store_true", help="exploratory contrasts too")
    parser.add_argument("--json", action="store_true", help="as JSON, all of them")


def run(options: argparse.Namespace) -> None:
    """Prints the comparison."""
    from manybaskets.findings import comparison

    one, other = comparison.read(options.one), comparison.read(options.other)
    found = comparison.compare(one, other)
    if options.json:
        print(json.dumps(json.loads(found.to_json(orient="records")), indent=1))
        return
    published = bool(one["published"].any() or other["published"].any())
    shown = found if options.all or published else found[found["primary"]]
    if shown.empty:
        print("There is no contrast that both have: mixes, metrics and item sets need the same")
        print("names in both." if options.all else "names in both (--all shows exploratory ones).")
        return
    for conclusion, heading in (
        (comparison.AGREE, "Both say the same"),
        (comparison.CONTRADICT, "They contradict each other"),
        (comparison.OPEN, "Not decided in at least one"),
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
        f"{counts[comparison.AGREE]} of {decided} conclusions that both decide agree; "
        f"{counts[comparison.OPEN]} are open in at least one."
    )
    if published:
        print("Published numbers are of one run: they do not say how sure they are.")
