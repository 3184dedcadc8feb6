"""Selection rules, one a file: each module contains a `SelectionRule` named RULE."""

from manybaskets import plugins
from manybaskets.selection.selection_rule import SelectionRule

LOADS = ("selection.operators",)


def operator(name: str) -> SelectionRule:
    """Returns the rule that a study calls `name`. Raises KeyError for an unknown name."""
    rule: SelectionRule = plugins.module("selection.operators", name).RULE
    return rule
