"""Effects of candidates that another initializer proposed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from growsearch.growth import Candidate, GrowthContext, GrowthRefused
from growsearch.growth.probe import Probes, together
from growsearch_strategies.gauss_newton.evaluation import eval_no_dropout, network_output
from growsearch_strategies.gauss_newton.outputs import Targets, sampled_gradient

SMALLEST = 1e-30


def with_effects(
    candidates: Sequence[Candidate],
    context: GrowthContext,
    learning: Sequence[Any],
    judging: Sequence[Any],
    targets: Targets,
    damping: float,
) -> list[Candidate]:
    """The candidates with `effects` by the change of the network's output as they go along their probe's direction.

    One that changes the function is judged as it is. One that does not is judged by where training takes it first (see
    `growsearch.growth.directions`), at the best amplitude of that step: the gain `mean(r)^2 / (2 mean(q^2))`, with the
    curvature damped by a share of its mean over the candidates. Directions of descent are those of `learning`.

    Args:
        candidates: of any initializer.
        context: of the event.
        learning: batches for the amplitudes.
        judging: batches for the predictions.
        targets: what the network predicts.
        damping: of the curvature.
    """
    if context.objective is None or not judging:
        raise GrowthRefused("where: gauss_newton needs gradients: give objective=... and batches=...")
    found = list(candidates)
    for group in together(candidates):
        r, q = _products([candidates[i] for i in group], context, learning, judging, targets)
        curvature = q.square().mean(0)
        best = -r.mean(0) / (curvature + damping * curvature.mean()).clamp_min(SMALLEST)
        for column, index in enumerate(group):
            amplitude = float(best[column]) if candidates[index].exact else 1.0
            found[index] = replace(candidates[index], effects=(amplitude * r[:, column], amplitude * q[:, column]))
    return [replace(c, effects=(0.0 * r[:, 0], 0.0 * q[:, 0])) if c.effects is None else c for c in found]


def _products(
    candidates: Sequence[Candidate],
    context: GrowthContext,
    learning: Sequence[Any],
    judging: Sequence[Any],
    targets: Targets,
) -> tuple[Tensor, Tensor]:
    """`r` and `q` `[samples, candidates]` of each candidate's probe."""
    assert context.objective is not None
    probes = Probes(context.model, context.graph, candidates, context.objective, learning)
    model, off = probes.expanded.model, probes.gates(0.0)
    rows_r, rows_q = [], []
    with eval_no_dropout(model):
        for batch in judging:
            with torch.enable_grad(), probes.substituted(off):
                loss, output = network_output(model, context.objective, batch, attached=True)
                sampled = sampled_gradient(loss, output, batch, targets, context.generator)
                (slope,) = torch.autograd.grad(loss, output)
            columns_r, columns_q = [], []
            for problem in range(len(candidates)):
                gates = off.clone()
                gates[problem] = 1.0
                with torch.no_grad(), probes.substituted(gates):
                    change = network_output(model, context.objective, batch)[1] - output.detach()
                # The objective is a mean over the samples.
                columns_r.append((slope * change).flatten(1).sum(1) * len(output))
                columns_q.append((sampled * change).flatten(1).sum(1))
            rows_r.append(torch.stack(columns_r, 1))
            rows_q.append(torch.stack(columns_q, 1))
    return torch.cat(rows_r), torch.cat(rows_q)
