"""The report of a study: one HTML file that opens from disk and makes no network requests.

Text from models and data reaches the page only through Jinja's escaping, or as JSON that the script
of the page sets as text. Nothing restricted is ever read. The page lists missing results, so that a
report on half a study can be read too.
"""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

from manybaskets.config.base import VANILLA
from manybaskets.config.study import StudyConfig
from manybaskets.figures import tables
from manybaskets.figures.registry import KEY, plots_of
from manybaskets.figures.style import mix_colours
from manybaskets.paths import TEMPLATES
from manybaskets.reporting import cell_cards, comparisons, conditions, methods, references
from manybaskets.reporting.parts import PARTS, SELECTION, part
from manybaskets.study.layout import Study

LARGEST_FIGURE = 2_000_000  # bytes; a larger one is embedded as PNG, and without its data


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
    alpha = config.contrasts.alpha
    findings = tables.findings(measurements, contrasts, _order(figure_folder, config))
    mixes = {mix: config.mixes[mix] for mix in findings.mixes if mix in config.mixes}
    config = config.model_copy(update={"mixes": mixes})
    study = Study(config)
    colours = mix_colours(findings.mixes)
    words = conditions.conditions(config)
    parts: list[str] = [*study.probes(), *([SELECTION] if study.selecting else [])]
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
            for name in findings.mixes
            if name in words
        ],
        "headline": comparisons.headline(findings.contrasts, alpha),
        "headline_figures": list(_figures(figure_folder, "headlines", missing)),
        "trends": comparisons.trend_items(trends, alpha),
        "published": comparisons.published(comparison),
        "cell_figures": list(_figures(figure_folder, "cells", missing)),
        "probes": [
            part(name, findings, colours)
            | {
                "figures": list(_figures(figure_folder, name, missing)),
                "pooled": comparisons.pooled(pooled, name),
            }
            for name in parts
        ],
        "switched_off": [PARTS[n].title for n in PARTS if n not in parts and n != SELECTION],
        "yardstick": _yardstick(study, yardstick, missing),
        "methods": methods.methods(config),
        "references": references.references(config),
        "alpha": alpha,
        "n_cells": len(study.cells),
        "n_measurements": len(findings.values),
        "n_contrasts": len(contrasts),
        "cells": _script_json(cell_cards.cell_cards(study, root, findings, colours, missing)),
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


def _figures(folder: Path, shown_in: str, missing: cell_cards.Missing) -> Iterator[dict[str, Any]]:
    """Each figure of a part as data URIs, with its width in CSS pixels as it was drawn."""
    for plot in plots_of(shown_in):
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
