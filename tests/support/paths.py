"""Folders that tests read from."""

from manybaskets.paths import REPOSITORY

ROOT = REPOSITORY
SHARED = ROOT.parent / "shared" / "data"
