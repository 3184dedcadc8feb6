"""Contrasts and trends in sentences, for the tables, the report and the command line.

Each sentence has a head, the conclusion, and a detail, its numbers; notes follow.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from manybaskets.findings.contrasts import Contrast
    from manybaskets.findings.trends import Trend

ADJUSTMENTS = {"primary": "Holm", "exploratory": "Benjamini-Hochberg"}
UNDECIDABLE = "Cannot be decided"


def contrast_parts(
    contrast: "Contrast", alpha: float, label: str, amount: str = ""
) -> tuple[str, str]:
    """Head and detail of a contrast. `label` names the metric, `amount` is the difference."""
    subject = f"{label} on {contrast.item_set} of {contrast.target}"
    mix, against = contrast.mix, contrast.against
    if contrast.reason:
        return UNDECIDABLE, f"{subject} under {mix} against {against}: {contrast.reason}."
    names = f"under {mix} than under {against}"
    detail = _numbers(contrast, alpha)
    if contrast.decided:
        direction = f"{amount} {contrast.direction}".strip()
        return f"{subject} is {direction} {names}", f"{detail}."
    if contrast.excludes_zero:
        return (
            f"Not decided whether {subject} differs between {mix} and {against}",
            f"{detail}; the interval alone excludes 0, but not after adjusting for the number of "
            "comparisons.",
        )
    return f"Not decided whether {subject} is higher or lower {names}", f"{detail}."


def contrast_notes(contrast: "Contrast") -> list[str]:
    """The result of the test of equivalence, where there is one, and the notes."""
    if contrast.p_equivalence is None:
        return list(contrast.notes)
    shown = "Equivalent" if contrast.equivalent else "Not shown to be equivalent"
    first = f"{shown} within ±{contrast.margin:g} (p {contrast.p_equivalence:.2g})."
    return [first, *contrast.notes]


def contrast_verdict(contrast: "Contrast", alpha: float) -> str:
    """A contrast in one line, with the name of the metric in the tables."""
    head, detail = contrast_parts(contrast, alpha, contrast.metric)
    return " ".join([f"{head}: {detail}", *contrast_notes(contrast)])


def trend_parts(trend: "Trend", alpha: float, label: str) -> tuple[str, str]:
    """Head and detail of a trend. `label` names the metric."""
    subject = f"{label} on {trend.item_set} of {trend.target}"
    over = f"over the generations of {trend.mix}" if trend.mix else f"with the {trend.series}"
    if trend.reason:
        return UNDECIDABLE, f"{subject} {over}: {trend.reason}"
    if trend.decided:
        claim = f"{subject} {trend.direction}"
    else:
        claim = f"Not decided whether {subject} rises or falls"
    unit = "generation" if trend.mix else "unit of the dose"
    page = "" if trend.p_page is None else f", Page's test p {trend.p_page:.2g}"
    return (
        f"{claim} {over} ({trend.doses})",
        f"{number(trend.slope)} per {unit}, {100 * (1 - alpha):g} % interval "
        f"{number(trend.ci_low)} to {number(trend.ci_high)}, {ADJUSTMENTS[trend.family]}-adjusted "
        f"p {trend.p_adjusted:.2g}{page}, {trend.seeds} seeds.",
    )


def trend_verdict(trend: "Trend", alpha: float) -> str:
    """A trend in one line, with the name of the metric in the tables."""
    head, detail = trend_parts(trend, alpha, trend.metric)
    return " ".join([f"{head}: {detail}", *trend.notes])


def seed_count(count: int) -> str:
    """Returns a number of seeds in words: "1 seed", "3 seeds"."""
    return f"{count} seed{'' if count == 1 else 's'}"


def against_seeds(one: int, other: int) -> str:
    """The numbers of seeds of both mixes."""
    return f"{one} against {other} seeds"


def number(value: float | None) -> str:
    """A value with its sign, to three significant digits."""
    return f"{value:+.3g}"


def _numbers(contrast: "Contrast", alpha: float) -> str:
    prompts = ""
    if contrast.ci_prompts_low is not None:
        low, high = number(contrast.ci_prompts_low), number(contrast.ci_prompts_high)
        prompts = f" over seeds, {low} to {high} over seeds and prompts"
    return (
        f"difference {number(contrast.difference)}, {100 * (1 - alpha):g} % interval "
        f"{number(contrast.ci_low)} to {number(contrast.ci_high)}{prompts}, "
        f"{ADJUSTMENTS[contrast.family]}-adjusted p {contrast.p_adjusted:.2g}, "
        f"{against_seeds(contrast.seeds_mix, contrast.seeds_against)}"
    )
