"""Words of all scripts."""

import re
import time
import unicodedata

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from manybaskets.metrics.tokenization import (
    count_words,
    graphemes,
    normalized,
    segmentation,
    tokenize,
    unspaced,
    words,
)

ANY_TEXT = st.text(st.characters(exclude_categories=["Cn", "Cs"]))  # assigned characters
SENTENCES = {
    "Arabic": ("لَا أَسْتَطِيعُ أَنْ أُسَاعِدَكَ.", 4),
    "Hindi": ("माफ़ कीजिए, मैं मदद नहीं कर सकता।", 7),
    "Russian": ("Извините, я не могу помочь.", 5),
    "Korean": ("죄송하지만 도와드릴 수 없습니다.", 4),
    "Vietnamese": ("Xin lỗi, tôi không thể giúp.", 6),
    "Greek": ("Λυπάμαι, δεν μπορώ να βοηθήσω.", 5),
    "Persian": ("نمی\u200cخواهم این کار را بکنم", 5),
    "Chinese": ("抱歉，我不能帮你。", 7),
    "Japanese": ("ラーメンは420円です。", 9),
    "Thai": ("สวัสดีครับ", 7),
    "Lao": ("ສະບາຍດີ", 6),
    "Khmer": ("ភាសាខ្មែរ", 4),
    "Burmese": ("မြန်မာ", 3),
}


@pytest.mark.parametrize("language", SENTENCES)
def test_letters_with_their_marks_are_words_or_characters(language: str) -> None:
    text, number = SENTENCES[language]
    assert len(words(text)) == number
    assert re.sub(r"[\s,.，。।]", "", text) == "".join(words(text))


@pytest.mark.parametrize("language", SENTENCES)
def test_every_unicode_form_has_the_same_tokens(language: str) -> None:
    text = SENTENCES[language][0]
    forms = [unicodedata.normalize(form, text) for form in ("NFC", "NFD")]
    for cut in (tokenize, words, graphemes):
        assert cut(forms[0]) == cut(forms[1])


@pytest.mark.parametrize(
    "text",
    [
        "Don't stop, Zoë!  x_1 “so” — 3½ m² … café",
        "Steps: 1️⃣ boil 👨‍👩‍👧 ℹ️ ❤️ done",
        "a\x1cb\x85c\u2028d",
    ],
)
def test_english_has_the_tokens_of_the_plain_pattern(text: str) -> None:
    assert tokenize(text) == re.findall(r"\w+|[^\w\s]", text)
    assert words(text) == re.findall(r"\w+", text)


def test_mixed_texts_have_words_and_characters() -> None:
    assert tokenize("用Python 3写代码!") == ["用", "Python", "3", "写", "代", "码", "!"]
    assert [unspaced(word) for word in words("用Python 3写")] == [True, False, False, True]


def test_graphemes_are_what_users_see() -> None:
    assert graphemes("👨‍👩‍👧 e\u0301!") == ["👨‍👩‍👧", "é", "!"]


def test_word_characters_are_those_of_the_standard_library() -> None:
    """Otherwise, texts with and without marks had different tokens."""
    assigned = (chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000)
    word, letter = re.compile(r"\w"), regex.compile(r"[\p{L}\p{N}_]")
    differ = [c for c in assigned if bool(word.match(c)) != bool(letter.match(c))]
    assert [c for c in differ if unicodedata.category(c) != "Cn"] == []


@pytest.mark.parametrize("form", ["NFC", "NFKC"])
def test_normalisation_takes_linear_time(form: str) -> None:
    hostile = "a" + "\u0315\u0300" * 100_000
    start = time.process_time()
    text = normalized(hostile, form)
    assert time.process_time() - start < 1
    assert normalized(text, form) == text
    assert tokenize(hostile) == tokenize(unicodedata.normalize("NFC", text))


def test_normalisation_keeps_real_texts() -> None:
    for text, _ in SENTENCES.values():
        assert normalized(text) == unicodedata.normalize("NFC", text)


def test_words_are_counted_by_white_space_and_characters() -> None:
    assert count_words("Don't stop – now!") == 4
    assert count_words("用 Python 写代码，好吗？") == 7
    assert count_words("ฉันไม่รู้") == 5
    assert count_words("मैं मदद नहीं कर सकता।") == 5
    assert count_words("") == 0


def test_documents_cut_into_characters_are_named() -> None:
    english = ["a", "word"] * 99
    assert segmentation([english, []]) == segmentation([]) == ""
    assert segmentation([english, ["水"]]) == ""
    assert segmentation([english, ["水"] * 198]).startswith("50% of the tokens are single char")


@given(ANY_TEXT)
def test_tokens_are_the_text_without_white_space(text: str) -> None:
    tokens = tokenize(text)
    visible = re.sub(r"[\s\x1c-\x1f]", "", normalized(text))
    assert "".join(tokens) == visible
    assert [token for token in tokens if re.search(r"\w", token)] == words(text)


@given(ANY_TEXT)
def test_any_text_has_the_same_tokens_in_every_unicode_form(text: str) -> None:
    assert tokenize(unicodedata.normalize("NFD", text)) == tokenize(text)
