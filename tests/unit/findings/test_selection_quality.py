"""p* compared with the models trained on selections: points, ranks, and notes on few points."""

from typing import Any

import pandas as pd
import pytest

from manybaskets.figures import style, tables
from manybaskets.figures.selection import draw_selection
from manybaskets.findings import selection_quality

MIXES = ("a", "b", "c", "d")


def measured(
    stars: dict[str, float],
    quality: dict[str, float],
    metric: str = "bits_per_byte",
    p: float = 0.6,
) -> pd.DataFrame:
    """Two seeds of each mix, one notion of a right row."""
    rows: list[dict[str, Any]] = []
    for seed in (1, 2):
        cell = {"study": "s", "target": "wren", "seed": seed, "generation": 0, "n": 9, "note": ""}
        for mix, value in quality.items():
            rows.append(
                {**cell, "mix": mix, "probe": "collapse", "metric": metric, "item_set": "test"}
                | {"value": value + 0.01 * seed}
            )
        for mix, star in stars.items():
            known = {"p_star": star, "p_star_margin": star - p, "error_rate": p}
            rows += [
                {**cell, "mix": mix, "probe": "selection", "metric": name, "value": value}
                | {"item_set": "rouge-1 from p50"}
                for name, value in known.items()
            ]
    return pd.DataFrame(rows)


STARS = dict(zip(MIXES, (0.9, 0.8, 0.7, 0.55), strict=True))


def test_a_better_proxy_with_a_better_model_is_a_positive_rank_correlation() -> None:
    fits = dict(zip(MIXES, (2.0, 2.1, 2.2, 2.3), strict=True))  # bits per byte: lower is better
    found = selection_quality.correlations(selection_quality.points(measured(STARS, fits), ()))
    assert found["proxy"].tolist() == ["p_star", "p_star_margin"]
    assert found["rho"].tolist() == [1.0, 1.0]
    assert found["p"].tolist() == pytest.approx([2 / 24] * 2)  # of four mixes no p is smaller
    assert found["mixes"].tolist() == [4, 4]


def test_the_quality_of_summaries_is_rouge_where_it_was_measured() -> None:
    worse = dict(zip(MIXES, (0.1, 0.2, 0.3, 0.4), strict=True))
    both = pd.concat([measured(STARS, worse, "rouge_1"), measured({}, dict.fromkeys(MIXES, 2.0))])
    points = selection_quality.points(both, ())
    assert set(points["quality_metric"]) == {"rouge_1"}
    found = selection_quality.correlations(points)
    assert found["rho"].tolist() == [-1.0, -1.0]


def test_mixes_without_selection_are_at_one_half_and_have_no_margin() -> None:
    fits = {"a": 2.0, "b": 2.1, "c": 2.2, "plain": 2.4}
    stars = {mix: STARS[mix] for mix in ("a", "b", "c")}
    found = selection_quality.correlations(
        selection_quality.points(measured(stars, fits), ["plain"])
    )
    by_proxy = found.set_index("proxy")
    assert by_proxy.loc["p_star", "mixes"] == 4
    assert by_proxy.loc["p_star", "rho"] == 1
    assert by_proxy.loc["p_star_margin", "mixes"] == 3
    assert pd.isna(by_proxy.loc["p_star_margin", "rho"])
    assert by_proxy.loc["p_star_margin", "note"] == "too few to correlate: 3, 4 needed"


def test_a_study_without_selection_has_no_rows() -> None:
    found = selection_quality.correlations(
        selection_quality.points(measured({}, {"a": 2.0}), ["a"])
    )
    assert list(found.columns)[:4] == ["target", "item_set", "proxy", "quality"]
    assert found.empty


def test_the_last_generation_of_a_loop_counts() -> None:
    first = measured(STARS, dict.fromkeys(MIXES, 9.0))
    later = measured({}, dict(zip(MIXES, (2.0, 2.1, 2.2, 2.3), strict=True)))
    later["generation"] = 3
    points = selection_quality.points(pd.concat([first, later]), ())
    assert points["quality"].max() < 3
    assert len(points) == len(MIXES) * 2


def test_the_figure_shows_the_rank_correlation() -> None:
    fits = dict(zip(MIXES, (2.0, 2.1, 2.2, 2.3), strict=True))
    values = measured(STARS, fits)
    findings = tables.findings(values, pd.DataFrame(), list(MIXES), None)
    drawing = draw_selection(findings)
    assert drawing is not None
    figure, data = drawing
    style.freeze(figure)
    said = " ".join(text.get_text() for text in figure.texts).replace("\n", " ")
    assert "over 4 mixes: rouge-1 from p50: 1.00 (p = 0.083)" in said
    assert len(data) == 8
