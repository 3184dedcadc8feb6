"""Folders that tests read from."""

from manybaskets.paths import REPOSITORY

ROOT = REPOSITORY
DATA = ROOT / "tests" / "data"
