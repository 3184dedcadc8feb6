"""Questions about single texts; each file contains a `TextQuestion` named QUESTION."""

from manybaskets import plugins
from manybaskets.probes.preference.text_question import TextQuestion

LOADS = ("probes.preference.text_questions",)
FOLDER = "probes.preference.text_questions"


def known() -> list[str]:
    """Returns the names of the questions."""
    return plugins.names(FOLDER)


def question(name: str) -> TextQuestion:
    """Returns the question that a study calls `name`. Raises KeyError for an unknown name."""
    plugin: TextQuestion = plugins.module(FOLDER, name).QUESTION
    return plugin
