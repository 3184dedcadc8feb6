"""Folders of the repository that the library reads from, and the user's folder for caches."""

import os
from pathlib import Path

PACKAGE = Path(__file__).parent
WORKFLOW = PACKAGE.parent
REPOSITORY = WORKFLOW.parent
RESOURCES = REPOSITORY / "resources"
TEMPLATES = WORKFLOW / "report"


def cache_folder() -> Path | None:
    """Returns the project's folder for caches; None for a user without a home directory."""
    folder = os.environ.get("XDG_CACHE_HOME")
    try:
        return Path(folder or Path.home() / ".cache", "manybaskets")
    except RuntimeError:  # a user id without an entry in /etc/passwd, as in containers
        return None
