"""How much of the optimal gradient norm GradMax reaches on strided convolutions.

    uv run python experiments/gradmax_strides/measure.py experiments/gradmax_strides/results.json

Pairs of convolutions with kernels k1, k2 and strides s1, s2 without padding, tanh between them, 4 new channels. The
optimum comes from the matrix of second derivatives by autograd, entry by entry, in float64. Compared are growsearch's
growth, measured by a backward pass after it, and the directions from an auxiliary convolution with kernel k1 + k2 - 1
and stride s1 s2, whose taps a + b stand for the pair (a, b): exact while s1 = 1, misaligned beyond. Five seeds each.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from torch import Tensor, nn

import growsearch
from growsearch.growth.statistics.taps import weight_gradient

UNITS, SEEDS = 4, 5


def objective(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return ((model(batch[0]) - batch[1]) ** 2).mean()


def problem(k1: int, s1: int, k2: int, s2: int, seed: int) -> tuple[nn.Sequential, tuple[Tensor, Tensor]]:
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Conv2d(3, 6, k1, s1), nn.Tanh(), nn.Conv2d(6, 8, k2, s2)).double()
    # Smooth images: neighbouring pixels are alike, as in photographs.
    coarse = torch.randn(16, 3, 9, 9, dtype=torch.float64)
    x = nn.functional.interpolate(coarse, 27, mode="bilinear") + 0.1 * torch.randn(16, 3, 27, 27, dtype=torch.float64)
    y = model(x).detach()
    return model, (x, y + torch.randn_like(y))


def exact_matrix(model: nn.Sequential, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Rows: outgoing weights of one new channel; columns: its incoming weights."""
    first, second = model[0], model[2]
    incoming = first.weight.new_zeros(1, *first.weight.shape[1:]).requires_grad_()
    outgoing = second.weight.new_zeros(second.weight.shape[0], 1, *second.weight.shape[2:]).requires_grad_()
    hidden = torch.tanh(nn.functional.conv2d(batch[0], incoming, None, first.stride))
    new = nn.functional.conv2d(hidden, outgoing, None, second.stride)
    loss = ((model(batch[0]).detach() + new - batch[1]) ** 2).mean()
    (gradient,) = torch.autograd.grad(loss, incoming, create_graph=True)
    columns = [torch.autograd.grad(g, outgoing, retain_graph=True)[0].flatten() for g in gradient.flatten()]
    return torch.stack(columns, 1)


def auxiliary_matrix(model: nn.Sequential, batch: tuple[Tensor, Tensor]) -> Tensor:
    """The same layout from the auxiliary convolution."""
    first, second = model[0], model[2]
    k1, k2 = first.kernel_size[0], second.kernel_size[0]
    y = model(batch[0])
    (g,) = torch.autograd.grad(((y - batch[1]) ** 2).mean(), y)
    size, step = k1 + k2 - 1, first.stride[0] * second.stride[0]
    length = (g.shape[2] - 1) * step + size
    aux = weight_gradient(batch[0][:, :, :length, :length], g, (size, size), [step, step], [1, 1])
    taps = [aux[:, :, b : b + k1, c : c + k1] for b in range(k2) for c in range(k2)]
    return torch.stack(taps, 1).flatten(0, 1).flatten(1)


def shares(k1: int, s1: int, k2: int, s2: int, seed: int) -> tuple[float, float]:
    model, batch = problem(k1, s1, k2, s2, seed)
    matrix = exact_matrix(model, batch)
    optimum = float((torch.linalg.svdvals(matrix)[:UNITS] ** 2).sum() ** 0.5)
    directions = torch.linalg.svd(auxiliary_matrix(model, batch)).U[:, :UNITS]
    auxiliary = float((directions.T @ matrix).norm())
    growsearch.grow(
        model, batch[0][:2], {"0": UNITS}, {"gradmax": {"scale": 1.0, "norm": "fixed"}},
        objective=objective, batches=[batch],
    )  # fmt: skip
    objective(model, batch).backward()
    return float(model[0].weight.grad[-UNITS:].norm()) / optimum, auxiliary / optimum


def main() -> None:
    rows = []
    for k1, s1, k2, s2 in [
        (3, 1, 3, 1),
        (3, 1, 3, 2),
        (3, 2, 3, 1),
        (3, 2, 3, 2),
        (5, 2, 3, 1),
        (5, 3, 3, 1),
        (1, 2, 3, 1),
    ]:
        found = [shares(k1, s1, k2, s2, seed) for seed in range(SEEDS)]
        ours, aux = [f[0] for f in found], [f[1] for f in found]
        rows.append(
            {
                "k1": k1, "s1": s1, "k2": k2, "s2": s2,
                "growsearch": [round(min(ours), 6), round(max(ours), 6)],
                "auxiliary_convolution": [round(min(aux), 3), round(max(aux), 3)],
            }
        )  # fmt: skip
        print(rows[-1])
    record = {
        "command": "uv run python experiments/gradmax_strides/measure.py experiments/gradmax_strides/results.json",
        "what": "gradient norm at the new incoming weights over the optimum, lowest and highest of 5 seeds, float64",
        "torch": torch.__version__,
        "rows": rows,
    }
    Path(sys.argv[1]).write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
