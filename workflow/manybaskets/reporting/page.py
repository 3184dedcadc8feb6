"""The report of a study: one HTML file that opens from disk and asks nothing of any network.

Gathers what the template shows. Text from models and data reaches the page only through Jinja's
escaping or as JSON that the page's script sets as text. Nothing restricted is ever read. What is
missing is listed, since a report on half a study is still of use.
"""

import base64
import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
import pandas as pd
from markupsafe import Markup

from manybaskets.config.base import VANILLA
from manybaskets.config.study import StudyConfig
from manybaskets.figures import labels, tables
from manybaskets.figures.registry import KEY, plots_of
from manybaskets.figures.style import mix_colours
from manybaskets.metrics import registry
from manybaskets.paths import TEMPLATES
from manybaskets.reporting import cell_cards, methods
from manybaskets.stages.study import Study

MOST_POOLED = 400  # rows of pooled tests of a probe; all are in findings/pooled.csv
SELECTION = "selection"  # a part of the report like a probe, where a mix selects
LARGEST_FIGURE = 2_000_000  # bytes; a larger one is embedded as PNG, and without its data

PARTS = {  # of the report: title and question of each
    "collapse": (
        "Collapse",
        "Does the model still fit human text, and does it still write varied text?",
    ),
    "robustness": (
        "Robustness",
        "Does it still decline what it should decline, under attack too, and only that?",
    ),
    "preference": (
        "Preference",
        "As a judge, does it favour its own text over that of others?",
    ),
    "selection": (
        "Selection",
        "Which rows did each verifier keep, and is the resulting model better?",
    ),
}


def render(
    config: StudyConfig,
    root: Path,
    measurements: pd.DataFrame,
    contrasts: pd.DataFrame,
    figure_folder: Path,
    yardstick: Path | None = None,
    trends: pd.DataFrame | None = None,
    pooled: pd.DataFrame | None = None,
    comparison: pd.DataFrame | None = None,
) -> str:
    """The whole page. `root` is the study's folder of results, the tables those of findings/."""
    missing = cell_cards.Missing()
    found = tables.findings(measurements, contrasts, _order(figure_folder, config))
    mixes = {mix: config.mixes[mix] for mix in found.mixes if mix in config.mixes}
    config = config.model_copy(update={"mixes": mixes})
    study = Study(config)
    colours = mix_colours(found.mixes)
    words = methods.conditions(config)
    parts: list[str] = [*study.probes(), *([SELECTION] if study.selections else [])]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["source_hash"] = _source_hash
    pages: dict[str, Any] = {
        "config": config,
        "conditions": [
            {"name": name, "words": words[name], "colour": colours[name]}
            for name in found.mixes
            if name in words
        ],
        "headline": _headline(found.contrasts),
        "headline_figures": list(_figures(figure_folder, "headlines", missing)),
        "trends": _trends(trends),
        "published": _published(comparison),
        "cell_figures": list(_figures(figure_folder, "cells", missing)),
        "probes": [
            _probe(name, found, colours, figure_folder, missing) | {"pooled": _pooled(pooled, name)}
            for name in parts
        ],
        "switched_off": [PARTS[n][0] for n in PARTS if n not in parts and n != SELECTION],
        "yardstick": _yardstick(study, yardstick, missing),
        "methods": methods.methods(config),
        "references": methods.references(config),
        "alpha": config.contrasts.alpha,
        "n_cells": len(study.cells),
        "n_measurements": len(found.values),
        "n_contrasts": len(contrasts),
        "cells": _script_json(cell_cards.cell_cards(study, root, found, colours, missing)),
        "samples": _script_json(cell_cards.samples(study, root, colours, missing)),
    }
    template = environment.get_template("report.html")
    page: str = template.render(pages, missing=missing.places)
    return page + "\n"


def _order(figure_folder: Path, config: StudyConfig) -> list[str]:
    """The mixes in the order of the figures, so that colours agree, or else of the config."""
    mixes = [VANILLA, *config.mixes]
    key = figure_folder / KEY
    if not key.is_file():
        return mixes
    drawn = pd.read_csv(key, dtype=str, keep_default_na=False)["mix"].tolist()
    return [*drawn, *(mix for mix in mixes if mix not in drawn)]


def _headline(contrasts: pd.DataFrame) -> dict[str, Any]:
    """The primary contrasts in words: per probe those decided, not decided, and without a test."""
    primary = contrasts[contrasts["family"] == "primary"]
    groups = []
    for probe in sorted(set(primary["probe"]), key=list(PARTS).index):
        of_probe = primary[primary["probe"] == probe]
        tested = of_probe["p_welch"].notna()
        kinds = {
            "decided": of_probe[of_probe["decided"]],
            "open": of_probe[tested & ~of_probe["decided"]],
            "untested": of_probe[~tested],
        }
        groups.append(
            {"title": PARTS[probe][0]}
            | {
                kind: [_sentence(row) for row in rows.to_dict("records")]
                for kind, rows in kinds.items()
            }
        )
    counts = {
        kind: sum(len(group[kind]) for group in groups) for kind in ("decided", "open", "untested")
    }
    tested = [item for group in groups for kind in ("decided", "open") for item in group[kind]]
    # What every verdict says need be said once.
    everywhere = (
        [note for note in tested[0]["notes"] if all(note in item["notes"] for item in tested)]
        if len(tested) > 1
        else []
    )
    for item in tested:
        item["notes"] = [note for note in item["notes"] if note not in everywhere]
    return {"groups": groups, "total": len(primary), "everywhere": everywhere, **counts}


def _trends(trends: pd.DataFrame | None) -> list[dict[str, Any]]:
    """The primary trends in words, those decided first."""
    if trends is None:
        return []
    primary = trends[trends["family"] == "primary"]
    rows = primary.sort_values("decided", ascending=False, kind="stable").to_dict("records")
    return [_sentence(row) for row in rows]


def _published(comparison: pd.DataFrame | None) -> dict[str, Any]:
    """The published effects beside the study's, and how many of each kind."""
    if comparison is None or comparison.empty:
        return {}
    signs, inside = (_flags(comparison[name]) for name in ("same_sign", "inside"))
    return {
        "total": len(comparison),
        "same_sign": sum(signs),
        "signed": len(signs),
        "inside": sum(inside),
        "with_interval": len(inside),
        "rows": [
            {
                "target": row["target"],
                "label": labels.label(row["metric"], row["item_set"]),
                "pair": f"{row['mix']} against {row['against']}",
                "published": _signed(row["published"]),
                "ours": _signed(row["difference"]),
                "interval": ""
                if pd.isna(row["ci_low"])
                else f"{_signed(row['ci_low'])} to {_signed(row['ci_high'])}",
                "words": row["words"],
                "quantity": row["quantity"],
                "source": row["source"],
            }
            for row in comparison.to_dict("records")
        ],
    }


def _flags(values: "pd.Series[Any]") -> list[bool]:
    """What is true or false in a column of a CSV, without what is neither."""
    return [str(value) == "True" for value in values if str(value) in ("True", "False")]


def _signed(value: float) -> str:
    return "" if pd.isna(value) else f"{value:+.3g}".replace("-", "\N{MINUS SIGN}")


def _pooled(pooled: pd.DataFrame | None, probe: str) -> list[dict[str, Any]]:
    """The Eggs study's tests of a probe, one row each."""
    if pooled is None:
        return []
    rows = pooled[pooled["probe"] == probe].to_dict("records")
    return [
        {
            "target": row["target"],
            "label": labels.label(row["metric"], row["item_set"]),
            "test": row["test"],
            "pair": f"{row['mix']} / {row['against']}" if row["mix"] else "all",
            "statistic": f"{row['statistic']:.5g}",
            "p": f"{row['p_bonferroni' if row['mix'] else 'p']:.2g}",
        }
        for row in rows[:MOST_POOLED]
    ]


def _sentence(contrast: Mapping[str, Any]) -> dict[str, Any]:
    """A verdict in its parts: the claim, its numbers, and what else is to be said."""
    metric = contrast["metric"]
    words = registry.metric(metric).label
    verdict = str(contrast["verdict"]).replace(f"{metric} on ", f"{words} on ")
    verdict = re.sub(r"(?<![\w.])-(?=\d)", "\N{MINUS SIGN}", verdict)
    verdict = verdict.replace(" %", "\N{NO-BREAK SPACE}%")
    claim, colon, rest = verdict.partition(": ")
    claim = claim.replace(" is higher ", f" is {_by(contrast)}higher ", 1)
    claim = claim.replace(" is lower ", f" is {_by(contrast)}lower ", 1)
    numbers, *notes = re.split(r"(?<=\.) (?=[A-Z0-9])", rest)
    return {
        "claim": claim[:1].upper() + claim[1:],
        "numbers": colon + numbers,
        "notes": notes,
        "pair": f"{contrast['mix']} against {contrast.get('against', '')}",
        "target": contrast["target"],
    }


def _by(contrast: Mapping[str, Any]) -> str:
    """By how much, with half of the interval's width, as "0.12 ± 0.03"; empty where not decided."""
    low, high = contrast.get("ci_low"), contrast.get("ci_high")
    if not contrast["decided"] or low is None or pd.isna(low) or contrast.get("difference") is None:
        return ""
    half = (high - low) / 2
    decimals = int(np.clip(1 - math.floor(math.log10(half)), 0, 6)) if half > 0 else 3
    return f"{abs(contrast['difference']):.{decimals}f} ± {half:.{decimals}f} "


def _probe(
    name: str,
    found: tables.Findings,
    colours: Mapping[str, str],
    folder: Path,
    missing: cell_cards.Missing,
) -> dict[str, Any]:
    title, question = PARTS[name]
    values = found.values[found.values["probe"] == name]
    measured, mixes = set(values["metric"].unique()), set(values["mix"].unique())
    metrics = labels.by_importance(list(measured))
    return {
        "name": name,
        "title": title,
        "question": question,
        "figures": list(_figures(folder, name, missing)),
        "metrics": [
            (
                registry.metric(metric).label,
                registry.metric(metric).definition,
            )
            for metric in metrics
        ],
        "mixes": [(mix, colours[mix]) for mix in found.mixes if mix in mixes],
        "tables": [
            {"target": target, "rows": list(_means(rows, found.mixes, metrics))}
            for target, rows in values.groupby("target", sort=True)
        ],
        "without": _without_value(values),
    }


def _means(
    values: pd.DataFrame, mixes: Sequence[str], metrics: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """One row per metric and item set: mean and standard deviation over seeds of every mix."""
    known = set(values["mix"].unique())
    present = [mix for mix in mixes if mix in known]
    groups = dict(list(values.groupby(["metric", "item_set"], sort=True)))
    for metric, item_set in sorted(groups, key=lambda key: (metrics.index(key[0]), key[1])):
        of_mix = groups[metric, item_set].groupby("mix")["value"]
        summary = of_mix.agg(["mean", "std", "count"]).reindex(present)
        decimals = _decimals(summary)
        yield {
            "label": labels.label(metric, item_set),
            "cells": [
                {
                    "mean": _number(row["mean"], decimals),
                    "sd": _number(row["std"], decimals),
                    "n": 0 if math.isnan(row["count"]) else int(row["count"]),
                }
                for _, row in summary.iterrows()
            ],
        }


def _decimals(summary: pd.DataFrame) -> int:
    """As many as show two digits of the typical deviation, alike for a whole row."""
    deviations = summary["std"][summary["std"] > 0]
    typical = float(deviations.median()) if len(deviations) else 0.0
    return int(np.clip(1 - math.floor(math.log10(typical)), 1, 4)) if typical > 0 else 3


def _number(value: float, decimals: int) -> str:
    return "" if pd.isna(value) else f"{value:.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def _without_value(values: pd.DataFrame) -> list[dict[str, str]]:
    """The values that could not be computed, gathered by what was to be measured and why not."""
    empty = values[values["value"].isna()]
    return [
        {
            "label": labels.label(metric, item_set),
            "cell": f"{target}, {mix}, seed {', '.join(map(str, rows['seed']))}",
            "note": note or "no reason given",
        }
        for (metric, item_set, target, mix, note), rows in empty.groupby(
            ["metric", "item_set", "target", "mix", "note"], sort=True
        )
    ]


def _figures(folder: Path, part: str, missing: cell_cards.Missing) -> Iterator[dict[str, Any]]:
    """Each figure as data URIs, with its width in CSS pixels as it was drawn."""
    for plot in plots_of(part):
        svg, png, data = (folder / f"{plot.name}.{kind}" for kind in ("svg", "png", "csv"))
        if not svg.is_file():
            if not plot.optional:
                missing.add("Figures", plot.name)
            continue
        width = re.search(r'width="([\d.]+)pt"', svg.read_text(encoding="utf-8")[:2000])
        small = svg.stat().st_size <= LARGEST_FIGURE or not png.is_file()
        yield {
            "name": plot.name,
            "caption": plot.caption,
            "width": round(float(width[1]) * 4 / 3) if width else 650,
            "image": _data_uri(svg, "image/svg+xml") if small else _data_uri(png, "image/png"),
            "data": _data_uri(data, "text/csv") if small and data.is_file() else None,
        }


def _yardstick(
    study: Study, path: Path | None, missing: cell_cards.Missing
) -> dict[str, Any] | None:
    if path is None:
        return None
    content = cell_cards.read_part(path)
    if not isinstance(content, dict) or not isinstance(content.get("models"), dict):
        missing.add("Yardstick", path.name)
        return None
    models = [
        {
            "name": name,
            "target": name in study.config.targets,
            "parameters": model.get("parameters"),
            "bits": model.get("bits_per_byte"),
            "own": model.get("own_bits_per_byte"),
            "bigram": model.get("bigram"),
            "trigram": model.get("trigram"),
        }
        for name, model in content["models"].items()
    ]
    return {
        "models": models,
        "own": any(model["own"] is not None for model in models),
        "compared": any(model["trigram"] is not None for model in models),
        "ngrams": [(name, content[name]) for name in ("bigram", "trigram") if name in content],
        "rows": content.get("rows"),
    }


def _data_uri(path: Path, kind: str) -> str:
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def _script_json(value: Any) -> Markup:
    """JSON that no text in it can break out of a script element."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)  # ASCII: no lone surrogates
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def _source_hash(script: str) -> str:
    """The hash by which a content security policy lets this script run, and no other."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest())
    return f"sha256-{digest.decode()}"
