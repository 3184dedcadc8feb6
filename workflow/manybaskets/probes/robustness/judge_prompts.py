"""The prompts of a kind of judge: this repository's, or the model's own."""

from pathlib import Path

from manybaskets.paths import RESOURCES
from manybaskets.probes.robustness import model_card_prompt
from manybaskets.probes.robustness.judges import KINDS, text_names


def texts_of(by: str, folder: Path | None, given: Path | None) -> dict[str, str]:
    """Prompts by name for a kind of judge whose model is in `folder`.

    `given` is a file with a classifier's prompt. Raises InputError for a classifier without one.
    """
    places = getattr(KINDS[by], "PLACES", None)
    if places is not None:
        return {"template": model_card_prompt.template(folder, places, given)}
    return {
        name: (RESOURCES / "judges" / f"{name}.txt").read_text(encoding="utf-8")
        for name in text_names(by)
    }
