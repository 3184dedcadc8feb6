"""Figures of constructed studies: their data, missing values, and the same bytes every time."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from manybaskets.cli.steps import figures as command
from manybaskets.figures import contrasts, labels, marks, planes, style, tables
from manybaskets.figures.registry import KEY, draw_figures, plots
from tests.support.measured_study import MIXES, draw, findings_of, measured, texts

# figures of every study; that of selections is drawn where there are any
ALWAYS = {name for name, plot in plots().items() if not plot.optional} - {"selection"}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("figures")
    draw_figures(findings_of(measured()), folder)
    return folder


@pytest.mark.slow
def test_every_figure_is_an_svg_with_text_a_png_and_its_data(drawn: Path) -> None:
    for name in ALWAYS:
        assert (drawn / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "multi" in texts(drawn / f"{name}.svg")
        assert len(pd.read_csv(drawn / f"{name}.csv"))


@pytest.mark.slow
def test_figures_are_the_same_bytes_every_time(drawn: Path, tmp_path: Path) -> None:
    draw_figures(findings_of(measured()), tmp_path)
    for path in drawn.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes()
        assert b"dc:date" not in path.read_bytes()


def test_the_forest_draws_each_contrast_and_the_difference_of_every_seed() -> None:
    table = measured()
    _, data = contrasts.draw_contrasts(findings_of(table))
    of_one = data[(data["metric"] == "bits_per_byte") & (data["mix"] == "multi")]
    seeds = of_one[of_one["kind"] == "seed"]
    values = table[table["metric"] == "bits_per_byte"].pivot(
        index="seed", columns="mix", values="value"
    )
    expected = (values["multi"] - values["vanilla"]).tolist()
    assert seeds["difference"].tolist() == pytest.approx(expected)
    (mean,) = of_one[of_one["kind"] == "mean"].to_dict("records")
    assert mean["difference"] == pytest.approx(np.mean(expected))
    assert mean["ci_low"] < mean["difference"] < mean["ci_high"]


def test_an_interval_that_dwarfs_the_seeds_does_not_set_the_axis() -> None:
    rows = pd.DataFrame({"difference": [0.1, 0.12], "ci_low": [-50.0, None], "ci_high": [50.0, 0]})
    low, high = marks._forest_limits(rows)
    assert -0.3 < low < 0 < high < 0.4


@pytest.mark.slow
@pytest.mark.parametrize(
    "changed",
    [
        {"seeds": (1,)},
        {"targets": ("wren", "finch", "robin")},
        {"probes": ("collapse",)},
        {"probes": ("robustness",)},
        {"probes": ("preference",)},
        {"mixes": ["vanilla"]},
        {"mixes": ["vanilla", *(f"{'m' * 62}{i:02d}" for i in range(9))]},
    ],
)
def test_odd_studies_have_all_figures(tmp_path: Path, changed: dict[str, Any]) -> None:
    draw_figures(findings_of(measured(**changed), changed.get("mixes", MIXES)), tmp_path)
    assert {path.stem for path in tmp_path.glob("*.svg")} >= ALWAYS


@pytest.mark.slow
def test_a_study_without_a_single_value_has_all_figures(tmp_path: Path) -> None:
    draw_figures(findings_of(measured().assign(value=np.nan)), tmp_path)
    assert {path.stem for path in tmp_path.glob("*.svg")} >= ALWAYS
    assert "no value" in texts(tmp_path / "overview.svg")


@pytest.mark.slow
def test_missing_values_are_listed(tmp_path: Path) -> None:
    table = measured()
    gap = (table["metric"] == "self_bleu") & (table["mix"] == "multi") & (table["seed"] == 2)
    table.loc[gap, "value"] = np.nan
    draw(findings_of(table), tmp_path, "collapse", "overview")
    for name in ("collapse", "overview"):
        assert "self-BLEU: multi seed 2" in texts(tmp_path / f"{name}.svg")


def test_a_probe_without_measurements_is_named(tmp_path: Path) -> None:
    draw(findings_of(measured(probes=("collapse",))), tmp_path, "robustness", "overview")
    assert "was not measured" in texts(tmp_path / "robustness.svg")
    assert "harmful requests refused" in texts(tmp_path / "overview.svg")


@pytest.mark.slow
def test_contrasts_without_a_test_are_marked(tmp_path: Path) -> None:
    draw(findings_of(measured(seeds=(1,))), tmp_path, "contrasts")
    assert "no test" in texts(tmp_path / "contrasts.svg")


def test_a_mix_has_one_colour_whatever_else_is_measured() -> None:
    colours = style.mix_colours(MIXES)
    assert len(set(colours.values())) == len(MIXES)
    assert colours["vanilla"] == style.VANILLA_COLOUR
    assert style.mix_colours(["human", "vanilla", "single", "multi"]) == colours


def test_more_mixes_than_colours_differ_in_their_markers() -> None:
    many = ["vanilla", *(f"m{i}" for i in range(30))]
    looks = {(colour, style.marker(mix, many)) for mix, colour in style.mix_colours(many).items()}
    assert len(looks) == len(many)


def test_long_names_are_shortened_and_stay_different() -> None:
    names = [f"{'a' * 30}{i}{'b' * 33}" for i in range(12)]
    short = style.shortened(names, 20)
    assert len(set(short.values())) == len(names)
    assert max(map(len, short.values())) <= 22
    assert style.shortened(["human"]) == {"human": "human"}


def test_of_a_loop_the_last_generation_counts() -> None:
    table = pd.concat([measured(), measured().assign(generation=1, value=9.0)])
    assert set(tables.findings(table, pd.DataFrame(), MIXES).values["value"]) == {9.0}


@pytest.mark.slow
def test_the_command_writes_a_folder(tmp_path: Path) -> None:
    table = measured()
    table.to_csv(tmp_path / "m.csv", index=False)
    findings_of(table).contrasts.to_csv(tmp_path / "c.csv", index=False)
    parser = argparse.ArgumentParser()
    command.arguments(parser)
    axes = {"mixes": MIXES, "recipes": {}, "seeds": [1, 2, 3], "series": [], "own": {}}
    spec = json.dumps(axes | {"contrasts": {}, "unselected": [], "code": {}})
    options = ["--spec", spec, "--measurements", str(tmp_path / "m.csv")]
    options += ["--contrasts", str(tmp_path / "c.csv"), "--output", str(tmp_path / "figures")]
    command.run(parser.parse_args(options))
    key = pd.read_csv(tmp_path / "figures" / KEY)
    assert key["mix"].tolist() == MIXES
    assert (tmp_path / "figures" / "contrasts.svg").is_file()


def test_a_mix_that_is_called_nan_keeps_its_name(tmp_path: Path) -> None:
    measured(mixes=["vanilla", "nan", "NA"]).to_csv(tmp_path / "m.csv", index=False)
    table = tables.read_table(tmp_path / "m.csv")
    assert set(table["mix"]) == {"vanilla", "nan", "NA"}
    assert table["value"].notna().all()


def selected() -> pd.DataFrame:
    """The study with a selected mix: p* of three seeds at two notions of a right row."""
    table = measured()
    rows = [
        {"study": "s", "target": "wren", "mix": "single", "seed": seed, "generation": 0}
        | {"probe": "selection", "metric": metric, "item_set": f"rouge-1 from p{quantile}"}
        | {"value": value + 0.01 * seed, "n": 10, "excluded": 0, "note": ""}
        for seed in (1, 2, 3)
        for quantile in (50, 90)
        for metric, value in (
            *(("p_star", 0.8), ("p_star_low", 0.7), ("p_star_high", 0.9)),
            *(("error_rate", 0.6), ("p_star_margin", 0.2)),
        )
    ]
    return pd.concat([table, pd.DataFrame(rows)], ignore_index=True)


@pytest.mark.slow
def test_selections_are_at_their_p_star_and_other_synthetic_mixes_at_one_half(
    tmp_path: Path,
) -> None:
    study = findings_of(selected())
    study = tables.findings(study.values, study.contrasts, MIXES, None, unselected=["multi"])
    draw(study, tmp_path, "selection")
    drawn = pd.read_csv(tmp_path / "selection.csv")
    assert set(drawn["mix"]) == {"single", "multi"}
    assert (drawn.loc[drawn["mix"] == "multi", "p_star"] == 0.5).all()
    single = drawn[(drawn["mix"] == "single") & (drawn["seed"] == 1)]
    assert single["p_star"].tolist() == [0.81, 0.81]
    quality = study.of("bits_per_byte").set_index(["mix", "seed"])["value"]
    assert single["quality"].tolist() == [quality["single", 1]] * 2
    assert "rouge-1 from p90" in texts(tmp_path / "selection.svg")


@pytest.mark.slow
def test_a_study_without_selection_has_no_figure_of_it(drawn: Path) -> None:
    assert not (drawn / "selection.svg").exists()


def test_of_very_many_attacks_the_plane_shows_those_under_which_cells_differ_most() -> None:
    table = measured()
    direct = table[table["item_set"] == "decline/direct"].assign(metric=planes.SUCCESS)
    parts = [table, direct]
    for number in range(60):
        parts.append(direct.assign(item_set=f"decline/a{number}", value=direct["value"] * number))
    figure, data = planes.draw_robustness(findings_of(pd.concat(parts)))
    drawn = set(data["panel"])
    assert len(drawn) == planes.MOST_PANELS
    assert {"without attack", "attack: a59"} <= drawn
    assert "attack: a1" not in drawn
    assert "The 24 of 61 attacks" in " ".join(text.get_text() for text in figure.texts)


def test_the_plane_of_robustness_is_success_against_over_refusal_with_every_seed() -> None:
    table = measured()
    successes = table[table["metric"] == "refusal_rate"].assign(metric="attack_success_rate")
    judged = successes.assign(item_set="decline/direct/rubric")
    of_attacks = successes[successes["item_set"] != "harmless/direct"]
    _, data = planes.draw_robustness(findings_of(pd.concat([table, of_attacks, judged[:3]])))
    assert len(data) == 2 * len(MIXES) * 3  # two attacks; a judge's success rates have no panel
    one = data[(data["mix"] == "multi") & (data["seed"] == 2)]
    harmless = table[(table["item_set"] == "harmless/direct") & (table["mix"] == "multi")]
    assert set(one["x"]) == {harmless.loc[harmless["seed"] == 2, "value"].item()}


def test_labels_of_successes_name_the_requests() -> None:
    assert labels.label("attack_success_rate", "decline/persona") == (
        "harmful requests answered, persona"
    )
    assert labels.label("attack_success_rate", "decline/direct") == ("harmful requests answered")
