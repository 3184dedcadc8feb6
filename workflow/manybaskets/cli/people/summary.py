"""Prints the primary contrasts of a study in the terminal."""

import argparse
import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from manybaskets.files import InputError

HELP = "Prints the primary contrasts as a table, and the path of the report."
HEADINGS = ("metric", "difference", "adj. p", "decided", "mix vs against")
LONGEST = 100  # characters of a line


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    parser.add_argument("--contrasts", type=Path, required=True, help="contrasts.csv of a study")
    parser.add_argument("--report", type=Path, help="report.html, whose path is printed")


def run(options: argparse.Namespace) -> None:
    """Prints the table."""
    if not options.contrasts.is_file():
        raise InputError(f"{options.contrasts}: there is no such file. Run the study first.")
    with options.contrasts.open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["family"] == "primary"]
    print(table(rows))
    if options.report:
        print(f"\nReport: {options.report}")


def table(rows: Sequence[Mapping[str, str]]) -> str:
    """Returns one line per contrast, of at most LONGEST characters, from the rows of their CSV."""
    if not rows:
        return "There are no primary contrasts."
    several = len({row["target"] for row in rows}) > 1
    ordered = sorted(rows, key=lambda row: (row["target"], row["probe"]))
    lines = [list(HEADINGS), *(_cells(row, several) for row in ordered)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS) - 1)]
    room = LONGEST - sum(widths) - 2 * len(widths)
    widths.append(min(room, max(len(line[-1]) for line in lines)))
    for line in lines[1:]:
        mix, _, against = line[-1].partition(" vs ")
        if len(line[-1]) > room:
            line[-1] = f"{_cut(mix, (room - 4) // 2)} vs {_cut(against, (room - 4) // 2)}"
    order = (0, 4, 1, 2, 3)  # the printed order; the pair is last in `lines` to get the rest
    text = ["  ".join(line[i].ljust(widths[i]) for i in order).rstrip() for line in lines]
    text.insert(1, "-" * (sum(widths) + 2 * (len(widths) - 1)))
    decided = sum(line[3] == "yes" for line in lines[1:])
    return "\n".join([*text, f"{decided} of {len(rows)} primary contrasts decided."])


def _cells(row: Mapping[str, str], several: bool) -> list[str]:
    metric = f"{row['metric']}@{row['item_set']}"
    return [
        _cut(f"{row['target']} {metric}" if several else metric, 28),
        _difference(row),
        f"{float(row['p_adjusted']):.2g}" if row["p_adjusted"] else "no test",
        "yes" if row["decided"] == "True" else "no",
        f"{row['mix']} vs {row['against']}",
    ]


def _difference(row: Mapping[str, str]) -> str:
    if not row["difference"]:
        return "no value"
    text = f"{float(row['difference']):+.3g}"
    if row["ci_low"]:
        text += f" [{float(row['ci_low']):+.3g}, {float(row['ci_high']):+.3g}]"
    return text


def _cut(name: str, length: int) -> str:
    """Returns a name of at most `length` characters, shortened in the middle."""
    if len(name) <= length:
        return name
    tail = length // 2
    return f"{name[: length - 1 - tail]}…{name[len(name) - tail :]}"
