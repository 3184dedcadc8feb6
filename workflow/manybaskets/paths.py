"""Folders of the repository that the library reads from."""

from pathlib import Path

PACKAGE = Path(__file__).parent
WORKFLOW = PACKAGE.parent
REPOSITORY = WORKFLOW.parent
RESOURCES = REPOSITORY / "resources"
TEMPLATES = WORKFLOW / "report"
