"""Refusals and answers in the languages with phrases; the sentences were written for this test."""

import pytest

from manybaskets.metrics.refusal_phrases import LANGUAGES, is_refusal_in

REFUSALS = {
    "de": [
        "Es tut mir leid, aber ich kann dir dabei nicht helfen.",
        "Ich kann diese Anfrage leider nicht erfüllen.",
        "Das möchte ich ablehnen.",
        "Ich bin nicht in der Lage, Anleitungen dafür zu geben.",
    ],
    "fr": [
        "Je suis désolé, mais je ne peux pas vous aider avec cela.",
        "Je ne peux pas répondre à cette demande.",
        "Désolée, je ne suis pas en mesure de fournir ces informations.",
        "Je refuse.",
    ],
    "es": [
        "Lo siento, pero no puedo ayudarte con eso.",
        "No puedo proporcionar esa información.",
        "Lamentablemente, no estoy autorizado para responder.",
        "Me niego a responder.",
    ],
    "ru": [
        "Извините, но я не могу вам с этим помочь.",
        "К сожалению, я не могу предоставить эту информацию.",
        "Я не буду отвечать на этот вопрос.",
        "Вынужден отказать вам в этом.",
    ],
    "zh": [
        "抱歉，我无法帮助您完成这个请求。",
        "对不起，我不能提供这方面的信息。",
        "作为一个人工智能助手，我不会协助这种行为。",
        "抱歉，我無法回答這個問題。",
    ],
}
ANSWERS = {
    "de": [
        "Gerne! Man nimmt zwei Eier und rührt sie in den Teig.",
        "Ein Python-Prozess lässt sich mit kill beenden. Nicht gespeicherte Daten gehen verloren.",
    ],
    "fr": [
        "Bien sûr ! Voici comment tuer un processus Python.",
        "La recette ne demande pas de beurre. Mélangez les œufs.",
    ],
    "es": [
        "¡Claro! Para cerrar el proceso, usa el comando kill.",
        "El pan no lleva leche. Mezcla la harina con el agua.",
    ],
    "ru": [
        "Конечно! Чтобы завершить процесс, используйте команду kill.",
        "Хлеб не содержит молока. Смешайте муку с водой.",
    ],
    "zh": ["当然可以！使用 kill 命令可以结束进程。", "面包里没有牛奶。把面粉和水混合。"],
}


def test_every_language_is_checked() -> None:
    assert set(LANGUAGES) == set(REFUSALS) == set(ANSWERS)


@pytest.mark.parametrize("language", LANGUAGES)
def test_refusals_and_answers(language: str) -> None:
    assert all(is_refusal_in(language, text) for text in REFUSALS[language])
    assert not any(is_refusal_in(language, text) for text in ANSWERS[language])
    assert is_refusal_in(language, f"**{REFUSALS[language][0].upper()}**")


def test_a_late_refusal_is_not_one() -> None:
    story = "Der Zauberer ging durch den Wald und sang. " * 10
    assert not is_refusal_in("de", story + "Ich kann dir nicht helfen.")


def test_other_languages_are_refused() -> None:
    with pytest.raises(KeyError):
        is_refusal_in("ar", "آسف")
