"""Figures of curves and of the study as a whole: drawn only where they have data."""

import itertools
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest

from manybaskets.figures import style, tables
from manybaskets.figures.registry import draw_figures, plots
from manybaskets.findings import trends
from manybaskets.findings.training_curves import PEOPLE
from tests.support.measured_study import MIXES, PRIMARY, draw, findings_of, measured, texts

ALL = {name: plot.draw for name, plot in plots().items() if plot.optional}
SERIES: Any = [{"name": "share", "doses": {"human": 0.0, "single": 0.5, "multi": 1.0}}]
RECIPES = {"human": [["human", 1.0]], "single": [["wren", 1.0]]} | {
    "multi": [["wren", 0.5], ["finch", 0.5]]
}


def loops() -> pd.DataFrame:
    parts = [measured(["loop"]).assign(generation=g) for g in range(3)]
    for generation, part in enumerate(parts):
        part["value"] += 0.1 * generation
    return pd.concat([measured(), *parts], ignore_index=True)


def gaps() -> pd.DataFrame:
    base = measured()[lambda t: t["metric"] == "self_bleu"].assign(metric="nll_gap")
    names = [*(f"frequency {n} of 3" for n in (1, 2, 3)), "unseen"]
    return pd.concat([base.assign(item_set=f"test/{name}") for name in names])


def judges() -> pd.DataFrame:
    """Two cells and an outsider, one of whose measures has no value."""
    draw = np.random.default_rng(1)
    rows = [
        (judge, metric, item_set, value, value - 0.1, value + 0.1, 40, 0, "")
        for judge in ("wren/multi", "wren/human", "owl", "all")
        for metric, item_set in (
            ("self_log_odds", "own"),
            ("self_log_odds", "own|length"),
            ("discernment", "controls"),
            ("diagonal_excess", "matrix"),
        )
        if (judge == "all") == (metric == "diagonal_excess")
        for value in [draw.normal(0.4, 0.1)]
    ]
    rows.append(("owl", "position_bias", "pairs", np.nan, np.nan, np.nan, 0, 40, "no letter"))
    columns = ["judge", "metric", "item_set", "value", "low", "high", "n", "excluded", "note"]
    return pd.DataFrame(rows, columns=columns)


def attempts() -> pd.DataFrame:
    base = measured()[lambda t: t["metric"] == "self_bleu"].assign(metric="success_at_n")
    parts = [base.assign(item_set=f"decline/best-of-n/n={n}") for n in (1, 2, 32)]
    return pd.concat([*parts, base.assign(item_set="decline/x/n=1", value=np.nan)])


def full(table: pd.DataFrame) -> tables.Findings:
    draw = np.random.default_rng(0)
    losses = [
        ("wren", mix, seed, 0, step, 3 - step / 50 + draw.normal(0, 0.1))
        for mix in MIXES[1:]
        for seed in (1, 2)
        for step in (5, 10, 15)
    ]
    columns = ["target", "mix", "seed", "generation", "step", "loss"]
    training = pd.DataFrame(losses, columns=columns)
    frequencies = [
        ("wren", mix, 1, rank, 0.1 / rank, 1 / rank, 500)
        for mix in [*MIXES, PEOPLE]
        for rank in (1, 2, 5, 10)
    ]
    columns = ["target", "mix", "seed", "rank", "frequency", "beyond", "words"]
    ranks = pd.DataFrame(frequencies, columns=columns)
    more: dict[str, Any] = {"training": training, "ranks": ranks, "recipes": RECIPES}
    more |= {"judges": judges()}
    more |= {"series": SERIES, "seeds": [1, 2, 3], "trends": trends.trends(table, SERIES, PRIMARY)}
    return tables.findings(table, findings_of(measured()).contrasts, [*MIXES, "loop"], None, **more)


def draw_all(folder: Path) -> Path:
    """Draws a study that has something to show in every figure."""
    table = pd.concat([loops(), gaps(), attempts()], ignore_index=True)
    draw_figures(full(table), folder)
    return folder


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_all(tmp_path_factory.mktemp("figures"))


@pytest.mark.slow
def test_every_figure_is_drawn_with_its_data_and_its_names(drawn: Path) -> None:
    for name in ALL:
        assert (drawn / f"{name}.png").read_bytes().startswith(b"\x89PNG"), name
        assert len(pd.read_csv(drawn / f"{name}.csv")), name
    assert "multi" in texts(drawn / "training.svg")
    assert "loop" in texts(drawn / "generations.svg")
    assert "rarest" in texts(drawn / "frequency.svg")
    assert "unseen" in texts(drawn / "frequency.svg")
    assert "share" in texts(drawn / "doses.svg")
    assert "not fine-tuned" in texts(drawn / "map.svg")
    assert "1,000" not in texts(drawn / "ranks.svg") and "10" in texts(drawn / "ranks.svg")
    assert "mathdefault" not in (drawn / "ranks.svg").read_text()


@pytest.mark.slow
def test_the_bytes_are_the_same_every_time(drawn: Path, tmp_path: Path) -> None:
    draw_all(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in drawn.iterdir()}
    for path in drawn.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


@pytest.mark.slow
def test_nothing_to_show_is_no_figure(tmp_path: Path) -> None:
    draw_figures(findings_of(measured(seeds=(1,), mixes=["vanilla"]), ["vanilla"]), tmp_path)
    assert not {f"{name}.svg" for name in ALL} & {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("name", ["doses", "generations", "frequency", "correlation"])
def test_values_that_are_all_missing_are_no_figure(name: str) -> None:
    table = pd.concat([loops(), gaps()], ignore_index=True).assign(value=np.nan)
    assert ALL[name](full(table)) is None


def test_every_seed_is_in_the_data_of_a_dose_figure() -> None:
    drawn = ALL["doses"](full(measured()))
    assert drawn is not None
    data = drawn[1]
    bits = data[data["metric"] == "bits_per_byte"]
    assert len(bits) == 3 * 3
    assert set(zip(bits["mix"], bits["dose"], strict=True)) == set(SERIES[0]["doses"].items())


def test_the_map_marks_cells_that_lack_a_probe() -> None:
    table = measured()
    table = table[~((table["mix"] == "multi") & (table["seed"] == 2))]
    gap = (table["mix"] == "human") & (table["probe"] == "preference") & (table["seed"] == 1)
    # Measurements of a mix's verifier are not a probe of its cells.
    selected = table[(table["mix"] == "single") & (table["metric"] == "self_bleu")]
    selected = selected.assign(probe="selection", metric="p_star")
    drawn = ALL["map"](full(pd.concat([table[~gap], selected])))
    assert drawn is not None
    assert set(drawn[1]["probes"]) == {3}
    cells = drawn[1].set_index(["mix", "seed"])["measured"]
    assert cells["multi", 2] == 0
    assert cells["human", 1] == 2
    assert cells["human", 2] == 3


def test_correlations_are_spearmans() -> None:
    table = measured()
    drawn = ALL["correlation"](full(table))
    assert drawn is not None
    data = drawn[1].set_index(["metric", "item_set", "metric_2", "item_set_2"])
    wide = table.pivot_table(index=["mix", "seed"], columns=["metric", "item_set"], values="value")
    one, other = ("self_bleu", "test"), ("bits_per_byte", "test")
    expected = wide[one].corr(wide[other], method="spearman")
    assert data.loc[(*one, *other), "over_cells"] == pytest.approx(expected)


@pytest.mark.slow
def test_many_targets_and_long_names_are_drawn(tmp_path: Path) -> None:
    mixes = ["vanilla", *(f"{'m' * 60}{i}" for i in range(12))]
    table = measured(mixes, targets=("wren", "finch", "robin"))
    findings = tables.findings(
        table, findings_of(table, mixes).contrasts, mixes, None,
        recipes={mix: [["human", 0.5], ["x" * 64, 0.5]] for mix in mixes[1:]}, seeds=[1, 2, 3],
    )  # fmt: skip
    draw_figures(findings, tmp_path)
    assert (tmp_path / "map.svg").is_file()


@pytest.mark.slow
def test_the_own_column_of_a_heat_map_contains_its_excess(tmp_path: Path) -> None:
    table = measured()
    other = table[table["metric"] == "preference"].assign(item_set="finch")
    table = pd.concat([table, other.assign(value=other["value"] - 0.25)], ignore_index=True)
    draw(findings_of(table), tmp_path, "preference")
    rows = table[(table["metric"] == "preference") & (table["mix"] == "multi")]
    means = rows.groupby("item_set")["value"].mean()
    assert f"{means['wren'] - means['finch']:+.3f}" in texts(tmp_path / "preference.svg")


def test_external_judges_come_last_and_measures_are_the_most_controlled() -> None:
    drawn = ALL["judges"](full(measured()))
    assert drawn is not None
    figure, data = drawn
    ticks = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert ticks == ["wren/human", "wren/multi", "owl"]
    controlled = data[data["metric"] == "self_log_odds"]
    assert set(controlled["item_set"]) == {"own|length"}
    assert "diagonal excess" in " ".join(text.get_text() for text in figure.texts)


def test_success_over_attempts_has_every_seed_at_every_number_of_attempts() -> None:
    drawn = ALL["attempts"](full(pd.concat([measured(), attempts()])))
    assert drawn is not None
    _, data = drawn
    assert set(data["attack"]) == {"best-of-n"}
    assert data.groupby(["mix", "seed"])["attempts"].apply(sorted).map(tuple).unique().tolist() == [
        (1, 2, 32)
    ]
    assert ALL["attempts"](full(measured())) is None


@pytest.mark.slow
@pytest.mark.parametrize("reach", [0.0065, 0.9, 40.0, 123456.0, 3e-7])
@pytest.mark.parametrize("most", [3, 5])
def test_labels_of_ticks_do_not_touch(reach: float, most: int) -> None:
    figure, axes = style.axes(1, 4, (style.WIDTH, 2))
    with matplotlib.rc_context(style.STYLE):
        for ax in axes.flat:
            ax.set_xlim(-reach * 0.8, reach)
            ax.xaxis.set_major_locator(style.RoomyTicks(most))
        style.freeze(figure)
        low, high = axes[0][0].get_xlim()
        drawn = [
            label.get_window_extent()
            for place, label in zip(
                axes[0][0].get_xticks(), axes[0][0].get_xticklabels(), strict=True
            )
            if low <= place <= high
        ]
    assert 1 <= len(drawn) <= most + 1
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(drawn))
