"""The Muon optimizer for small matrices on a CPU.

The algorithm is that of `torch.optim.Muon` (Jordan et al., 2024): the update of a matrix is its
momentum, orthogonalised by five Newton-Schulz steps. Two things differ. Matrices of one shape are
orthogonalised together, and CPUs without bfloat16 instructions compute in float32: torch always
computes in bfloat16, which takes 18 times as long on such CPUs.
"""

import math
from collections.abc import Iterable

import torch

from manybaskets.machine import cpu_computes

COEFFICIENTS = (3.4445, -4.775, 2.0315)  # of the quintic polynomial, chosen for its slope at zero
STEPS = 5
EPSILON = 1e-7


class Muon(torch.optim.Optimizer):  # type: ignore[misc]
    """Muon with Nesterov momentum and decoupled weight decay, for matrices.

    The learning rate of a matrix of r rows and c columns is `lr` times sqrt(max(1, r / c)).
    """

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.05,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    def step(self) -> None:
        """Updates all matrices that have a gradient."""
        with torch.no_grad():
            self._update_all()

    def _update_all(self) -> None:
        for group in self.param_groups:
            of_shape: dict[torch.Size, list[torch.nn.Parameter]] = {}
            for matrix in group["params"]:
                if matrix.grad is not None:
                    of_shape.setdefault(matrix.shape, []).append(matrix)
            for matrices in of_shape.values():
                self._update(matrices, group["lr"], group["momentum"], group["weight_decay"])

    def _update(
        self, matrices: list[torch.nn.Parameter], rate: float, momentum: float, decay: float
    ) -> None:
        """Updates matrices of one shape."""
        gradients = [matrix.grad for matrix in matrices]
        momenta = [self.state[matrix].setdefault("momentum", _zeros(matrix)) for matrix in matrices]
        torch._foreach_lerp_(momenta, gradients, 1 - momentum)
        updates = orthogonalised(torch.stack(torch._foreach_lerp(gradients, momenta, momentum)))
        rows, columns = matrices[0].shape
        step = rate * math.sqrt(max(1, rows / columns))
        for matrix, update in zip(matrices, updates, strict=True):
            matrix.mul_(1 - rate * decay)
            matrix.add_(update, alpha=-step)


def orthogonalised(matrices: torch.Tensor) -> torch.Tensor:
    """Returns matrices of shape (count, rows, columns) with singular values near 1.

    The values end between about 0.7 and 1.2; the singular vectors stay.
    """
    dtype = torch.float32
    if matrices.device.type != "cpu" or cpu_computes("bfloat16"):
        dtype = torch.bfloat16
    a, b, c = COEFFICIENTS
    result = matrices.to(dtype)
    is_tall = matrices.shape[-2] > matrices.shape[-1]
    if is_tall:
        result = result.mT
    # the spectral norm must be at most 1
    result = result / result.norm(dim=(-2, -1), keepdim=True).clamp(min=EPSILON)
    for _ in range(STEPS):
        gram = result @ result.mT
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        result = torch.baddbmm(result, polynomial, result, beta=a)
    return result.mT if is_tall else result


def _zeros(matrix: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(matrix, memory_format=torch.preserve_format)
