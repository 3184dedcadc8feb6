"""Two studies, and a study and published numbers: which conclusions agree."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from manybaskets import __main__, comparison, statistics
from manybaskets.files import BadFile
from manybaskets.layout import RESOURCES

EGGS = RESOURCES / "reference" / "eggs.csv"
PRIMARY = {"collapse": ("nll", "test")}


def study(folder: Path, target: str = "wren", noise: float = 0.01, **means: float) -> Path:
    """Results with a mean of nll for every mix; all pairs in the order given."""
    draw = np.random.default_rng(0)
    rows = [
        {"study": "s", "target": target, "mix": mix, "seed": seed, "generation": 0}
        | {
            "probe": "collapse",
            "metric": "nll",
            "item_set": "test",
            "value": mean + draw.normal(0, noise),
        }
        for mix, mean in means.items()
        for seed in range(5)
    ]
    mixes = list(means)
    pairs = [(mix, against) for place, mix in enumerate(mixes) for against in mixes[:place]]
    found = statistics.contrasts(pd.DataFrame(rows), pairs, PRIMARY)
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
    assert of_8b.loc[("multi", "single"), "difference_b"] == pytest.approx(5.58483 - 8.53644)


def test_more_harm_stands_for_fewer_refusals() -> None:
    found = comparison.read(EGGS).set_index(["target", "metric", "item_set", "mix", "against"])
    assert found.loc[("8B", "refusal_rate", "decline/direct", "human", "vanilla"), "difference"] < 0


def test_the_published_numbers_are_those_recorded(shared_data: Path) -> None:
    ours = pd.read_csv(EGGS).set_index(["target", "metric", "item_set", "mix"])["value"]
    theirs = pd.read_csv(shared_data / "eggs" / "exp1_perplexity_on_human_text.csv")
    for row in theirs.to_dict("records"):
        mix = row["condition"].partition("_")[0]
        found = ours[row["target"], "nll", "test", mix]
        assert found == pytest.approx(row["clean_median"], abs=6e-4)
    preference = pd.read_csv(shared_data / "eggs" / "exp3_pairwise_preference_8b.csv")
    for row in preference.to_dict("records"):
        for metric, column in (
            ("self_preference_bias", "SPB_derived"),
            ("synthetic_preference", "PSB_derived"),
        ):
            found = ours["8B", metric, "pairs", row["judge_condition"]]
            assert found == pytest.approx(row[column], abs=5e-4)


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "no such file"), ("a,b\n1,2\n", "neither contrasts"), ("", "neither contrasts")],
)
def test_what_is_neither_is_refused(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "x.csv").write_text(text or "nothing\n")
    with pytest.raises(BadFile, match=message):
        comparison.read(tmp_path / "x.csv")


def test_the_command_counts_agreements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    one = study(tmp_path / "one", human=1.0, single=1.2, multi=1.1)
    other = study(tmp_path / "two", human=1.0, single=0.8, multi=1.1)
    monkeypatch.setattr(sys, "argv", ["manybaskets", "compare", str(one), str(other)])
    assert __main__.main() == 0
    assert "1 of 3 conclusions that both decide agree" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["manybaskets", "compare", str(one), str(EGGS), "--json"])
    assert __main__.main() == 0
    assert json.loads(capsys.readouterr().out)[0]["difference_a"]
