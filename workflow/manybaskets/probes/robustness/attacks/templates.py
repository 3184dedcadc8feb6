"""Prompt templates: a text around the request, or around an encoding of it.

`{request}` is the request word for word, `{request:base64}` its encoding; the families are those of
Wei et al. 2023 (prefix injection, refusal suppression, persona, style, encodings).
"""

import base64
import codecs
import re
from collections.abc import Callable

from manybaskets.data.safety_requests import ProbeRequest
from manybaskets.files import InputError
from manybaskets.probes.robustness.attacks.attempt import Attempt

_LEET = str.maketrans("aeiostAEIOST", "431057431057")
ENCODINGS: dict[str, Callable[[str], str]] = {
    "": str,
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "rot13": lambda text: codecs.encode(text, "rot13"),
    "leetspeak": lambda text: text.translate(_LEET),
}
_PLACE = re.compile(r"{request(?::(\w*))?}")


def attempts(request: ProbeRequest, name: str, template: str) -> list[Attempt]:
    """The request in the template. Raises InputError for a template with no place for it."""
    places = _PLACE.findall(template)
    if not places:
        raise InputError(f"the attack '{name}' does not say where the request goes: {{request}}")
    if unknown := sorted(set(places) - set(ENCODINGS)):
        known = ", ".join(filter(None, ENCODINGS))
        raise InputError(
            f"the attack '{name}' asks for the encoding '{unknown[0]}'. Known: {known}."
        )
    prompt = _PLACE.sub(lambda place: ENCODINGS[place[1] or ""](request.text), template.strip())
    return [Attempt(f"{request.id}/{name}", request.id, f"{request.kind}/{name}", prompt)]
