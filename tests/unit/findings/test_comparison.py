"""Two studies, and a study and published numbers: which conclusions agree."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from manybaskets import __main__
from manybaskets.files import InputError
from manybaskets.findings import comparison, contrasts
from manybaskets.study.layout import RESOURCES
from tests.support.public_files import COPIES

EGGS = RESOURCES / "reference" / "eggs.csv"
PRIMARY = {"collapse": ("eggs_perplexity", "test")}


def study(folder: Path, target: str = "wren", noise: float = 0.01, **means: float) -> Path:
    """Results with a mean of nll for every mix; all pairs in the order given."""
    draw = np.random.default_rng(0)
    rows = [
        {"study": "s", "target": target, "mix": mix, "seed": seed, "generation": 0}
        | {
            "probe": "collapse",
            "metric": "eggs_perplexity",
            "item_set": "test",
            "value": mean + draw.normal(0, noise),
        }
        for mix, mean in means.items()
        for seed in range(5)
    ]
    mixes = list(means)
    pairs = [(mix, against) for place, mix in enumerate(mixes) for against in mixes[:place]]
    found = contrasts.contrasts(pd.DataFrame(rows), pairs, PRIMARY)
    (folder / "findings").mkdir(parents=True)
    found.to_csv(folder / "findings" / "contrasts.csv", index=False)
    return folder


def compared(one: Path, other: Path) -> dict[tuple[str, str], dict[str, Any]]:
    found = comparison.compare(comparison.read(one), comparison.read(other))
    return {(row["mix"], row["against"]): row for row in found.to_dict("records")}


def test_a_study_agrees_with_itself(tmp_path: Path) -> None:
    one = study(tmp_path / "one", human=1.0, single=1.2, multi=1.1)
    found = compared(one, one)
    assert len(found) == 3
    assert {row["conclusion"] for row in found.values()} == {"agree"}
    assert not any(row["differ"] for row in found.values())
    assert found["single", "human"]["words"].endswith("single against human: higher in both")


def test_opposite_directions_contradict_and_undecided_ones_are_open(tmp_path: Path) -> None:
    one = study(tmp_path / "one", human=1.0, single=1.2, multi=1.201)
    other = study(tmp_path / "two", human=1.2, single=1.0, multi=1.1)
    found = compared(one, other)
    assert found["single", "human"]["conclusion"] == "contradict"
    assert found["multi", "single"]["conclusion"] == "open"
    assert "higher / lower" in found["single", "human"]["words"]


def test_the_order_of_a_pair_makes_no_difference(tmp_path: Path) -> None:
    one = study(tmp_path / "one", human=1.0, single=1.2)
    other = study(tmp_path / "two", single=1.2, human=1.0)
    (row,) = compared(one, other).values()
    assert row["conclusion"] == "agree"
    assert row["between"] == pytest.approx(0, abs=0.02)


def test_studies_that_agree_in_direction_may_differ_in_size(tmp_path: Path) -> None:
    one = study(tmp_path / "one", human=1.0, single=1.2)
    other = study(tmp_path / "two", human=1.0, single=1.6)
    (row,) = compared(one, other).values()
    assert row["conclusion"] == "agree" and row["differ"]
    assert row["between_low"] < row["between"] == pytest.approx(-0.4, abs=0.02)
    assert row["between_high"] < 0


def test_targets_of_other_names_are_compared_all_with_all(tmp_path: Path) -> None:
    one = study(tmp_path / "one", human=1.0, single=1.2)
    other = study(tmp_path / "two", target="finch", human=1.0, single=1.2)
    (row,) = compared(one, other).values()
    assert (row["target_a"], row["target_b"]) == ("wren", "finch")


def test_published_numbers_say_a_direction(tmp_path: Path) -> None:
    one = study(tmp_path / "one", human=1.0, single=1.3, multi=1.1, vanilla=1.2)
    found = comparison.compare(comparison.read(one), comparison.read(EGGS))
    assert set(found["target_b"]) == {"8B", "70B"}
    of_8b = found[found["target_b"] == "8B"].set_index(["mix", "against"])
    assert (of_8b["conclusion"] == "agree").all()  # their order: human, multi, vanilla, single
    assert of_8b["between"].isna().all() and not of_8b["differ"].any()
    assert of_8b.loc[("multi", "single"), "difference_b"] == pytest.approx(6.87563 - 11.0393)


def test_more_harm_stands_for_fewer_refusals() -> None:
    found = comparison.read(EGGS).set_index(["target", "metric", "item_set", "mix", "against"])
    assert found.loc[("8B", "refusal_rate", "decline/direct", "human", "vanilla"), "difference"] < 0


@pytest.mark.network
def test_the_published_numbers_are_those_recorded() -> None:
    folder = Path(os.environ.get(COPIES, "")) / "eggs"
    if not (folder / "exp2_quality.csv").is_file():
        pytest.skip(
            "the tables of the Eggs study are not here: take them from the notebooks of its "
            "experiments in github.com/maxschaffelder/synthetic_data_diversity, and name the "
            f"folder above `eggs` in the environment variable {COPIES}"
        )
    ours = pd.read_csv(EGGS).set_index(["target", "metric", "item_set", "mix"])["value"]

    def mix_of(condition: str, tier: Any) -> str:
        return condition if tier in ("", "small") or pd.isna(tier) else f"{condition}-{tier}"

    checked = []
    theirs = pd.read_csv(folder / "exp1_perplexity_on_human_text.csv")
    for row in theirs.to_dict("records"):
        condition, _, tier = row["condition"].partition("_")
        which = (row["target"], "eggs_perplexity", "test", mix_of(condition, tier))
        checked.append((which, row["clean_mean"]))
    theirs = pd.read_csv(folder / "authors_perplexity_stats_no_outliers.csv")
    names = {"Vanilla (None)": "vanilla", "Multi-Source": "multi", "Single-Source": "single"}
    for row in theirs.to_dict("records"):
        condition = names.get(row["Finetuning Data"], "human")
        tier = str(row["Finetuning Data Size"]).lower().replace("nan", "")
        checked.append(
            ((row["Model Size"], "eggs_perplexity", "own", mix_of(condition, tier)), row["Mean"])
        )
    for row in pd.read_csv(folder / "exp2_quality.csv").to_dict("records"):
        attack = {"RB": "direct", "RBJ": "persona"}[row["prompt_set"]]
        item_set = f"decline/{attack}/llama-70b"
        mix = mix_of(row["condition"], row["data_tier"])
        checked.append(((row["target"], "quality", item_set, mix), row["mean"]))
    for row in pd.read_csv(folder / "exp3_pairwise_preference_8b.csv").to_dict("records"):
        mix = row["judge_condition"]
        columns = {"self_preference_bias": "SPB_derived", "synthetic_preference": "PSB_derived"}
        for metric, column in columns.items():
            checked.append((("8B", metric, "pairs", mix), row[column]))
        checked.append((("8B", "preference", "llama-8b", mix), row["llama"]))
    assert len(checked) == 8 + 12 + 24 + 12
    for which, value in checked:
        assert ours[which] == pytest.approx(value, rel=1e-4), which


def effects(folder: Path, **names: Any) -> dict[tuple[str, str, str], dict[str, Any]]:
    found = comparison.effects(comparison.read(folder), comparison.read(EGGS), **names)
    assert list(found.columns) == list(comparison.EFFECTS)
    return {(r["target"], r["mix"], r["against"]): r for r in found.to_dict("records")}


def test_an_effect_is_inside_the_interval_or_not(tmp_path: Path) -> None:
    # published for 8B: human 4.338, multi 6.876, vanilla 8.326, single 11.039
    one = study(tmp_path / "one", "8B", human=4.3, multi=6.84, single=9.0)
    found = effects(one)
    assert found["8B", "multi", "human"]["words"] == "same sign, inside the interval"
    assert found["8B", "multi", "human"]["published"] == pytest.approx(6.87563 - 4.33803)
    assert found["8B", "single", "human"]["words"] == "same sign, outside the interval"
    assert found["8B", "single", "human"]["inside"] is False
    other = study(tmp_path / "two", "8B", human=4.0, single=3.0)
    assert effects(other)["8B", "single", "human"]["words"].startswith("opposite sign, outside")


def test_effects_are_found_under_the_study_s_own_names(tmp_path: Path) -> None:
    one = study(tmp_path / "one", "big", people=3.6, vanilla=5.9)
    assert effects(one) == {}
    found = effects(one, targets={"big": "70B"}, mixes={"people": "human"})
    assert list(found) == [("big", "vanilla", "people")]
    assert found["big", "vanilla", "people"]["published"] == pytest.approx(5.93779 - 3.67558)


def test_what_stands_in_for_a_number_gives_way_to_the_number_s_own() -> None:
    published = comparison.read(EGGS)
    harm = {"metric": "harmfulness", "item_set": "decline/direct/llama-70b", "difference": 1.5}
    refusals = {"metric": "refusal_rate", "item_set": "decline/direct", "difference": -0.4}
    base = {"target": "8B", "probe": "robustness", "mix": "human", "against": "vanilla"}
    base |= {"ci_low": 1.0, "ci_high": 2.5, "decided": True, "family": "primary"}
    both = comparison.own(pd.DataFrame([{**base, **harm}, {**base, **refusals}]))
    found = comparison.effects(both, published)
    assert list(found["metric"]) == ["harmfulness"]
    assert list(found["words"]) == ["same sign, inside the interval"]
    alone = comparison.effects(both[both["metric"] == "refusal_rate"], published)
    assert list(alone["words"]) == ["same sign, another unit"]


def test_one_seed_has_no_interval_and_no_value_no_sign() -> None:
    base = {"target": "8B", "probe": "preference", "metric": "self_preference_bias"}
    base |= {"item_set": "pairs", "against": "vanilla", "family": "primary", "decided": False}
    base |= {"ci_low": np.nan, "ci_high": np.nan}
    rows = [{**base, "mix": "human", "difference": -0.1}, {**base, "mix": "multi"}]
    found = comparison.effects(comparison.own(pd.DataFrame(rows)), comparison.read(EGGS))
    assert list(found["words"]) == ["same sign, no interval", "no value here"]
    assert list(found["same_sign"]) == [True, None]
    assert found["inside"].isna().all()


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "no such file"), ("a,b\n1,2\n", "neither contrasts"), ("", "neither contrasts")],
)
def test_what_is_neither_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "x.csv").write_text(text or "nothing\n")
    with pytest.raises(InputError, match=message):
        comparison.read(tmp_path / "x.csv")


def test_the_command_counts_agreements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = study(tmp_path / "one", human=1.0, single=1.2, multi=1.1)
    other = study(tmp_path / "two", human=1.0, single=0.8, multi=1.1)
    monkeypatch.setattr(sys, "argv", ["manybaskets", "compare", str(one), str(other)])
    assert __main__.main() == 0
    assert "1 of 3 contrasts decided in both agree" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["manybaskets", "compare", str(one), str(EGGS), "--json"])
    assert __main__.main() == 0
    assert json.loads(capsys.readouterr().out)[0]["difference_a"]
