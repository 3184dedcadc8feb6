"""The report in a real headless Chromium: no errors, no requests, and working controls."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from manybaskets.figures import tables
from manybaskets.figures.registry import draw_figures
from manybaskets.findings import eggs_tests, trends
from manybaskets.findings.contrasts import contrasts
from manybaskets.reporting import page as report_page
from manybaskets.reporting.methods import StudyConfig
from tests.support.browser import Visit, chromium, visit
from tests.support.reported_study import EVIL, MIXES, config, study, table, write

pytestmark = pytest.mark.slow  # pages are opened in Chromium

# 64 characters is the longest name there may be, with every kind of character a name may have
ODD = "Aa0._-" * 10 + "zzzz"


@pytest.fixture(scope="module", autouse=True)
def one_chromium() -> Iterator[None]:
    with chromium():
        yield


def odd(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(mix=frame["mix"].replace("single", ODD))


def rendered(folder: Path, settings: StudyConfig, measurements: pd.DataFrame, **more: Any) -> Path:
    drawn = folder / "figures"
    drawn.mkdir()
    mixes = list(dict.fromkeys(measurements["mix"]))
    pairs = [(mix, mixes[0]) for mix in mixes[1:]]
    found = contrasts(measurements, pairs, {"collapse": ("bits_per_byte", "test")})
    findings = tables.findings(measurements, found, mixes)
    draw_figures(findings, drawn)
    page = folder / "report.html"
    page.write_text(report_page.render(settings, folder, measurements, found, drawn, **more))
    return page


def assert_quiet(seen: Visit, page: Path) -> None:
    assert seen.complaints == []
    outside = [address for address in seen.requests if not address.startswith("data:")]
    assert outside == [page.resolve().as_uri()]


READ = """(() => {
  const words = (row) => row.innerText.trim().split(/\\s+/);
  const rows = () => [...document.querySelectorAll('#cells-body > tr')].map(words);
  const seen = {all: rows().length, count: document.getElementById('cells-count').innerText};
  const head = document.querySelectorAll('#cells-head button');
  head[2].click(); head[2].click(); seen.down = rows().map(r => Number(r[2]));
  const filter = document.getElementById('cells-filter');
  filter.value = 'human seed=2'; filter.dispatchEvent(new Event('input')); seen.filtered = rows();
  filter.value = ''; filter.dispatchEvent(new Event('input'));
  document.querySelector('#cells-body .toggle').click();
  seen.card = document.querySelector('.card').innerText;
  const text = () => document.getElementById('sample-text').innerText;
  seen.prompt = text(); document.getElementById('sample-next').click(); seen.next = text();
  seen.responses = document.querySelectorAll('#sample-responses article').length;
  seen.images = [...document.images].map(i => i.naturalWidth);
  seen.wide = document.documentElement.scrollWidth;
  const controls = [...document.querySelectorAll('a, button, select, input, summary')];
  seen.focusable = controls.every(e => e.tabIndex >= 0);
  return seen;
})()"""


@pytest.mark.parametrize("width", [360, 1600])
def test_the_page_works_and_asks_nothing_of_anybody(tmp_path: Path, width: int) -> None:
    study(tmp_path)
    texts = [{"id": i, "prompt": f"prompt {i}", "response": "human"} for i in range(20)]
    write(tmp_path / "data" / "test.jsonl", "\n".join(map(json.dumps, texts)))
    page = rendered(tmp_path, config(), table())
    seen = visit(page, READ, width=width)
    assert_quiet(seen, page)
    (found,) = seen.results
    assert (found["all"], found["count"]) == (9, "9 of 9 cells")
    assert found["down"] == sorted(found["down"], reverse=True)
    assert [row[1:3] for row in found["filtered"]] == [["human", "2"]]
    assert "ALL VALUES" in found["card"].upper()
    assert found["prompt"] == "prompt 0" and found["next"] == "prompt 1"
    assert found["responses"] == 1 + len(MIXES)
    assert len(found["images"]) >= 5 and all(found["images"])
    assert found["wide"] <= width
    assert found["focusable"]


def test_markup_in_every_text_field_stays_text(tmp_path: Path) -> None:
    study(tmp_path, EVIL)
    settings = config(question=EVIL, study=EVIL, dataset={"file": EVIL})
    settings = settings.model_copy(
        update={"targets": [EVIL], "models": {EVIL: settings.models["wren"]}}
    )
    measurements = table(note=EVIL).assign(target=EVIL, study=EVIL)
    series: Any = [{"name": EVIL, "doses": {"vanilla": 0, "single": 1, "human": 2}}]
    of_trends = trends.trends(measurements, series, {"collapse": ("bits_per_byte", "test")})
    rows = pd.DataFrame([dict.fromkeys(eggs_tests.COLUMNS, EVIL)])
    rows = rows.assign(
        probe="collapse", metric="bits_per_byte", statistic=1.0, p=0.5, p_bonferroni=0.5
    )
    write(tmp_path / "yardstick.json", json.dumps({"models": {EVIL: {"parameters": EVIL}}}))
    record = {"seconds": 1.5, "description": {"code": {"packages": EVIL}}}
    record |= {"outputs": {"a/adapter_model.safetensors": [1, 2, EVIL]}}
    write(tmp_path / "records" / "train" / "wren" / "human" / "seed=1.json", json.dumps(record))
    page = rendered(
        tmp_path, settings, measurements,
        trends=of_trends, pooled=rows, yardstick=tmp_path / "yardstick.json",
    )  # fmt: skip
    opened = """(() => {
      document.querySelectorAll('details').forEach(d => { d.open = true; });
      document.querySelectorAll('#cells-body .toggle').forEach(b => b.click());
      return [document.querySelectorAll('img[src=x]').length, document.scripts.length,
              document.body.innerText.includes('<script>alert(1)</script>')];
    })()"""
    seen = visit(page, opened)
    assert_quiet(seen, page)
    assert seen.results == [[0, 3, True]]


@pytest.mark.parametrize("kind", ["one seed", "one condition", "constant", "missing", "odd names"])
def test_odd_studies_open(tmp_path: Path, kind: str) -> None:
    study(tmp_path)
    measurements, settings = table(), config()
    if kind == "one seed":
        measurements, settings = measurements[measurements["seed"] == 1], config(seeds=[1])
    elif kind == "one condition":
        measurements, settings = measurements[measurements["mix"] == "vanilla"], config(mixes={})
    elif kind == "constant":
        measurements = measurements.assign(value=0.5)
    elif kind == "missing":
        measurements = measurements.assign(value=float("nan"), note="why")
    else:
        measurements = odd(measurements)
        settings = config(
            mixes={"human": {"origins": {"human": 1.0}}, ODD: {"origins": {"wren": 1.0}}}
        )
    page = rendered(tmp_path, settings, measurements)
    seen = visit(page, "document.querySelectorAll('#cells-body tr').length", width=360)
    assert_quiet(seen, page)
    assert seen.results[0] >= 1


def test_the_card_of_a_cell_contains_time_hashes_and_versions(tmp_path: Path) -> None:
    study(tmp_path)
    record = {"seconds": 12.34, "description": {"code": {"packages": "torch==2.13.0"}}}
    record |= {"outputs": {"a/adapter_model.safetensors": [1, 2, "f" * 64]}}
    write(tmp_path / "records" / "train" / "wren" / "human" / "seed=1.json", json.dumps(record))
    rows = {"outputs": {"mixes/human/seed=1.jsonl": [1, 2, "e" * 64]}}
    write(tmp_path / "records" / "mix" / "human" / "seed=1.json", json.dumps(rows))
    page = rendered(tmp_path, config(), table())
    opened = """(() => {
      const rows = [...document.querySelectorAll('#cells-body > tr')];
      const row = rows.find(r => r.innerText.includes('human'));
      row.querySelector('.toggle').click();
      return document.querySelector('.card').innerText;
    })()"""
    (card,) = visit(page, opened).results
    for text in ("12.3 s", "f" * 16, "e" * 16, "torch==2.13.0"):
        assert text in card
