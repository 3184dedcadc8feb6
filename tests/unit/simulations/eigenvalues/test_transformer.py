"""The transformer: cached decoding is the plain one, beams find what an exhaustive search finds."""

import itertools
import math

import pytest
import torch

from manybaskets.simulations.eigenvalues import transformer
from manybaskets.simulations.eigenvalues.settings import Schedule, Shape
from manybaskets.simulations.eigenvalues.transformer import END, Rows, Transformer

SHAPE = Shape(vocabulary=5, question=4, answer=3, dimension=16, heads=2, decoder_layers=2)


@pytest.fixture(scope="module")
def model() -> Transformer:
    torch.manual_seed(3)
    made = Transformer(SHAPE).eval()
    with torch.no_grad():  # sharp enough that sequences differ in probability
        made.embedding.weight.mul_(3)
    return made


@pytest.fixture(scope="module")
def questions() -> torch.Tensor:
    return torch.randint(1, 5, (6, 4), generator=torch.Generator().manual_seed(1))


def every_answer(shape: Shape) -> list[tuple[int, ...]]:
    """All sequences that end with END, or at the longest length; END fills the rest."""
    found = []
    for length in range(shape.answer):
        for tokens in itertools.product(range(1, shape.vocabulary), repeat=length):
            found.append((*tokens, *[END] * (shape.answer - length)))
    found += itertools.product(range(1, shape.vocabulary), repeat=shape.answer)
    return found


def log_probs(model: Transformer, question: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    """Log-probabilities from one plain forward pass, without tokens after the first END."""
    with torch.no_grad():
        logits = model(question.expand(len(answers), -1), answers)
    each = logits.log_softmax(-1).gather(-1, answers[..., None])[..., 0]
    ended = ((answers == END).int().cumsum(-1) - (answers == END).int()) > 0
    return each.masked_fill(ended, 0.0).sum(-1)


@torch.no_grad()
def test_logits_with_a_cache_are_those_without(model: Transformer, questions: torch.Tensor) -> None:
    answers = torch.randint(1, 5, (6, 3), generator=torch.Generator().manual_seed(2))
    plain = model(questions, answers)
    cache = model.begin(questions)
    last = torch.full((6, 1), END)
    for place in range(3):
        assert torch.allclose(model.step(last, cache)[:, 0], plain[:, place], atol=1e-5)
        last = answers[:, place : place + 1]


@torch.no_grad()
def test_a_position_does_not_see_later_tokens(model: Transformer, questions: torch.Tensor) -> None:
    one, other = torch.tensor([[1, 2, 3]] * 6), torch.tensor([[1, 4, 1]] * 6)
    first, second = model(questions, one), model(questions, other)
    assert torch.allclose(first[:, :2], second[:, :2])
    assert not torch.allclose(first[:, 2], second[:, 2])


def test_a_beam_of_one_is_greedy(model: Transformer, questions: torch.Tensor) -> None:
    beam = transformer.beam(model, questions, 1)
    greedy = transformer.sample(model, questions, 1, 0.0, 0)
    assert torch.equal(beam.tokens, greedy.tokens)
    assert torch.allclose(beam.log_probs, greedy.log_probs, atol=1e-5)


def test_a_beam_as_wide_as_there_are_answers_is_an_exhaustive_search(
    model: Transformer, questions: torch.Tensor
) -> None:
    answers = torch.tensor(every_answer(SHAPE))
    assert len(answers) == 1 + 4 + 16 + 64
    beam = transformer.beam(model, questions, len(answers) + 5)
    for place, question in enumerate(questions):
        expected = log_probs(model, question, answers).sort(descending=True)
        assert torch.allclose(beam.log_probs[place, : len(answers)], expected.values, atol=1e-4)
        assert torch.isinf(beam.log_probs[place, len(answers) :]).all()
        found = {tuple(row) for row in beam.tokens[place, : len(answers)].tolist()}
        assert found == set(map(tuple, answers.tolist()))
        assert expected.values.exp().sum() == pytest.approx(1, abs=1e-4)


def test_a_wider_beam_finds_nothing_worse(model: Transformer, questions: torch.Tensor) -> None:
    best = [transformer.beam(model, questions, width).log_probs[:, 0] for width in (1, 4, 85)]
    assert (best[1] >= best[0] - 1e-5).all()
    assert (best[2] >= best[1] - 1e-5).all()


def test_samples_have_the_frequencies_of_the_model(
    model: Transformer, questions: torch.Tensor
) -> None:
    count = 4000
    answers = torch.tensor(every_answer(SHAPE))
    expected = log_probs(model, questions[0], answers).exp()
    found = transformer.sample(model, questions[:1], count, 1.0, seed=5)
    drawn = [tuple(row) for row in found.tokens[0].tolist()]
    for answer, probability in zip(answers.tolist(), expected.tolist(), strict=True):
        error = math.sqrt(count * probability * (1 - probability)) + 1
        assert abs(drawn.count(tuple(answer)) - count * probability) < 5 * error
    of_drawn = log_probs(model, questions[0], found.tokens[0])
    assert torch.allclose(found.log_probs[0], of_drawn, atol=1e-4)


def test_log_perplexity_counts_the_end_and_nothing_after_it() -> None:
    found = transformer.Answers(
        torch.tensor([[[1, 2, 3], [1, END, END], [END, END, END]]]),
        torch.tensor([[-3.0, -3.0, -3.0]]),
    )
    assert found.log_perplexity.tolist() == [[1.0, 1.5, 3.0]]


def test_sampling_twice_gives_the_same_and_another_seed_another(
    model: Transformer, questions: torch.Tensor
) -> None:
    first, again, other = (
        transformer.sample(model, questions, 50, 1.0, seed).tokens for seed in (1, 1, 2)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def copying(count: int, seed: int) -> Rows:
    """The answer is the question's first two tokens."""
    made = torch.randint(1, 5, (count, 4), generator=torch.Generator().manual_seed(seed))
    return Rows(made, torch.cat([made[:, :2], torch.full((count, 1), END)], dim=1))


@pytest.mark.slow
def test_a_transformer_learns_to_copy() -> None:
    schedule = Schedule(
        steps=150, batch_size=32, learning_rate=5e-3, warmup_steps=10, eval_steps=50
    )
    made, curve = transformer.train(SHAPE, copying(400, 1), copying(50, 2), schedule, 1, "cpu")
    test = copying(100, 3)
    found = transformer.sample(made, test.questions, 1, 0.0, 0).tokens[:, 0]
    assert (found == test.answers).all(dim=1).float().mean() > 0.95
    assert [point["step"] for point in curve] == [50, 100, 150]
    assert transformer.validation_loss(made, copying(50, 2)) == pytest.approx(
        min(point["validation"] for point in curve), abs=1e-4
    )


def test_training_stops_by_its_own_validation_set() -> None:
    """Answers that are noise: what fits the training rows fits the validation rows ever less."""
    rows, validation = (
        Rows(copying(20, seed).questions, torch.randint(1, 5, (20, 3))) for seed in (1, 2)
    )
    schedule = Schedule(steps=120, batch_size=20, learning_rate=1e-2, warmup_steps=0, eval_steps=10)
    made, curve = transformer.train(SHAPE, rows, validation, schedule, 1, "cpu")
    best = min(curve, key=lambda point: point["validation"])
    assert best["step"] < curve[-1]["step"]
    assert curve[-1]["validation"] > 1.5 * best["validation"]
    assert transformer.validation_loss(made, validation) == pytest.approx(
        best["validation"], abs=1e-4
    )


def test_training_twice_gives_the_same_weights() -> None:
    schedule = Schedule(steps=12, batch_size=8, learning_rate=1e-3, warmup_steps=2, eval_steps=6)
    one, other = (
        transformer.train(SHAPE, copying(30, 1), copying(10, 2), schedule, 4, "cpu")[0]
        for _ in range(2)
    )
    for name, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[name])


def test_a_training_that_diverges_is_recorded_as_diverged() -> None:
    schedule = Schedule(steps=20, batch_size=8, learning_rate=1e30, warmup_steps=0, eval_steps=5)
    with pytest.raises(FloatingPointError, match="lower the rate"):
        transformer.train(SHAPE, copying(30, 1), copying(10, 2), schedule, 4, "cpu")
