"""Verifiers, one a file: each module contains a `selection.verifier.Verifier` named VERIFIER."""

from manybaskets import plugins
from manybaskets.selection.verifier import Verifier

LOADS = ("selection.verifiers",)


def verifier(name: str) -> Verifier:
    """Returns the verifier that a study calls `name`. Raises KeyError for an unknown name."""
    plugin: Verifier = plugins.module("selection.verifiers", name).VERIFIER
    return plugin
