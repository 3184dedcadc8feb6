"""Figures are found by their file, drawn by the step, and shown by the report."""

from pathlib import Path

import pandas as pd
import pytest

from manybaskets.figures import registry, style
from manybaskets.figures.registry import Plot, plots, plots_of
from manybaskets.figures.tables import Findings
from tests.support.measured_study import findings_of, measured


def test_every_figure_has_a_caption_and_a_part_of_the_report() -> None:
    for name, plot in plots().items():
        assert plot.name == name
        assert plot.caption[0].isupper() and plot.caption.endswith(".")
        assert plot in plots_of(plot.part)


def test_a_part_shows_first_the_figures_that_every_study_has() -> None:
    names = [plot.name for plot in plots_of("headlines")]
    assert names == ["contrasts", "overview", "doses", "generations", "correlation"]
    assert [plot.name for plot in plots_of("cells")] == ["map", "training"]


@pytest.mark.slow
def test_a_figure_without_anything_to_show_is_not_written(tmp_path: Path) -> None:
    registry.draw_figures(findings_of(measured()), tmp_path)
    assert (tmp_path / "overview.svg").is_file() and not (tmp_path / "doses.svg").exists()


def test_two_figures_of_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Module:
        __file__ = "another.py"
        OTHER = Plot("overview", "cells", "Another.", lambda _: None)

    found = {**registry.plugins.modules("figures"), "zzz": Module}
    monkeypatch.setattr(registry.plugins, "modules", lambda folder: found)
    with pytest.raises(ValueError, match="there is another figure called 'overview'"):
        registry.plots.__wrapped__()


def test_a_further_figure_is_drawn_with_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def draw(findings: Findings) -> registry.Drawing:
        return style.notice("further"), pd.DataFrame({"mix": findings.mixes})

    some = {name: plots()[name] for name in ("map", "training")}
    further = some | {"further": Plot("further", "cells", "Further.", draw)}
    monkeypatch.setattr(registry, "plots", lambda: further)
    registry.draw_figures(findings_of(measured()), tmp_path)
    assert "further" in (tmp_path / "further.svg").read_text()
    assert [plot.name for plot in plots_of("cells")] == ["map", "training", "further"]
