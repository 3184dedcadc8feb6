"""The prompts of classifier judges, read from the model's card or from a file of the user's.

They belong to the models that were trained with them, so this repository does not contain them.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from manybaskets.files import InputError

CARD = "README.md"
_QUOTED = re.compile(r"\"\"\"(.*?)\"\"\"|'''(.*?)'''", re.DOTALL)


def template(folder: Path | None, places: Mapping[str, Sequence[str]], given: Path | None) -> str:
    """Returns the prompt of a classifier: the file `given`, or the first on the card in `folder`.

    It is the first text in triple quotes of the card that has a place for the prompt and one for
    the response. A beginning-of-text token at its start is left out, since the server adds it.
    Raises InputError where there is none.
    """
    if given is not None:
        text = given.read_text(encoding="utf-8")
        if not _has(text, places):
            raise InputError(f"{given}: no place for {_wanted(places)}. Add it.")
        return text
    card = None if folder is None else folder / CARD
    if card is not None and card.is_file():
        for quoted in _QUOTED.finditer(card.read_text(encoding="utf-8")):
            text = quoted[1] if quoted[1] is not None else quoted[2]
            if _has(text, places):
                return text.removeprefix("<s>").removeprefix("<bos>")
    where = "an endpoint has no model card" if card is None else f"{card} has none"
    raise InputError(
        f"the prompt of this classifier is not known: {where}. Put it into a file with "
        f"{_wanted(places)} in it and name the file: template: <file>."
    )


def _has(text: str, places: Mapping[str, Sequence[str]]) -> bool:
    return all(any(f"{{{name}}}" in text for name in names) for names in places.values())


def _wanted(places: Mapping[str, Sequence[str]]) -> str:
    return " and ".join(f"{{{names[0]}}}" for names in places.values())
