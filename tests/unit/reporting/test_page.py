"""The report: its content, escaping of all text, and the list of gaps."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from manybaskets.cli.people import summary
from manybaskets.config.mixes import Mix
from manybaskets.config.study import StudyConfig
from manybaskets.figures import tables
from manybaskets.figures.registry import KEY, draw_figures
from manybaskets.findings import comparison
from manybaskets.reporting import conditions, methods, references
from manybaskets.reporting import page as report_page
from manybaskets.study.layout import reference_table
from tests.support.reported_study import EVIL, MIXES, config, contrasts, study, table, write


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The figures of the study, drawn once."""
    folder = tmp_path_factory.mktemp("figures")
    found = tables.findings(table(), contrasts(table()), MIXES)
    draw_figures(found, folder)
    return folder


def page(
    root: Path, drawn: Path, settings: StudyConfig | None = None, note: str = "", **options: Any
) -> str:
    found = contrasts(table(note))
    return report_page.render(settings or config(), root, table(note), found, drawn, **options)


class Page(HTMLParser):
    """Collects scripts, other tags, event handlers and addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[dict[str, str | None]] = []
        self.addresses: list[str] = []
        self.handlers: list[str] = []
        self.ids: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            self.scripts.append(dict(attrs))
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        self.ids += [value or "" for name, value in attrs if name == "id"]


def embedded(text: str, name: str) -> Any:
    match = re.search(rf'<script type="application/json" id="{name}">(.*?)</script>', text, re.S)
    assert match
    return json.loads(match[1])


@pytest.mark.slow
def test_no_text_of_models_data_or_config_becomes_markup(tmp_path: Path, drawn: Path) -> None:
    study(tmp_path, EVIL)
    write(tmp_path / "yardstick.json", json.dumps({"models": {EVIL: {"parameters": EVIL}}}))
    settings = config(question=EVIL, study=EVIL, dataset={"file": EVIL})
    text = page(tmp_path, drawn, settings, note=EVIL, yardstick=tmp_path / "yardstick.json")
    read = Page(text)
    assert len(read.scripts) == 3
    assert [script.get("type") for script in read.scripts] == ["application/json"] * 2 + [None]
    assert read.handlers == []
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    samples = embedded(text, "samples-data")
    assert samples["prompts"][0] == {"prompt": EVIL, "human": EVIL}
    assert samples["responses"]["wren"]["human"][0]["text"] == EVIL
    assert EVIL in embedded(text, "cells-data")["rows"][3]["composition"]["origins"]


def test_the_page_asks_nothing_of_a_network_and_runs_its_own_script_only(
    tmp_path: Path, drawn: Path
) -> None:
    study(tmp_path)
    text = page(tmp_path, drawn)
    read = Page(text)
    assert all(address.startswith(("#", "data:")) for address in read.addresses)
    assert len(read.ids) == len(set(read.ids))
    own = re.search(r"<script>(.*)</script>", text, re.S)
    assert own
    policy = report_page._source_hash(own[1]).replace("+", "&#43;")
    assert "default-src 'none'" in text
    assert policy in text or policy.replace("&#43;", "+") in text


def test_the_findings_come_first_in_words(tmp_path: Path, drawn: Path) -> None:
    study(tmp_path)
    text = page(tmp_path, drawn)
    assert "What does it do?" in text
    assert "<strong>2 of 2</strong> primary contrasts are decided" in text
    claim = "Bits per byte on test of wren is 1.000 ± 0.092 higher under human than under single"
    assert text.index(claim) < text.index('id="collapse"')
    assert "This report is incomplete" not in text


def test_what_is_restricted_is_never_shown(tmp_path: Path, drawn: Path) -> None:
    study(tmp_path)
    assert "CANARY" not in page(tmp_path, drawn)


def test_an_empty_study_lists_what_is_missing(tmp_path: Path) -> None:
    empty = table().iloc[:0]
    none = pd.DataFrame(columns=contrasts(table()).columns)
    text = report_page.render(config(), tmp_path, empty, none, tmp_path / "figures")
    assert "This report is incomplete" in text
    for kind in ("Figures", "Measurements of collapse", "Summaries of training", "Test prompts"):
        assert f"<li>{kind}: " in text
    assert "There are no primary contrasts." in text


@pytest.mark.parametrize("broken", ["", "{", "[1]", '{"curve": NaN}'])
def test_a_broken_file_counts_as_missing(tmp_path: Path, drawn: Path, broken: str) -> None:
    study(tmp_path)
    cell = tmp_path / "cells" / "wren" / "human" / "seed=1"
    write(cell / "training.json", broken)
    write(cell / "responses.jsonl", broken)
    text = page(tmp_path, drawn)
    assert "<li>Summaries of training: wren, human, seed 1</li>" in text
    assert "<li>Responses to test prompts: wren, human, seed 1</li>" in text


def test_values_that_could_not_be_computed_are_listed_with_their_reason(
    tmp_path: Path, drawn: Path
) -> None:
    study(tmp_path)
    text = page(tmp_path, drawn, note="too few responses")
    assert "self-BLEU of wren, human, seed 3: too few responses" in text
    assert ">(2)</span>" in text


def test_remarks_on_the_texts_name_the_mixes(tmp_path: Path, drawn: Path) -> None:
    study(tmp_path)
    values = table("")
    values.loc[values["mix"] == "human", "note"] = "98% of the tokens are single characters"
    text = report_page.render(config(), tmp_path, values, contrasts(values), drawn)
    assert "<li>human: 98% of the tokens are single characters (self-BLEU).</li>" in text
    assert "single characters" not in page(tmp_path, drawn)


def test_a_probe_that_is_off_is_reported_as_off_and_not_as_missing(
    tmp_path: Path, drawn: Path
) -> None:
    study(tmp_path)
    text = page(tmp_path, drawn, config(probes={"robustness": None}))
    assert "Not part of this study: robustness." in text
    assert "This report is incomplete" not in text


def test_cells_and_samples_hold_every_condition(tmp_path: Path, drawn: Path) -> None:
    study(tmp_path)
    text = page(tmp_path, drawn)
    cells = embedded(text, "cells-data")
    assert [(row["mix"], row["seed"]) for row in cells["rows"]][:4] == [
        ("vanilla", 1),
        ("vanilla", 2),
        ("vanilla", 3),
        ("single", 1),  # in the order of the figures, not of the config
    ]
    place = cells["names"].index("bits per byte")
    assert cells["rows"][0]["values"][place] == pytest.approx(0.01)
    samples = embedded(text, "samples-data")
    assert len(samples["prompts"]) == 12
    assert list(samples["responses"]["wren"]) == MIXES


def test_colours_are_those_of_the_figures(tmp_path: Path, drawn: Path) -> None:
    study(tmp_path)
    colours = embedded(page(tmp_path, drawn), "cells-data")["colours"]
    key = pd.read_csv(drawn / KEY)
    assert colours == dict(zip(key["mix"], key["colour"], strict=True))


def test_the_same_study_gives_the_same_bytes(tmp_path: Path, drawn: Path) -> None:
    study(tmp_path)
    assert page(tmp_path, drawn) == page(tmp_path, drawn)


def test_methods_quote_the_prompts_of_judges() -> None:
    settings = {"swap_labels": True, "pairs": "sample 3", "answer_format": "gsm8k", "cells": True}
    probes = {"preference": {**settings, "labels": ["G", "H"], "questions": ["rating"]}}
    said = dict(methods.methods(config(probes=probes)))["Preference"]
    for words in (
        "3 pairs an item",
        "both places",
        "G and H",
        "every cell",
        "from 1 to 5",
        "wrong",
    ):
        assert words in said
    assert "from 1 to 5" not in dict(methods.methods(config()))["Preference"]


def test_methods_follow_the_config() -> None:
    mixes = {"both": {"origins": {"human": 0.25, "wren": 0.75}}}
    words = dict(methods.methods(config(mixes=mixes, training={"rank": 32}, seeds=[7, 8])))
    assert "both: 25 % human text and 75 % wren" in words["Training sets"]
    assert "2 seeds: 7 and 8" in words["Training sets"]
    assert "of rank 32" in words["Fine-tuning"]
    assert "Holm" in words["Statistics"]
    listed = " ".join(references.references(config()))
    assert "arXiv:2511.01490" in listed
    assert "arXiv:2406.07515" in listed


def test_the_summary_fits_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = contrasts(table())
    found["mix"], found["against"] = "m" * 64, "a" * 64
    found.to_csv(tmp_path / "c.csv", index=False)
    lines = summary.table(
        pd.read_csv(tmp_path / "c.csv", dtype=str, keep_default_na=False)
        .query("family == 'primary'")
        .to_dict("records")
    ).splitlines()
    assert max(map(len, lines)) <= 100
    assert lines[-1] == "2 of 2 primary contrasts decided."
    assert "bits_per_byte@test" in lines[2]
    assert lines[2].endswith("yes")


def test_a_summary_without_results_reports_that() -> None:
    assert summary.table([]) == "There are no primary contrasts."


@pytest.mark.parametrize(
    ("select", "said"),
    [
        (
            {"best_of": 4, "verifier": "reference"},
            "text from wren alone, of which the best of 4 responses to each prompt was kept, by "
            "agreement with the human response (ROUGE-1)",
        ),
        (
            {"top": 0.25, "verifier": {"by": "likelihood", "model": "wren"}},
            "the best 25 % were kept, by likelihood under wren (4 responses to each prompt)",
        ),
        (
            {
                **{"correct": True, "on_shortfall": "fewer"},
                "verifier": {
                    **{"by": "reference", "metric": "answer"},
                    "noise": {"keep_right": 0.9, "keep_wrong": 0.2},
                },
            },
            "(the final number) accepts from 1; what it accepts was accepted with probability "
            "0.9, what it rejects with 0.2; where fewer pass there are fewer rows",
        ),
    ],
)
def test_a_selection_is_put_into_words(select: dict[str, Any], said: str) -> None:
    mixes = {"human": {"origins": {"human": 1.0}}, "picked": {"origins": {"wren": 1.0}}}
    mixes["picked"]["select"] = select
    made = config(mixes=mixes)
    assert said in conditions.conditions(made)["picked"]
    assert "p* = 1 / (1 + ψ/φ)" in dict(methods.methods(made))["Selection"]
    assert "Selection" not in dict(methods.methods(config()))


def test_a_judge_that_is_also_a_target_or_a_source_is_flagged() -> None:
    judges = {"own": {"model": "wren"}, "far": {"model": "m", "endpoint": "https://x.org/v1"}}
    probes = {"robustness": {"judges": judges, "attacks": ["gcg"]}}
    words = dict(methods.methods(config(probes=probes)))["Robustness"]
    assert "The judge own is wren, asked by the StrongREJECT rubric" in words
    assert "It is also a target" in words and "judges its own text" in words
    assert words.count("It is also") == 1
    assert "2402.10260" in " ".join(references.references(config(probes=probes)))


@pytest.mark.parametrize(
    ("loop", "said"),
    [
        (
            {"generations": 3},
            "human text, then for generations 2 to 3, responses of the generation before, and "
            "nothing else",
        ),
        (
            {"generations": 3, "regime": "accumulate", "temperature": 0.5, "human": 0.1},
            "human text, then for generations 2 to 3, everything so far and responses of the "
            "generation before at temperature 0.5, 10 % of it human rows",
        ),
        (
            {"generations": 2, "regime": "fresh", "human": 0.25},
            "human text, then for generations 2 to 2, responses of the generation before, with "
            "25 % human rows that are new to it",
        ),
        (
            {"generations": 4, "sources": "targets", "overrides": {3: {"temperature": 0.2}}},
            "human text, then for generations 2 to 4, responses of the generation before of all "
            "targets, in equal shares, and nothing else; generation 3: temperature 0.2",
        ),
    ],
)
def test_a_loop_is_put_into_words(loop: dict[str, Any], said: str) -> None:
    mix = Mix.model_validate({"origins": {"human": 1.0}, "loop": loop})
    assert conditions.mix_words(mix) == said


def test_methods_tell_how_generations_follow_each_other() -> None:
    loop = {"origins": {"human": 1.0}, "loop": {"generations": 3, "regime": "accumulate"}}
    told = dict(methods.methods(config(mixes={"chain": loop})))["Loops"]
    assert "LoRA adapter of its own on the target as it was" in told
    assert "Accumulating, on all rows so far" in told
    assert "replacing" not in told
    assert "tokenizers" not in told
    assert any("2404.01413" in text for text in references.references(config(mixes={"c": loop})))
    assert "Loops" not in dict(methods.methods(config()))


def test_every_generation_has_a_card_and_diverged_ones_are_marked(
    tmp_path: Path, drawn: Path
) -> None:
    study(tmp_path)
    settings = config(mixes={"human": {"origins": {"human": 1.0}, "loop": {"generations": 2}}})
    measured = table()[lambda rows: rows["mix"] == "human"]
    measured = pd.concat([measured.assign(generation=t) for t in (1, 2)], ignore_index=True)
    chain = tmp_path / "cells" / "wren" / "human" / "seed=1"
    reason = "generation 1 of human (wren, seed 1): nothing was written"
    write(chain / "generation=1" / "training.json", json.dumps({"rows": 7, "curve": []}))
    write(tmp_path / "mixes/loop/wren/human/seed=1/generation=2.json", '{"rows": 9}')
    write(chain / "generation=2" / "training.json", json.dumps({"diverged": reason}))
    text = report_page.render(settings, tmp_path, measured, contrasts(table()), drawn)
    cards = embedded(text, "cells-data")["rows"]
    of_chain = [card for card in cards if (card["mix"], card["seed"]) == ("human", 1)]
    assert [card["generation"] for card in of_chain] == [1, 2]
    assert of_chain[0]["training"]["rows"] == 7
    assert of_chain[0]["composition"]["rows"] == 5
    assert of_chain[1]["composition"]["rows"] == 9
    assert of_chain[1]["training"]["diverged"] == reason


def read_back(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    """A table as the report gets it."""
    frame.to_csv(path, index=False)
    return tables.read_table(path)


def test_published_effects_stand_beside_the_study_s(tmp_path: Path, drawn: Path) -> None:
    base = {"target": "8B", "probe": "collapse", "metric": "eggs_perplexity", "item_set": "test"}
    base |= {"family": "exploratory", "decided": True, "against": "vanilla"}
    ours = [
        {**base, "mix": "human", "difference": -4.1, "ci_low": -4.5, "ci_high": -3.7},
        {**base, "mix": "single", "difference": -1.0, "ci_low": -2.0, "ci_high": -0.5},
        {**base, "mix": "multi", "difference": None, "ci_low": None, "ci_high": None},
    ]
    contrasted = comparison.own(pd.DataFrame(ours))
    published = comparison.read(reference_table("eggs"))
    effects = read_back(comparison.effects(contrasted, published), tmp_path / "comparison.csv")
    study(tmp_path)
    text = page(tmp_path, drawn, comparison=effects)
    assert "2 of 3 published effects have a value in this study; 1 of these have" in text
    assert "1 of 2 published effects with the same unit are inside" in text
    for words in ("same sign, inside", "opposite sign, outside", "no value here", "no value</td>"):
        assert words in text
    assert "perplexity of human test responses, mean without outliers" in text
    assert ">nan<" not in text
    assert 'id="published"' not in page(tmp_path, drawn)


def test_pooled_tests_are_named(tmp_path: Path, drawn: Path) -> None:
    row = {"target": "wren", "probe": "collapse", "metric": "bits_per_byte", "item_set": "test"}
    row |= {"test": "Levene", "mix": "", "against": "", "statistic": 1.5, "p": 0.2, "basis": "b"}
    pooled = read_back(pd.DataFrame([row | {"p_bonferroni": None}]), tmp_path / "pooled.csv")
    study(tmp_path)
    assert "<td>Levene</td><td>all</td>" in page(tmp_path, drawn, pooled=pooled)
