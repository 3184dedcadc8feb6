"""Words of texts in all scripts, for metrics of words.

A word is a run of letters with their marks, digits and underscores. Scripts that do not separate
words by spaces (Han, Hiragana, Katakana, Thai, Lao, Khmer, Myanmar and their smaller relatives) are
cut into single characters: grapheme clusters of UAX 29 with all marks that follow. Texts are first
normalised to NFC, so that the same text has the same words in every Unicode form. Text in English
and in other languages without combining marks has the tokens of the pattern `\\w+|[^\\w\\s]`.
"""

import functools
import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Literal

import regex

Form = Literal["NFC", "NFKC"]
LEAST_CHARACTERS = 0.01  # of the tokens

# Letters of scripts that are written without spaces: UAX 14 has the class SA for those of South
# East Asia. Digits are not letters: a number is one word in all scripts.
_UNSPACED = r"[[\p{scx=Hira}\p{scx=Kana}\p{scx=Hani}\p{lb=SA}]&&\p{L}]"
_SPACED = rf"[\p{{L}}--{_UNSPACED}]"
# Variation selectors choose the look of a symbol. A joiner inside a word belongs to the word.
_MARK = r"[\p{M}--[\ufe00-\ufe0f]]"
_LETTER = rf"{_SPACED}{_MARK}*+(?:[\u200c\u200d]++(?={_SPACED}))?"
_CHARACTER = rf"(?={_UNSPACED})\X{_MARK}*+"
_ANY_WORD = rf"{_CHARACTER}|(?:{_LETTER}|[\p{{N}}_])++"

_WORD = re.compile(r"\w+")
_TOKEN = re.compile(r"\w+|[^\w\s]")
_WORD_OF_ANY_SCRIPT = regex.compile(_ANY_WORD, regex.V1)
_TOKEN_OF_ANY_SCRIPT = regex.compile(rf"{_ANY_WORD}|[^\s\x1c-\x1f]", regex.V1)
_UNSPACED_LETTER = regex.compile(_UNSPACED, regex.V1)
_NEEDS_SCRIPTS = regex.compile(rf"[{_MARK}{_UNSPACED}\u200c\u200d]", regex.V1)
_GRAPHEME = regex.compile(r"(?=[^\s\x1c-\x1f])\X")
_NON_ASCII = re.compile(r"[^\x00-\x7f]")
# Sorting a run of combining marks takes quadratic time. UAX 15 breaks runs after 30 marks.
_LONG_FOREIGN_RUN = re.compile(r"[^\x00-\x7f]{31}")  # any run of marks is one; faster to find
_LONG_RUN = regex.compile(r"[^\p{ccc=0}]{30}(?=[^\p{ccc=0}])", regex.V1)
_GRAPHEME_JOINER = "\u034f"


def tokenize(text: str) -> list[str]:
    """Returns the words and the single punctuation marks of `text` in order, with their case."""
    text, needs_scripts = _prepared(text)
    return (_TOKEN_OF_ANY_SCRIPT if needs_scripts else _TOKEN).findall(text)


def words(text: str) -> list[str]:
    """Returns the words of `text` in order, with their case and without punctuation marks."""
    text, needs_scripts = _prepared(text)
    return (_WORD_OF_ANY_SCRIPT if needs_scripts else _WORD).findall(text)


def graphemes(text: str) -> list[str]:
    """Returns the visible characters of `text` as users see them: grapheme clusters of UAX 29."""
    clusters: list[str] = _GRAPHEME.findall(normalized(text))
    return clusters


def unspaced(word: str) -> bool:
    """Whether a word is a character of a script that does not separate words by spaces."""
    return not word.isascii() and _UNSPACED_LETTER.match(word) is not None


def count_words(text: str) -> int:
    """Returns the number of words separated by white space.

    Each character of a script that does not separate words by spaces counts as a word.
    """
    text, needs_scripts = _prepared(text)
    if not needs_scripts:
        return len(text.split())
    return sum(_words_of_chunk(chunk) for chunk in text.split())


def segmentation(documents: Iterable[Sequence[str]]) -> str:
    """Returns how documents were cut into the given tokens; "" for words.

    Documents are cut into characters where these are at least 1 % of the tokens.
    """
    tokens = list(chain.from_iterable(documents))
    share = sum(map(unspaced, tokens)) / max(1, len(tokens))
    if share < LEAST_CHARACTERS:
        return ""
    return f"{share:.0%} of the tokens are single characters of a script without spaces"


def normalized(text: str, form: Form = "NFC") -> str:
    """Returns `text` in a Unicode normalization form, in time linear in its length.

    Runs of more than 30 combining marks get a grapheme joiner after every 30th, as in the
    Stream-Safe Text Format of UAX 15; no orthography has such runs.
    """
    return text if text.isascii() else _normalized(text, non_ascii(text), form)


def non_ascii(text: str) -> set[str]:
    """Returns the distinct characters of `text` that are not in ASCII."""
    return set() if text.isascii() else set(_NON_ASCII.findall(text))


def _normalized(text: str, characters: set[str], form: Form) -> str:
    if any(map(unicodedata.combining, characters)) and _LONG_FOREIGN_RUN.search(text):
        text = _LONG_RUN.sub(rf"\g<0>{_GRAPHEME_JOINER}", text)
    return unicodedata.normalize(form, text)


def _prepared(text: str) -> tuple[str, bool]:
    """Returns the text in NFC, and whether its words differ from runs of `\\w`."""
    if text.isascii():
        return text, False
    characters = non_ascii(text)
    normal = _normalized(text, characters, "NFC")
    if normal != text:
        characters = non_ascii(normal)
    return normal, any(map(_separates, characters))


def _words_of_chunk(chunk: str) -> int:
    parts = _WORD_OF_ANY_SCRIPT.findall(chunk)
    characters = sum(map(unspaced, parts))
    return max(1, characters + (characters < len(parts)))


@functools.lru_cache(maxsize=65_536)
def _separates(character: str) -> bool:
    return _NEEDS_SCRIPTS.match(character) is not None
