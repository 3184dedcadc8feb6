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


@pytest.mark.slow
def test_the_study_of_the_readme_can_be_planned(tmp_path: Path) -> None:
    (block,) = [b for b in guide.blocks(guide.OTHERS[0]) if b.kind == "config"]
    assert block.text.count("\n") <= 15
    guide.Reader(tmp_path / "manybaskets").do(block)


def test_the_readme_has_at_most_130_lines() -> None:
    assert guide.OTHERS[0].read_text(encoding="utf-8").count("\n") <= 130


@pytest.mark.parametrize("page", [*guide.PAGES, *guide.OTHERS], ids=lambda page: page.stem)
def test_links_lead_to_files(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.S | re.M)
    for name in re.findall(r"\]\((?!https?:)([^)#]+)(?:#[^)]*)?\)", text):
        assert (page.parent / name.replace("\n", " ")).is_file(), f"{page.name} leads to {name}"


@pytest.mark.parametrize("page", guide.PAGES, ids=lambda page: page.stem)
def test_every_page_is_in_a_table_of_contents(page: Path) -> None:
    index = page.parent / "index.md" if page.stem != "index" else page.parents[1] / "index.md"
    if not index.is_file():
        assert page == index.parent / "docs" / "index.md"
        return
    trees = re.findall(r"```\{toctree\}(.*?)```", index.read_text(encoding="utf-8"), re.DOTALL)
    name = str(page.relative_to(index.parent).with_suffix(""))
    assert name in " ".join(trees).split()
