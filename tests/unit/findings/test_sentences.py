"""Sentences on contrasts and trends, from their fields alone."""

from dataclasses import replace

from manybaskets.findings import sentences
from manybaskets.findings.contrasts import Contrast
from manybaskets.findings.trends import Trend

CONTRAST = Contrast(
    *("wren", "collapse", "nll", "test", "multi", "human", "primary", 5, 5),
    difference=-9.6,
    direction="lower",
    ci_low=-11.7,
    ci_high=-7.5,
    p_welch=1e-6,
    p_adjusted=7.8e-6,
    decided=True,
)


def test_a_decided_contrast_has_a_direction_and_its_numbers() -> None:
    head, detail = sentences.contrast_parts(CONTRAST, 0.05, "nats per token", "9.6 ± 2.1")
    assert head == (
        "nats per token on test of wren is 9.6 ± 2.1 lower under multi than under human"
    )
    assert detail == (
        "difference -9.6, 95 % interval -11.7 to -7.5, Holm-adjusted p 7.8e-06, 5 against 5 seeds."
    )


def test_an_undecided_contrast_whose_interval_excludes_zero_has_its_own_words() -> None:
    open_ = replace(CONTRAST, decided=False)
    head, detail = sentences.contrast_parts(open_, 0.05, "nll")
    assert head == "Not decided whether nll on test of wren differs between multi and human"
    assert "the interval alone excludes 0" in detail
    wide = replace(open_, ci_high=1.0)
    assert "is higher or lower" in sentences.contrast_parts(wide, 0.05, "nll")[0]


def test_an_untested_contrast_gives_its_reason() -> None:
    untested = replace(CONTRAST, reason="multi has 1 seed with a value, at least 2 needed")
    assert sentences.contrast_verdict(untested, 0.05) == (
        "Cannot be decided: nll on test of wren under multi against human: multi has 1 seed with "
        "a value, at least 2 needed."
    )


def test_equivalence_comes_before_the_notes() -> None:
    bounded = replace(CONTRAST, margin=0.5, p_equivalence=0.01, equivalent=True, notes=("N.",))
    assert sentences.contrast_notes(bounded) == ["Equivalent within ±0.5 (p 0.01).", "N."]
    assert sentences.contrast_notes(CONTRAST) == []


def test_a_trend_of_a_loop_is_per_generation() -> None:
    trend = Trend(
        *("wren", "generation", "loop", "collapse", "nll", "test", "primary", "1, 2, 3", 4),
        slope=0.1,
        direction="rises",
        ci_low=0.05,
        ci_high=0.15,
        p_adjusted=0.01,
        decided=True,
    )
    head, detail = sentences.trend_parts(trend, 0.05, "nll")
    assert head == "nll on test of wren rises over the generations of loop (1, 2, 3)"
    assert detail.startswith("+0.1 per generation, 95 % interval +0.05 to +0.15, Holm-adjusted")
