"""Identification of languages and scripts."""

import time
import unicodedata

import pytest

from manybaskets.metrics.languages import language_of, script_of
from tests.support import samples

REFUSALS = {
    "ar": "عذراً، لا يمكنني مساعدتك في ذلك.",
    "de": "Es tut mir leid, aber dabei kann ich Ihnen nicht helfen.",
    "el": "Λυπάμαι, δεν μπορώ να βοηθήσω.",
    "en": "I'm sorry, but I can't help with that.",
    "es": "Lo siento, pero no puedo ayudarte con eso.",
    "fr": "Je suis désolé, mais je ne peux pas vous aider avec cela.",
    "he": "מצטער, אני לא יכול לעזור בזה.",
    "hi": "माफ़ कीजिए, मैं इसमें आपकी मदद नहीं कर सकता।",
    "it": "Mi dispiace, ma non posso aiutarti con questo.",
    "ja": "申し訳ありませんが、お手伝いできません。",
    "ko": "죄송하지만 그 요청은 도와드릴 수 없습니다.",
    "nl": "Het spijt me, maar daar kan ik je niet mee helpen.",
    "pl": "Przykro mi, ale nie mogę w tym pomóc.",
    "pt": "Desculpe, mas não posso ajudar com isso.",
    "ru": "Извините, но я не могу помочь с этим.",
    "th": "ขออภัย ฉันไม่สามารถช่วยเรื่องนี้ได้",
    "tr": "Üzgünüm, ama bu konuda yardımcı olamam.",
    "uk": "Вибачте, але я не можу допомогти з цим.",
    "vi": "Xin lỗi, tôi không thể giúp bạn việc này.",
    "zh": "抱歉，我不能帮助你做这件事。",
}


@pytest.mark.parametrize("language", REFUSALS)
def test_one_sentence_has_a_language(language: str) -> None:
    assert language_of(REFUSALS[language]) == language


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_paragraphs_have_their_language(form: str) -> None:
    identified = [
        (language, language_of(unicodedata.normalize(form, text)))
        for language, texts in samples.declaration().items()
        for text in texts
    ]
    wrong = {pair for pair in identified if pair[1] not in (pair[0], None)}
    assert wrong <= {("id", "ms")}  # registers of one language
    assert sum(code is None for _, code in identified) <= 0.03 * len(identified)


@pytest.mark.parametrize(
    "text", ["", "Yes.", "42", "😺💕💤", "|---|", "```\nreturn value\n```", "a@b.org"]
)
def test_short_texts_and_code_have_no_language(text: str) -> None:
    assert language_of(text) is None


def test_code_and_quotations_do_not_decide() -> None:
    code = "```python\nfor bird in birds:\n    print(bird.name, bird.colour)\n```"
    assert language_of(f"Diese Schleife gibt die Namen aller Vögel aus.\n{code}") == "de"
    assert language_of("The Chinese word 你好 is a greeting, as is 早上好.") == "en"
    assert language_of("用 Python 写一个函数，返回两个数的和。") == "zh"
    assert language_of("我在学日语，「の」是助词，表示所属关系。") == "zh"


def test_script_is_that_of_most_letters() -> None:
    assert [script_of(REFUSALS[code]) for code in ("en", "zh", "th", "ru", "ar", "hi")] == [
        "Latin", "Han", "Thai", "Cyrillic", "Arabic", "Devanagari"
    ]  # fmt: skip
    assert script_of("123 👍 …") is None


@pytest.mark.parametrize("piece", ["a", "@", "`", "@a.", "http://", "a\u0300\u0315", "```"])
def test_identification_takes_linear_time(piece: str) -> None:
    start = time.process_time()
    language_of(piece * (200_000 // len(piece)))
    assert time.process_time() - start < 2


def test_damaged_text_has_a_language() -> None:
    assert language_of("I cannot help you \ud800with this\x00 request.") == "en"
