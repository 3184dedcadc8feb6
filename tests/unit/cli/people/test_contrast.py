"""`manybaskets contrast`: any file of measurements, without a study."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from manybaskets import __main__

HUMAN, MULTI = [1.0, 1.1, 0.9, 1.2, 1.0], [1.4, 1.3, 1.6, 1.2, 1.5]


def csv(folder: Path, rows: list[dict[str, Any]]) -> Path:
    pd.DataFrame(rows).to_csv(folder / "m.csv", index=False)
    return folder / "m.csv"


def plain(folder: Path, **more: Any) -> Path:
    rows = [
        {"mix": mix, "seed": f"run-{seed}", "value": value, **more}
        for mix, values in (("human", HUMAN), ("multi", MULTI))
        for seed, value in enumerate(values)
    ]
    return csv(folder, rows)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["manybaskets", "contrast", *map(str, arguments)])
    return __main__.main()


def found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> list[dict[str, Any]]:
    assert run(monkeypatch, *arguments, "--json") == 0
    rows: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    return rows


def test_conditions_are_compared_over_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (row,) = found(monkeypatch, capsys, plain(tmp_path), "--of", "mix", "--over", "seed")
    theirs = stats.ttest_ind(MULTI, HUMAN, equal_var=False)
    assert (row["mix"], row["against"], row["family"]) == ("multi", "human", "primary")
    assert row["p_welch"] == pytest.approx(theirs.pvalue)
    assert row["decided"]


def test_the_words_are_those_of_a_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, plain(tmp_path), "--of", "mix", "--over", "seed", "--margin", "2") == 0
    said = capsys.readouterr().out
    assert "value on all of all is higher under multi than under human" in said
    assert "Equivalent within ±2" in said
    assert "1 of 1 contrasts decided at 0.05, over seeds." in said


def test_within_prompts_seeds_stay_the_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = np.random.default_rng(0)
    rows = [
        {"mix": mix, "seed": seed, "prompt": f"p{prompt}", "value": value + noise}
        for mix, values in (("human", HUMAN), ("multi", MULTI))
        for seed, value in enumerate(values)
        for prompt, noise in enumerate(draw.normal(size=30))
    ]
    table = csv(tmp_path, rows)
    options = ("--of", "mix", "--over", "seed", "--within", "prompt")
    (row,) = found(monkeypatch, capsys, table, *options)
    means = pd.DataFrame(rows).groupby(["mix", "seed"])["value"].mean()
    assert row["p_welch"] == pytest.approx(
        stats.ttest_ind(means["multi"], means["human"], equal_var=False).pvalue
    )
    assert row["prompts"] == 30
    assert row["ci_prompts_low"] < row["difference"] < row["ci_prompts_high"]
    assert "over seeds and prompts" in row["verdict"]


def test_several_metrics_and_targets_are_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    parts = [
        pd.read_csv(plain(tmp_path)).assign(target=target, metric=metric, item_set="test")
        for target in ("wren", "finch")
        for metric in ("nll", "self_bleu")
    ]
    pd.concat(parts).to_csv(tmp_path / "all.csv", index=False)
    options = ("--of", "mix", "--over", "seed", "--primary", "nll@test")
    rows = found(monkeypatch, capsys, tmp_path / "all.csv", *options)
    assert [(row["target"], row["metric"], row["family"]) for row in rows] == [
        ("finch", "nll", "primary"),
        ("finch", "self_bleu", "exploratory"),
        ("wren", "nll", "primary"),
        ("wren", "self_bleu", "exploratory"),
    ]


def test_other_columns_may_name_condition_and_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.read_csv(plain(tmp_path)).rename(
        columns={"mix": "data", "seed": "run", "value": "x"}
    )
    table.to_csv(tmp_path / "x.csv", index=False)
    options = ("--of", "data", "--over", "run", "--value", "x", "--against", "multi")
    (row,) = found(monkeypatch, capsys, tmp_path / "x.csv", *options)
    assert (row["mix"], row["against"], row["metric"]) == ("human", "multi", "x")


def test_missing_values_are_left_out_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = pd.read_csv(plain(tmp_path))
    table.loc[0, "value"] = np.nan
    table.to_csv(tmp_path / "x.csv", index=False, na_rep="NA")
    (row,) = found(monkeypatch, capsys, tmp_path / "x.csv", "--of", "mix", "--over", "seed")
    assert row["seeds_against"] == 4
    assert "1 of 5 seeds of human have no value." in row["verdict"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--of", "mixx", "--over", "seed"),
            "there is no column mixx. The columns are mix, seed, value",
        ),
        (("--of", "mix", "--over", "mix"), "has several rows for one mix"),
        (("--of", "mix", "--over", "seed", "--against", "x"), "the column mix does not contain it"),
        (("--of", "mix", "--over", "seed", "--primary", "x"), "the table does not contain it"),
        (("--of", "mix", "--over", "seed", "--alpha", "2"), "alpha is 2"),
        (
            ("--of", "mix", "--over", "value", "--value", "seed"),
            "line 2: 'run-0' in the column seed",
        ),
    ],
)
def test_what_cannot_be_compared_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    message: str,
) -> None:
    assert run(monkeypatch, plain(tmp_path), *options) == 2
    assert message in capsys.readouterr().err


def test_a_prompt_that_occurs_twice_in_a_seed_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = plain(tmp_path, prompt="p")
    both = pd.concat([pd.read_csv(table)] * 2)
    both.to_csv(table, index=False)
    options = ("--of", "mix", "--over", "seed", "--within", "prompt")
    assert run(monkeypatch, table, *options) == 2
    assert "several values for one prompt" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"mix,seed,value\nhuman,1,2.1,3\nb,1,3.1,3\n",
            "line 2: the row has 4 fields, the heading",
        ),
        (b"mix,seed,value\nhuman,1,2.1,\n", "line 2: the row has 4 fields"),
        (b"mix,seed,value\na,1,2\na,2,2,3,4,5", "line 3: the row has 6 fields"),
        (b"mix,seed,value\na,1", "line 2: the row has 2 fields"),
        (b'mix,seed,value\n"a,1,2', "line 2: a quote that is opened in this row is never closed"),
        (b"mix,seed,value\nh\xfc,1,2\n", "line 2: not UTF-8"),
        (b"", "the file is empty"),
        (b"mix,seed,value\n", "the file has no rows"),
        (b"mix,seed,seed\na,1,2\n", "the heading has the column 'seed' twice"),
        (b"mix,seed,value\na,,2\n", "line 2: the column seed is empty"),
        (b'{"mix":"a","seed":1,"value":[2]}\n', "row 1, value: found a list"),
        (b"mix,seed,value\na,1,2\n\nb,1,two\n", "line 4: 'two' in the column value is not a"),
    ],
)
def test_a_malformed_table_is_refused_with_its_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: bytes,
    message: str,
) -> None:
    path = tmp_path / "m.csv"
    path.write_bytes(content)
    assert run(monkeypatch, path, "--of", "mix", "--over", "seed") == 2
    error = capsys.readouterr().err
    assert "m.csv" in error and message in error and "Traceback" not in error


@pytest.mark.parametrize("name", ["m.tsv", "m.jsonl", "m.parquet", "m.json", "m.csv.gz"])
def test_tables_of_other_formats_have_the_same_contrasts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    options = ("--of", "mix", "--over", "seed")
    expected = found(monkeypatch, capsys, plain(tmp_path), *options)
    frame, path = pd.read_csv(tmp_path / "m.csv"), tmp_path / name
    writers: dict[str, Any] = {
        ".tsv": lambda: frame.to_csv(path, sep="\t", index=False),
        ".jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        ".json": lambda: frame.to_json(path, orient="records"),
        ".parquet": lambda: frame.to_parquet(path),
        ".gz": lambda: frame.to_csv(path, index=False),
    }
    writers[path.suffix]()
    assert found(monkeypatch, capsys, path, *options) == expected
