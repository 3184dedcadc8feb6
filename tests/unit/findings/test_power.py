"""Power of Welch's test, compared with simulation; the command's output for a study."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from manybaskets import __main__
from manybaskets.cli.people import power as command
from manybaskets.findings import contrasts, per_prompt, power
from manybaskets.findings.bootstrap import ByItem
from manybaskets.findings.per_prompt import Items, Key


@pytest.mark.parametrize(("seeds", "difference", "other"), [(5, 1.5, 1.0), (10, 1.0, 4.0)])
def test_power_is_the_share_of_simulated_studies_that_decide(
    seeds: int, difference: float, other: float
) -> None:
    draw = np.random.default_rng(0)
    one = draw.normal(difference, 1, (20_000, seeds))
    two = draw.normal(0, other**0.5, (20_000, seeds))
    decided = stats.ttest_ind(one, two, axis=1, equal_var=False).pvalue <= 0.05
    assert power.power(difference, 1.0, other, seeds, 0.05) == pytest.approx(
        decided.mean(), abs=0.03
    )


def test_the_seeds_needed_are_the_fewest_that_reach_the_power() -> None:
    seeds = power.seeds_needed(1.0, 1.0, 1.0, 0.05)
    assert seeds is not None
    assert power.power(1.0, 1.0, 1.0, seeds, 0.05) >= 0.8
    assert power.power(1.0, 1.0, 1.0, seeds - 1, 0.05) < 0.8
    assert seeds == 17  # as tables of power for two samples say


def test_no_number_of_seeds_decides_no_difference() -> None:
    assert power.seeds_needed(0.0, 1.0, 1.0, 0.05) is None
    assert power.power(0.0, 0.0, 0.0, 3, 0.05) == 0
    assert power.power(0.1, 0.0, 0.0, 3, 0.05) == 1


def test_the_smallest_difference_is_found_with_the_power_asked_for() -> None:
    found = power.smallest_difference(1.0, 2.0, 6, 0.05, 0.9)
    assert found is not None
    assert power.power(found, 1.0, 2.0, 6, 0.05) == pytest.approx(0.9)
    assert power.smallest_difference(1.0, 2.0, 1, 0.05) is None


def test_variation_is_taken_apart_into_runs_and_answers() -> None:
    draw = np.random.default_rng(1)
    values = draw.normal(0, 0.5, (400, 1)) + draw.normal(size=50) + draw.normal(0, 2, (400, 50))
    found = power.variation(ByItem(values, np.ones_like(values)))
    assert found.runs == pytest.approx(0.25, rel=0.2)
    assert found.answers == pytest.approx(4, rel=0.05)
    assert found.with_prompts(100) == pytest.approx(found.runs + found.answers / 100)


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Results of a study: four seeds of two mixes on twenty prompts."""
    draw = np.random.default_rng(3)
    rows, table = [], {}
    for mix, mean in (("multi", 0.6), ("human", 0.5)):
        for seed in range(4):
            values = mean + draw.normal(0, 0.1) + draw.normal(0, 0.3, 20)
            cell: dict[str, Any] = {"target": "wren", "mix": mix, "seed": seed, "generation": 0}
            named = {"probe": "collapse", "metric": "nll", "item_set": "test"}
            rows.append({"study": "s", **cell, **named, "value": values.mean(), "n": 20})
            table[Key(*cell.values(), *named.values())] = Items(
                tuple(map(str, range(20))), values, np.ones(20)
            )
    frame = pd.DataFrame(rows).assign(excluded=0, note="")
    found = contrasts.contrasts(frame, [("multi", "human")], {"collapse": ("nll", "test")})
    folder = tmp_path / "findings"
    folder.mkdir()
    frame.to_csv(folder / "measurements.csv", index=False)
    found.to_csv(folder / "contrasts.csv", index=False)
    per_prompt.write(folder / "items.parquet", table)
    return tmp_path


def asked(study: Path, *options: str) -> list[dict[str, Any]]:
    parser = argparse.ArgumentParser()
    command.arguments(parser)
    return command.needs(parser.parse_args([str(study), *options]))


def test_the_command_says_seeds_for_several_numbers_of_prompts(study: Path) -> None:
    (found,) = asked(study, "--difference", "0.2")
    assert found["prompts"] == 20
    needed = [found["needed"][count]["alone"] for count in (10, 20, 40, 80)]
    assert needed == sorted(needed, reverse=True)
    assert needed[0] > needed[-1]
    sd = found["sd_of_seeds"]
    expected = power.seeds_needed(0.2, sd[0] ** 2, sd[1] ** 2, 0.05)
    assert found["needed"][20]["alone"] == expected


def test_without_values_of_prompts_it_says_seeds_alone(study: Path) -> None:
    (study / "findings" / "items.parquet").unlink()
    (found,) = asked(study)
    assert found["prompts"] == 0
    assert list(found["needed"]) == [0]


def test_the_command_prints_words_or_json(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["manybaskets", "power", str(study)])
    assert __main__.main() == 0
    assert "with 40 prompts" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["manybaskets", "power", str(study), "--json"])
    assert __main__.main() == 0
    assert json.loads(capsys.readouterr().out)[0]["seeds"] == 4


def test_a_contrast_that_the_study_does_not_have_is_named(
    study: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["manybaskets", "power", str(study), "--of", "single"])
    assert __main__.main() == 2
    assert "Choose --of and --against from multi against human" in capsys.readouterr().err


def test_of_a_loop_the_last_generation_counts(study: Path) -> None:
    plain = asked(study, "--difference", "0.2")
    folder = study / "findings"
    frame = pd.read_csv(folder / "measurements.csv")
    chain = frame["mix"] == "multi"
    earlier = frame[chain].assign(generation=1, value=lambda rows: 5 * rows["value"])
    last = frame.assign(generation=frame["generation"].mask(chain, 2))
    pd.concat([earlier, last]).to_csv(folder / "measurements.csv", index=False)
    table = per_prompt.read(folder / "items.parquet")
    renamed = {
        key._replace(generation=2) if key.mix == "multi" else key: of_key
        for key, of_key in table.items()
    }
    scaled = {
        key._replace(generation=1): Items(of_key.ids, 5 * of_key.amounts, of_key.sizes)
        for key, of_key in table.items()
        if key.mix == "multi"
    }
    per_prompt.write(folder / "items.parquet", renamed | scaled)
    assert asked(study, "--difference", "0.2") == plain
