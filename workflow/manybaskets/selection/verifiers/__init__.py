"""Verifiers, one a file: each module contains a `selection.verifier.Verifier` named VERIFIER."""

from manybaskets import plugins
from manybaskets.selection.verifier import Verifier

LOADS = ("selection.verifiers",)


def verifier(name: str) -> Verifier:
    """The verifier that a study calls `name`. Raises KeyError for an unknown name."""
    found: Verifier = plugins.module("selection.verifiers", name).VERIFIER
    return found
