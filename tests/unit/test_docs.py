"""The guide: every command and config in it is run, every example of an extension is executed."""

import re
from pathlib import Path

import pytest

from tests.support import guide

KINDS = {"file", "config", "run", "dry", "study"}


@pytest.mark.parametrize("page", guide.PAGES, ids=lambda page: page.stem)
def test_every_block_of_the_guide_is_tried(page: Path) -> None:
    for block in guide.blocks(page):
        assert block.kind in KINDS, (
            f"{page.name}, line {block.line}: a mark with its kind of test is missing"
        )


def tried(page: Path) -> list[guide.Block]:
    return [block for block in guide.blocks(page) if block.kind != "study"]


@pytest.mark.slow
@pytest.mark.parametrize("page", [*filter(tried, guide.PAGES)], ids=lambda page: page.stem)
def test_a_reader_can_do_all_that_a_page_says(page: Path, tmp_path: Path) -> None:
    reader = guide.Reader(tmp_path / "manybaskets")
    if page.stem != "first-study":
        for block in _first_study(page):  # that page's own test plans them
            reader.write(block)
    for block in tried(page):
        reader.do(block)


def _first_study(page: Path) -> list[guide.Block]:
    """The files that the other pages build on: the config of the first, answers to measure."""
    first = [b for b in guide.blocks(page.with_name("first-study.md")) if b.kind == "config"]
    data = [b for b in guide.blocks(page.with_name("own-data.md")) if b.kind == "file"]
    return first + (data if page.stem == "extending" else [])


@pytest.mark.parametrize("page", guide.PAGES, ids=lambda page: page.stem)
def test_pages_that_a_page_leads_to_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"\]\((?!https?:)([^)#]+)\)", text):
        assert (page.parent / name).is_file(), f"{page.name} leads to {name}"
    listed = (page.parent / "index.md").read_text().split("```{toctree}")[1].split("```")[0]
    assert page.stem == "index" or page.stem in listed.split()
