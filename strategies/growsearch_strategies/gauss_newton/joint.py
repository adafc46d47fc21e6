"""Many changes at once: what they do together, how far they may go together, and whether that holds on other data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from growsearch.growth import Candidate, GrowthContext, Split
from growsearch.growth.expanded_model import ExpandedModel
from growsearch_strategies.gauss_newton.evaluation import eval_no_dropout

ERRORS = 2.0
"""So many standard errors of the held-out batch are no evidence against a prediction."""


def together(candidates: Sequence[Candidate]) -> Tensor:
    """Predicted change `[samples]` of each sample's loss by all candidates, their interactions included."""
    effects = [c.effects for c in candidates if c.effects is not None]
    r = torch.stack([r for r, _ in effects]).sum(0)
    q = torch.stack([q for _, q in effects]).sum(0)
    return r + 0.5 * q.square()


def shared_amplitude(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Signed splits with outgoing shifts times the one number in [0, 1] at which all candidates are best together.

    Each amplitude was chosen as if the others did not exist; many that correct the same errors would overshoot.
    """
    changing = [(c.effects, is_signed(c)) for c in candidates if c.effects is not None and not c.exact]
    moving = [effects for effects, moves in changing if moves]
    if not moving:
        return list(candidates)
    r, q = (torch.stack([effects[i] for effects in moving]).sum(0) for i in (0, 1))
    fixed = [effects[1] for effects, moves in changing if not moves]
    other = torch.stack(fixed).sum(0) if fixed else torch.zeros_like(q)
    curvature = float(q.square().mean())
    best = -float(r.mean() + (other * q).mean()) / curvature if curvature > 0 else 0.0
    return [scaled(c, min(1.0, max(0.0, best))) for c in candidates]


def is_signed(candidate: Candidate) -> bool:
    """Whether a split shifts outgoing weights (axis 1 of consumers), by an amplitude that is free."""
    return isinstance(candidate, Split) and any(axis == 1 for _, axis in candidate.shifts)


def scaled(candidate: Candidate, amplitude: float) -> Candidate:
    """A signed split with `amplitude` times its outgoing shifts, anything else as it is.

    Its effects are taken as linear in the amplitude: what is left at 0 is of second order in the incoming shifts.
    """
    if not isinstance(candidate, Split) or not is_signed(candidate) or amplitude == 1.0 or candidate.effects is None:
        return candidate
    shifts = {
        key: (amplitude * first, amplitude * second) if key[1] == 1 else (first, second)
        for key, (first, second) in candidate.shifts.items()
    }
    r, q = candidate.effects
    return replace(candidate, shifts=shifts, effects=(amplitude * r, amplitude * q))


def with_shares(candidates: Sequence[Candidate]) -> list[Candidate]:
    """Every candidate's `predicted_change` as its part of what all do together: the parts add up to the whole."""
    roots = [c.effects[1] for c in candidates if c.effects is not None and not c.exact]
    if not roots:
        return list(candidates)
    total = torch.stack(roots).sum(0)
    return [
        c if c.exact or c.effects is None else replace(c, predicted_change=float(_change(c.effects, total)))
        for c in candidates
    ]


def _change(effects: tuple[Tensor, Tensor], total: Tensor) -> Tensor:
    return (effects[0] + 0.5 * effects[1] * total).mean()


def guarded(
    candidates: Sequence[Candidate],
    context: GrowthContext,
    tolerance: float,
    accepts: Callable[[Sequence[Candidate], float], bool],
) -> list[Candidate]:
    """The candidates, or the better half of them, or a half of that and so on down to none: what is not refuted.

    `accepts` is given the candidates and the change of the loss that they are predicted to make together.
    The held-out batch refutes a prediction where its loss, with all candidates installed, rises by more than was
    predicted plus `tolerance` times the loss before plus two standard errors; a predicted fall counts as 0 here, as the
    gains of many chosen ones are always overestimated. Near memorisation the curvature vanishes and the surrogate
    promises what is not there: there this is what stops it.

    Args:
        candidates: that were chosen.
        context: of the event.
        tolerance: how far the loss may end above the prediction, relative.
        accepts: whether candidates pay, with the change of the loss that they are predicted to make together.
    """
    pool = list(candidates)
    while pool:
        kept = with_shares(shared_amplitude(pool))
        if _pays(kept, accepts) and _holds(kept, context, tolerance):
            return kept
        order = sorted(range(len(pool)), key=lambda i: (kept[i].predicted_change or 0.0, i))
        pool = [pool[i] for i in sorted(order[: len(pool) // 2])]
    return []


def _pays(candidates: Sequence[Candidate], accepts: Callable[[Sequence[Candidate], float], bool]) -> bool:
    """Whether what they do together is accepted; those that leave the function as it is need not show that."""
    changing = [c for c in candidates if not c.exact]
    if not changing or any(c.effects is None for c in changing):
        return True
    return accepts(changing, float(together(changing).mean()))


def _holds(candidates: Sequence[Candidate], context: GrowthContext, tolerance: float) -> bool:
    changing = [c for c in candidates if not c.exact]
    if not changing or context.objective is None or not context.batches:
        return True
    batch = context.batches[-1]
    before = _loss(context.model, context, batch)
    after = _loss(ExpandedModel(context.model, context.graph, changing).model, context, batch)
    if any(c.effects is None for c in changing):
        predicted_change = sum(c.predicted_change or 0.0 for c in changing)
        return after - before <= max(0.0, predicted_change) + tolerance * abs(before)
    samples = together(changing)
    error = float(samples.std() / len(samples) ** 0.5) if len(samples) > 1 else 0.0
    return after - before <= max(0.0, float(samples.mean())) + tolerance * abs(before) + ERRORS * error


def _loss(model: nn.Module, context: GrowthContext, batch: Any) -> float:
    assert context.objective is not None
    with eval_no_dropout(model), torch.no_grad():
        return float(context.objective(model, batch))
