"""GCG: the search, its prefix cache, and its random control, on a tiny model."""

from pathlib import Path
from typing import Any

import pytest
import torch

from manybaskets.models import architectures
from manybaskets.models.loading import load_model, load_tokenizer
from manybaskets.probes.robustness import suffix_search

REQUEST, TARGET = "sort the list of rows", "return a copy"
SETTINGS = suffix_search.Settings(steps=12, suffix_tokens=6, candidates=32, top_k=32)


@pytest.fixture(scope="module")
def loaded(tiny_model: Path) -> tuple[Any, Any]:
    torch.set_num_threads(1)
    model = load_model(tiny_model, torch.float32).eval()
    model.requires_grad_(False)
    return model, load_tokenizer(tiny_model)


def plain_loss(model: Any, tokenizer: Any, suffix: str) -> float:
    """The target's loss by one pass over the whole prompt, without any of the search's code."""
    prompt = tokenizer.apply_chat_template(
        [{"role": "user", "content": REQUEST + suffix}], tokenize=False, add_generation_prompt=True
    )
    before = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    target = tokenizer(TARGET, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        logits = model(torch.tensor([before + target])).logits[0]
    log_probs = torch.log_softmax(logits[len(before) - 1 : -1], dim=-1)
    return -float(log_probs[range(len(target)), target].mean())


def test_the_search_lowers_the_loss_and_tells_it_right(loaded: tuple[Any, Any]) -> None:
    found = suffix_search.optimise(*loaded, REQUEST, TARGET, SETTINGS, seed=1)
    assert found.loss < found.initial_loss
    assert found.loss == min([found.initial_loss, *found.losses])
    assert len(found.losses) == SETTINGS.steps
    assert plain_loss(*loaded, found.text) == pytest.approx(found.loss, abs=1e-4)


def test_an_optimised_suffix_is_better_than_a_random_one_of_its_length(
    loaded: tuple[Any, Any],
) -> None:
    found = suffix_search.optimise(*loaded, REQUEST, TARGET, SETTINGS, seed=1)
    control = [
        suffix_search.random_suffix(*loaded, REQUEST, TARGET, SETTINGS, seed) for seed in range(5)
    ]
    assert found.loss < min(suffix.loss for suffix in control)
    for suffix in control:
        assert len(loaded[1](suffix.text)["input_ids"]) == SETTINGS.suffix_tokens
        assert plain_loss(*loaded, suffix.text) == pytest.approx(suffix.loss, abs=1e-4)


def test_the_same_seed_gives_the_same_suffix(loaded: tuple[Any, Any]) -> None:
    one, other, third = (
        suffix_search.optimise(
            *loaded, REQUEST, TARGET, suffix_search.Settings(steps=4, suffix_tokens=5), seed
        )
        for seed in (1, 1, 2)
    )
    assert one == other
    assert one.text != third.text


def test_a_suffix_is_printable_and_reads_back_as_its_tokens(loaded: tuple[Any, Any]) -> None:
    model, tokenizer = loaded
    found = suffix_search.optimise(model, tokenizer, REQUEST, TARGET, SETTINGS, seed=3)
    assert found.text.isascii() and found.text.isprintable()
    assert len(tokenizer(found.text)["input_ids"]) == SETTINGS.suffix_tokens


def test_the_gradient_points_where_the_loss_goes(loaded: tuple[Any, Any]) -> None:
    """Against central differences along the one-hot coordinates of one token."""
    model, tokenizer = loaded
    problem = suffix_search._Problem(model, tokenizer, REQUEST, TARGET)
    suffix = torch.tensor(tokenizer(" the value of each row")["input_ids"])
    gradient = problem.gradient(suffix)
    weight = model.get_input_embeddings().weight
    rest = torch.tensor(problem.after + problem.target)

    def loss(place: int, token: int, step: float) -> float:
        one_hot = torch.nn.functional.one_hot(suffix, len(weight)).float()
        one_hot[place, token] += step
        embedded = torch.cat([one_hot @ weight, weight[rest]]).unsqueeze(0)
        with torch.no_grad():
            return float(problem._loss(model, 1, inputs_embeds=embedded))

    for place, token in ((0, 20), (1, 300), (len(suffix) - 1, 7)):
        slope = (loss(place, token, 0.1) - loss(place, token, -0.1)) / 0.2
        assert float(gradient[place, token]) == pytest.approx(slope, rel=0.2, abs=2e-4)


def test_batches_of_any_size_give_the_same_losses(
    loaded: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer = loaded
    problem = suffix_search._Problem(model, tokenizer, REQUEST, TARGET)
    allowed = suffix_search._allowed(tokenizer, len(problem.embeddings)).nonzero().flatten()
    suffixes = allowed[torch.randint(len(allowed), (10, 4))]
    whole = problem.batched_losses(suffixes)
    losses = problem.losses

    def little_memory(part: torch.Tensor) -> torch.Tensor:
        if len(part) > 3:
            raise torch.OutOfMemoryError
        return losses(part)

    monkeypatch.setattr(problem, "losses", little_memory)
    assert torch.allclose(problem.batched_losses(suffixes), whole, atol=1e-5)


@pytest.mark.parametrize("family", sorted(architectures.FAMILIES))
def test_every_family_of_the_embedded_study_can_be_searched(family: str, tokenizer: Any) -> None:
    torch.manual_seed(0)
    model = architectures.build(
        family, vocabulary=len(tokenizer), hidden=32, layers=1, heads=2, context=128
    ).eval()
    model.requires_grad_(False)
    settings = suffix_search.Settings(steps=3, suffix_tokens=4, candidates=16, top_k=16)
    found = suffix_search.optimise(model, tokenizer, REQUEST, TARGET, settings, seed=1)
    assert plain_loss(model, tokenizer, found.text) == pytest.approx(found.loss, abs=1e-3)


def test_a_template_that_changes_the_user_s_text_is_an_error(
    loaded: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer = loaded
    monkeypatch.setattr(tokenizer, "chat_template", "{{ messages[0].content | upper }}")
    with pytest.raises(ValueError, match="does not render the user's text"):
        suffix_search.optimise(model, tokenizer, REQUEST, TARGET, SETTINGS, seed=1)
