"""`manybaskets preference`: judgements as other programs write them."""

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from manybaskets.metrics import registry
from tests.support.command_line import run

WINNERS = ("model_1", "model_2", "tie")


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def values(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> dict[tuple[str, str], dict[str, Any]]:
    assert run(monkeypatch, "preference", *arguments, "--json") == 0
    findings = json.loads(capsys.readouterr().out)["findings"]
    return {(one["metric"], one["item_set"]): one for one in findings}


def annotations(lengths: bool) -> list[dict[str, Any]]:
    """40 annotations with a win rate of 0.45 of `mine`; longer texts of it win more often."""
    return [
        {
            "instruction": f"Task {n}",
            "output_1": "Base answer.",
            "generator_1": "base",
            "output_2": "My answer" + " longer" * (n % 10 if lengths else 1),
            "generator_2": "mine",
            "annotator": "weighted_judge",
            "preference": 1 + n % 10 / 10,
        }
        for n in range(40)
    ]


def test_alpaca_eval_asks_in_one_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "annotations.json"
    path.write_text(json.dumps(annotations(lengths=False)), encoding="utf-8")
    of_file = values(monkeypatch, capsys, path)
    rate = of_file["win_rate", "mine"]
    assert (rate["value"], rate["n"], rate["excluded"]) == (pytest.approx(0.45), 40, 0)
    assert rate["note"] == "judged in one order: a preference for a place is part of it"
    assert of_file["win_rate", "base"]["value"] == pytest.approx(0.55)
    controlled = of_file["length_controlled_win_rate", "mine"]
    assert controlled["value"] is None and "differ in length by the same" in controlled["note"]
    assert of_file["position_bias", "pairs"]["value"] is None
    assert {metric for metric, _ in of_file} <= set(registry.metrics())


def test_a_win_rate_at_equal_length_is_that_of_the_regression(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "annotations.jsonl", annotations(lengths=True))
    of_file = values(monkeypatch, capsys, path)
    rows = annotations(lengths=True)
    difference = np.array([len(row["output_2"]) - len(row["output_1"]) for row in rows], float)
    design = np.column_stack([np.ones(40), np.tanh(difference / difference.std())])
    target = np.array([row["preference"] - 1 for row in rows])
    fitted = np.zeros(2)
    for _ in range(50):  # Newton's method, written again
        p = 1 / (1 + np.exp(-design @ fitted))
        curvature = (design * (p * (1 - p))[:, None]).T @ design + 1e-3 * np.eye(2)
        fitted += np.linalg.solve(curvature, design.T @ (target - p) - 1e-3 * fitted)
    controlled = of_file["length_controlled_win_rate", "mine"]
    assert controlled["value"] == pytest.approx(1 / (1 + np.exp(-fitted[0])))
    assert controlled["value"] != pytest.approx(0.45, abs=0.01)
    assert controlled["interval"] and "judged in one order" in controlled["note"]


@pytest.mark.parametrize(
    ("preference", "win_rate", "n"), [(0, 0.5, 2), (2, 0.75, 2), (None, 0.5, 1), ("1.2", 0.35, 2)]
)
def test_ties_and_answers_without_a_verdict(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    preference: Any,
    win_rate: float,
    n: int,
) -> None:
    rows = annotations(lengths=False)[5:7]
    rows[1]["preference"] = preference
    rate = values(monkeypatch, capsys, write(tmp_path / "a.jsonl", rows))["win_rate", "mine"]
    assert (rate["value"], rate["n"]) == (pytest.approx(win_rate), n)
    assert rate["excluded"] == 2 - n


def test_judgements_of_one_order_have_a_win_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"item": n, "a": "mine", "b": "base", "order": "ab" if n % 2 else "ba", "p_a": n / 10}
        for n in range(11)
    ]
    of_file = values(monkeypatch, capsys, write(tmp_path / "j.jsonl", rows))
    assert of_file["win_rate", "mine"]["value"] == pytest.approx(0.5)
    assert ("length_controlled_win_rate", "mine") not in of_file


def games(n: int = 60) -> list[dict[str, Any]]:
    draw = np.random.default_rng(0)
    return [
        {
            "question_id": 81 + number // 2,
            "model_1": "gpt-4",
            "model_2": "vicuna-13b",
            "g1_winner": "error" if number == 7 else WINNERS[draw.integers(3)],
            "g2_winner": WINNERS[draw.integers(3)],
            "judge": ["gpt-4", "pair-v2"],
            "turn": 1 + number % 2,
            "tstamp": 1.0,
        }
        for number in range(n)
    ]


def test_games_of_mt_bench_are_both_orders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    of_file = values(monkeypatch, capsys, write(tmp_path / "raw.jsonl", games()))
    p = {"model_1": 1.0, "model_2": 0.0, "tie": 0.5}
    rows = [row for row in games() if row["g1_winner"] != "error"]
    first = np.array([p[row["g1_winner"]] for row in rows])
    second = np.array([p[row["g2_winner"]] for row in rows])
    own, bias = of_file["own_preference", "own"], of_file["position_bias", "pairs"]
    assert (own["value"], own["n"], own["excluded"]) == (
        pytest.approx((first + second).mean() / 2),
        59,
        1,
    )
    assert bias["value"] == pytest.approx((first + 1 - second).mean() / 2 - 0.5)
    rate = np.sign(np.sign(first - 0.5) + np.sign(second - 0.5)) > 0
    assert of_file["self_preference_rate", "own"]["value"] == pytest.approx(rate.mean())


def test_a_repeated_run_of_mt_bench_is_another_seed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    of_file = values(monkeypatch, capsys, write(tmp_path / "raw.jsonl", games() * 2))
    assert of_file["own_preference", "own"]["n"] == 118


def test_votes_of_people_are_of_one_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        {"question_id": n, "model_a": "x", "model_b": "y", "winner": winner, "judge": "author_1"}
        for n, winner in enumerate(["model_a", "model_b", "tie (bothbad)", "model_a"])
    ]
    rate = values(monkeypatch, capsys, write(tmp_path / "v.jsonl", rows))["win_rate", "x"]
    assert (rate["value"], rate["n"]) == (0.625, 4)


def test_scores_of_mt_bench_have_means_and_a_bias(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = {"gpt-4": (9, 8.5, 10), "vicuna-13b": (7, -1, 6)}
    rows = [
        {"question_id": 81 + n, "model": model, "judge": ["gpt-4", "single-v1"], "score": score,
         "turn": 1, "judgment": "Rating: [[9]]", "user_prompt": "Please act as a judge."}
        for model, of_model in scores.items()
        for n, score in enumerate(of_model)
    ]  # fmt: skip
    of_file = values(monkeypatch, capsys, write(tmp_path / "s.jsonl", rows))
    assert of_file["judge_score", "gpt-4"]["value"] == pytest.approx(27.5 / 3)
    other = of_file["judge_score", "vicuna-13b"]
    assert (other["value"], other["n"], other["excluded"]) == (6.5, 2, 1)
    bias = of_file["judge_score_bias", "own"]
    assert (bias["value"], bias["n"], bias["excluded"]) == (3.0, 2, 1)


@pytest.mark.parametrize("name", ["j.csv", "j.parquet", "j.json", "j.jsonl.gz"])
def test_judgements_of_other_formats_have_the_same_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    rows = [
        {"item": f"{n}", "a": "mine", "b": "base", "order": order, "p_a": n / 10,
         "control": "false", "own": "mine", "length_a": n * n, "length_b": 3}
        for n in range(1, 10)
        for order in ("ab", "ba")
    ]  # fmt: skip
    expected = values(monkeypatch, capsys, write(tmp_path / "plain.jsonl", rows))
    path, frame = tmp_path / name, pd.DataFrame(rows)
    writers: dict[str, Any] = {
        ".csv": lambda: frame.to_csv(path, index=False),
        ".parquet": lambda: frame.to_parquet(path),
        ".json": lambda: path.write_text(json.dumps({"data": rows}), encoding="utf-8"),
        ".gz": lambda: path.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode())),
    }
    writers[path.suffix]()
    assert values(monkeypatch, capsys, path, "--own", "judge=mine") == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"a": None}, "row 1, a: found null, expected a name"),
        ({"item": ["x"]}, "row 1, item: found a list, expected a name"),
        ({"judge": {"name": "x"}}, "row 1, judge: found an object, expected a name"),
        ({"control": "perhaps"}, "row 1, control: found 'perhaps', expected true or false"),
        ({"p_a": 1.5}, "row 1: p_a is 1.5"),
        ({"p_a": "likely"}, "row 1, p_a: found 'likely', expected a number"),
        ({"length_a": [3]}, "row 1, length_a: found a list, expected a number"),
    ],
)
def test_a_value_of_another_kind_is_named_with_its_row(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, Any],
    message: str,
) -> None:
    row = {"item": "1", "a": "mine", "b": "base", "order": "ab", "p_a": 0.5} | change
    path = write(tmp_path / "j.jsonl", [row, row | {"item": "2"}])
    assert run(monkeypatch, "preference", path) == 2
    error = capsys.readouterr().err
    assert "j.jsonl" in error and message in error and "Traceback" not in error
