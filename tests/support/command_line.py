"""The command line, called in the process of the test."""

import sys

import pytest

from manybaskets import __main__


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Runs `manybaskets` with some arguments; its exit status."""
    monkeypatch.setattr(sys, "argv", ["manybaskets", *map(str, arguments)])
    return __main__.main()
