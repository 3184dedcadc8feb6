"""Series of mixes that differ by one share: the mixes of each series, and their doses.

Computed from the recipes of mixes alone.
"""

from typing import TypedDict

from manybaskets.config.base import HUMAN
from manybaskets.config.mixes import Mix
from manybaskets.config.study import StudyConfig

FEWEST = 3  # doses; two are a contrast


class Series(TypedDict):
    """Mixes by their dose."""

    name: str
    doses: dict[str, float]


def series(config: StudyConfig) -> list[Series]:
    """Returns the declared series, then those by synthetic share and by number of sources.

    Mixes whose synthetic part has the same composition form a series over their share of synthetic
    text, with mixes of human text alone at 0. Mixes of 1, 2, … sources in equal shares, each with
    the sources of the one before, form a series over the number of sources. A series has at least
    three doses; recipes that differ in anything else are separate series.
    """
    declared: list[Series] = [
        {"name": name, "doses": dict(doses)} for name, doses in config.contrasts.doses.items()
    ]
    from_recipes = [*_by_synthetic_share(config.mixes), *_by_sources(config.mixes)]
    known = [one["doses"] for one in declared]
    return declared + [
        one for one in from_recipes if len(one["doses"]) >= FEWEST and one["doses"] not in known
    ]


def _by_synthetic_share(mixes: dict[str, Mix]) -> list[Series]:
    human = [name for name, mix in mixes.items() if set(mix.origins) == {HUMAN}]
    groups: dict[tuple[str, ...], dict[str, float]] = {}
    for name, mix in mixes.items():
        synthetic = {origin: share for origin, share in mix.origins.items() if origin != HUMAN}
        total = sum(synthetic.values())
        if not synthetic:
            continue
        parts = [f"{origin} {share / total:.6f}" for origin, share in sorted(synthetic.items())]
        doses = groups.setdefault((*parts, _rest(mix, len(parts) > 1)), {})
        if total not in doses.values():  # the first of several with the same share
            doses[name] = round(total, 9)
    series: list[Series] = []
    for (*parts, rest), doses in groups.items():
        start = [
            name for name in human if _rest(mixes[name], False) == rest.removesuffix("quarters")
        ]
        origins = ", ".join(part.rpartition(" ")[0] for part in parts)
        series.append(
            {
                "name": f"share of synthetic text ({origins})",
                "doses": _sorted(dict.fromkeys(start[:1], 0.0) | doses),
            }
        )
    return series


def _by_sources(mixes: dict[str, Mix]) -> list[Series]:
    equal = {
        name: mix
        for name, mix in mixes.items()
        if HUMAN not in mix.origins and max(mix.origins.values()) - min(mix.origins.values()) < 1e-9
    }
    by_number: list[Series] = []
    for largest in equal.values():
        chain: dict[str, float] = {}
        inner = None
        for name, mix in sorted(equal.items(), key=lambda entry: -len(entry[1].origins)):
            sources = set(mix.origins)
            alike = len(sources) == 1 or _rest(mix, True) == _rest(largest, True)
            if alike and (sources == set(largest.origins) if inner is None else sources < inner):
                chain[name], inner = float(len(sources)), sources
        doses = _sorted(chain)
        if all(set(doses) - set(one["doses"]) for one in by_number):
            by_number.append({"name": "number of sources", "doses": doses})
    return by_number


def _rest(mix: Mix, several: bool) -> str:
    """Returns a recipe without its origins, as text; with their assignment for several."""
    settings = mix.model_dump(
        mode="json", exclude={"origins", "assign", "targets"}, exclude_none=True
    )
    if mix.select:
        del settings["select"]["control"]
    text = repr(sorted(settings.items()))
    return f"{text}{mix.assign}" if several and mix.assign == "quarters" else text


def _sorted(doses: dict[str, float]) -> dict[str, float]:
    return dict(sorted(doses.items(), key=lambda entry: entry[1]))
