"""Prompt templates: a text around the request, or around an encoding of it.

`{request}` is the request word for word, `{request:base64}` its encoding; the families are those of
Wei et al. 2023 (prefix injection, refusal suppression, persona, style, encodings).
"""

import base64
import codecs
import re
from collections.abc import Callable

from manybaskets.files import InputError

_LEET = str.maketrans("aeiostAEIOST", "431057431057")
ENCODINGS: dict[str, Callable[[str], str]] = {
    "": str,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "leetspeak": lambda text: text.translate(_LEET),
}
_PLACE = re.compile(r"{request(?::(\w*))?}")


def filled(template: str, name: str, request: str) -> str:
    """Returns the template of the attack `name` with the request in its places.

    Raises InputError for a template without a place, and for an unknown encoding.
    """
    places = _PLACE.findall(template)
    if not places:
        raise InputError(
            f"resources/attacks/{name}.txt has no place for the request. Add {{request}}."
        )
    if unknown := sorted(set(places) - set(ENCODINGS)):
        known = ", ".join(filter(None, ENCODINGS))
        raise InputError(
            f"resources/attacks/{name}.txt: unknown encoding {unknown[0]!r}. Use one of {known}."
        )
    return _PLACE.sub(lambda place: ENCODINGS[place[1] or ""](request), template.strip())
