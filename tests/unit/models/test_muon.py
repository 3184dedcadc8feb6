"""The Muon optimizer computes what torch's computes, in a type that the CPU has."""

from typing import Any

import pytest
import torch

from manybaskets.machine import cpu_computes
from manybaskets.models import muon

SHAPES = [(32, 32), (32, 32), (80, 32), (32, 80)]


def trained(optimizer: Any, steps: int = 10) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    matrices = [
        torch.nn.Parameter(torch.randn(shape, generator=generator) / 10) for shape in SHAPES
    ]
    updates = optimizer(matrices, lr=0.02, momentum=0.95, weight_decay=0.05)
    for _ in range(steps):
        for matrix in matrices:
            matrix.grad = torch.randn(matrix.shape, generator=generator)
        updates.step()
    return [matrix.detach() for matrix in matrices]


@pytest.mark.parametrize("is_native", [True, False])
def test_the_weights_are_those_of_torch(is_native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    tolerance = 0.0 if is_native and cpu_computes("bfloat16") else 2e-3
    monkeypatch.setattr(muon, "cpu_computes", lambda _: is_native)
    for ours, theirs in zip(trained(muon.Muon), trained(torch.optim.Muon), strict=True):
        assert torch.linalg.norm(ours - theirs) <= tolerance * torch.linalg.norm(theirs)


def test_float32_is_used_where_bfloat16_would_be_emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    matrices = torch.randn(2, 16, 24)
    for is_native, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(muon, "cpu_computes", lambda _, native=is_native: native)
        assert muon.orthogonalised(matrices).dtype == dtype


@pytest.mark.parametrize("shape", [(3, 24, 24), (3, 48, 24), (3, 24, 48)])
def test_singular_vectors_stay_and_singular_values_end_near_one(
    shape: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(muon, "cpu_computes", lambda _: False)
    generator = torch.Generator().manual_seed(0)
    left, _, right = torch.linalg.svd(torch.randn(shape, generator=generator), full_matrices=False)
    spectrum = torch.linspace(0.2, 3.0, 24)
    result = muon.orthogonalised(left @ torch.diag(spectrum) @ right)
    recovered = left.mT @ result @ right.mT
    values = recovered.diagonal(dim1=-2, dim2=-1)
    assert (recovered - torch.diag_embed(values)).abs().max() < 1e-3
    assert (values.min() > 0.6) & (values.max() < 1.3)


def test_matrices_without_a_gradient_stay() -> None:
    kept, changed = (torch.nn.Parameter(torch.ones(8, 8)) for _ in range(2))
    changed.grad = torch.randn(8, 8)
    muon.Muon([kept, changed], lr=0.1).step()
    assert torch.equal(kept, torch.ones(8, 8))
    assert not torch.equal(changed, torch.ones(8, 8))
