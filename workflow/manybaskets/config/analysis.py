"""The config keys of the analysis: contrasts, and published numbers to compare them with."""

from typing import Annotated

from pydantic import Field

from manybaskets.config.base import NoNulls, Section


class Primary(Section):
    """One primary metric per probe, chosen before the run. Holm's correction covers these."""

    collapse: str = "bits_per_byte@test"
    """Primary metric of the collapse probe, as `metric@item set`."""
    robustness: str = "refusal_rate@decline/direct"
    """Primary metric of the robustness probe, as `metric@item set`."""
    preference: str = "self_preference_bias@pairs"
    """Primary metric of the preference probe, as `metric@item set`."""


class Contrasts(Section):
    """Which conditions are compared over seeds."""

    pairs: list[tuple[str, str]] | None = None
    """Pairs of a mix and its baseline. The default pairs: every mix against `human` and against
    `vanilla`, and every other mix against the first single-source mix."""
    primary: Primary = Primary()
    """The primary metric of each probe."""
    alpha: float = Field(0.05, gt=0, lt=1)
    """Significance level."""
    margins: Annotated[dict[str, Annotated[float, Field(gt=0)]], NoNulls] = {}
    """Per `metric@item set`: the equivalence margin, the largest difference that counts as none.
    Metrics with a margin get an equivalence test (TOST) too."""
    doses: Annotated[dict[str, dict[str, float]], NoNulls] = {}
    """Per series, by its name: the dose of each of its mixes (three or more), for trend tests.
    Series by share of synthetic text and by number of sources are detected automatically."""


class Reference(Section):
    """Published numbers to compare the findings with. A string `name` means `{table: name}`."""

    table: str
    """Name of a table under `resources/reference/`, or the path of a file of the same format."""
    targets: dict[str, str] = {}
    """Per target of the study: its name in the table, where the names differ."""
    mixes: dict[str, str] = {}
    """Per mix of the study: its name in the table, where the names differ."""
