"""GradMax by optimisation: for any activation, and for either side."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from growsearch.graph import NetworkGraph, Role, Site
from growsearch.growth import (
    Candidate,
    GrowthContext,
    Initializer,
    LocalObjective,
    Need,
    NewSlices,
    NewUnit,
    Side,
    SiteEnds,
    edits_of,
    random_directions,
)
from growsearch.growth.statistics.path_response import OutgoingGradients
from growsearch.surgery import apply_edits, undisturbed
from growsearch_strategies.gradmax.ascent import Ascent
from growsearch_strategies.gradmax.local_units import LocalUnits, can_run_alone


class GradMaxOpt(Initializer):
    """Projected gradient ascent on the squared gradient norm of the new units' zero side.

    Adam moves their non-zero side on one batch, and after every step the units are made orthogonal and scaled back to
    their norm, as in GradMax (units that may coincide all find the same direction, and stay copies of each other). All
    sites are optimised together: units that do not change the function do not see each other, nor what comes behind the
    layers that read them, so a step computes derivatives only between these layers and those that make the units.

    Ours: the new units are installed in a copy of the network, which tells their gradients. Where units with zero
    outgoing weights have the same ones by themselves, on what the layers around them saw in one run, they are moved so,
    and by larger steps than Adam's (see `LocalUnits`); all others in the copy.
    """

    summary: ClassVar[str] = "the largest gradient at the new units, found by projected gradient ascent"
    why: ClassVar[str] = "GradMax for any activation, path and side"
    source: ClassVar[str] = "Evci et al. 2022, GradMax, section 3.2 (GradMax-Opt)"
    needs: ClassVar[frozenset[Need]] = frozenset({"gradients"})
    usual: ClassVar[tuple[str, str]] = ("schedule", "round_robin")
    preserves: ClassVar[str] = "the function (to 1e-7 behind ReLU with zero incoming weights)"

    scale: float = Field(0.25, gt=0, description="norm of a new unit's non-zero side")
    norm: Literal["relative", "fixed"] = Field(
        "relative", description="relative: in mean norms of the existing units; fixed: as it is"
    )
    steps: int = Field(100, ge=1, description="steps of ascent at most, on one batch")
    lr: float = Field(0.3, gt=0, description="learning rate, in norms of a unit per step")
    side: Side = Field(
        "auto", description="which weights start at zero; auto: outgoing behind batch normalisation and ReLU"
    )

    def require(
        self, model: nn.Module, graph: NetworkGraph, site: Site, trainable: frozenset[str] | None = None
    ) -> None:
        SiteEnds(model, graph, site, trainable).zero_side(self.side)

    def propose(self, plan: Mapping[str, int], context: GrowthContext) -> list[Candidate]:
        objective, batches = context.needed("gradients")
        problems = [self._start(name, units, context) for name, units in plan.items() if units]
        wide = copy.deepcopy(context.model)
        starts = [(p.site, p.start) for p in problems]
        apply_edits(wide, [edit for site, start in starts for edit in edits_of(site, start)])
        wide.requires_grad_(False)
        for problem in problems:
            problem.attach(wide, {site.name: len(start) for site, start in starts}, context)
        # The fused kernels of attention have no second derivative.
        with sdpa_kernel(SDPBackend.MATH):
            ends, units = _readers(problems, context), _own_units(problems)
            loss = LocalObjective(wide, objective, batches[0], ends, units)
            with undisturbed(wide):
                gains = self._gains(loss, problems)
            found = self._moved_alone(problems, gains, context)
            rest = [p for p in problems if p.site.name not in found]
            found |= self._moved_together(rest, loss, wide, context) if rest else {}
        return [c for name in plan for c in found.get(name, ())]

    def _moved_alone(
        self, problems: Sequence[_Problem], gains: Sequence[Tensor], context: GrowthContext
    ) -> dict[str, list[NewUnit]]:
        """By site, the candidates of units that have the same gradients without the network."""
        alone = [(p.alone, gain) for p, gain in zip(problems, gains, strict=True) if p.alone is not None]
        if not alone:
            return {}
        objective, batches = context.needed("gradients")
        names = [units.name for units, _ in alone]
        gradients = OutgoingGradients(context.model, context.graph, names, objective).on(batches[0])
        same = [units for units, gain in alone if units.agree(gradients[units.name], gain)]
        for done in range(self.steps):
            for units in same:
                if not units.done:
                    units.move(gradients[units.name], self.lr)
            context.report(done + 1, self.steps, "gradmax_opt: steps of ascent")
        return {units.name: units.candidates(gradients[units.name]) for units in same}

    def _moved_together(
        self, problems: list[_Problem], loss: LocalObjective, wide: nn.Module, context: GrowthContext
    ) -> dict[str, list[NewUnit]]:
        """By site, the candidates of units that are moved in the grown copy of the network."""
        for done in range(self.steps):
            with undisturbed(wide):
                self._ascend(loss, problems)
            context.report(done + 1, self.steps, "gradmax_opt: steps of ascent")
        with undisturbed(wide):
            gains = self._gains(loss, problems)
        return {p.site.name: p.candidates(g.sqrt().tolist()) for p, g in zip(problems, gains, strict=True)}

    def _start(self, name: str, units: int, context: GrowthContext) -> _Problem:
        ends = SiteEnds(context.model, context.graph, context.sites[name], context.trainable)
        zero = ends.zero_side(self.side)
        other: Literal["incoming", "outgoing"] = "incoming" if zero == "outgoing" else "outgoing"
        channels = range(len(ends.producers))
        norms = [
            self.scale * (ends.mean_norm(other, channel) if self.norm == "relative" else 1.0) for channel in channels
        ]
        vectors = [
            random_directions(units, ends.length(other, channel), context.generator) * norms[channel]
            for channel in channels
        ]
        descent = ends.random_incoming(units, context.generator) if zero == "incoming" else None
        radius = sum(norm**2 for norm in norms) ** 0.5
        problem = _Problem(ends, zero, ends.candidates(zero, vectors, descent=descent), radius)
        if zero == "outgoing" and can_run_alone(context.model, context.graph, ends.site):
            problem.alone = LocalUnits(ends, vectors, radius)
        return problem

    def _ascend(self, loss: LocalObjective, problems: list[_Problem]) -> None:
        gain = torch.stack([g.sum() for g in self._gains(loss, problems, graph=True)]).sum()
        tensors = list({id(t): t for p in problems for t in p.moving.tensors}.values())
        found = torch.autograd.grad(gain, tensors, allow_unused=True)
        gradients = {id(t): torch.zeros_like(t) if g is None else g for t, g in zip(tensors, found, strict=True)}
        for problem in problems:
            problem.move(gradients, self.lr)

    @staticmethod
    def _gains(loss: LocalObjective, problems: list[_Problem], graph: bool = False) -> list[Tensor]:
        """Per problem, the squared gradient norm of every unit's zero side."""
        tensors = list({id(t): t for p in problems for t in p.zero.tensors}.values())
        with torch.enable_grad():
            found = torch.autograd.grad(loss(), tensors, create_graph=graph, allow_unused=True)
        gradients = {id(t): torch.zeros_like(t) if g is None else g for t, g in zip(tensors, found, strict=True)}
        return [p.zero.squared_norms([gradients[id(t)] for t in p.zero.tensors]) for p in problems]


class _Problem:
    """The new units of one site: which of their weights move, and with what momentum.

    `alone` are the same units, to be moved without the network.
    """

    alone: LocalUnits | None = None

    def __init__(
        self, ends: SiteEnds, zero: Literal["incoming", "outgoing"], start: list[NewUnit], radius: float
    ) -> None:
        self.ends, self.site, self.start, self.radius = ends, ends.site, start, radius
        self._roles: tuple[Role, Role] = ("in", "out") if zero == "outgoing" else ("out", "in")

    def attach(self, wide: nn.Module, added: Mapping[str, int], context: GrowthContext) -> None:
        """Find the new slices in the grown copy."""
        units = len(self.start)
        self.zero = NewSlices(wide, context.graph, self.site, self._roles[0], units, added)
        self.moving = NewSlices(wide, context.graph, self.site, self._roles[1], units, added)
        self.incoming = self.moving if self._roles[1] == "out" else self.zero
        for tensor in (*self.zero.tensors, *self.moving.tensors):
            # Of frozen layers too: their new slices are optimised all the same.
            tensor.requires_grad_()
        self._ascent = Ascent(self.moving.matrix())

    def move(self, gradients: Mapping[int, Tensor], lr: float) -> None:
        """One step of Adam uphill along the sphere, then back to equal-norm, orthogonal units."""
        slope = self.moving.matrix([gradients[id(t)] for t in self.moving.tensors])
        units = self._ascent.step(self.moving.matrix() / self.radius, slope, lr)
        self.moving.write_matrix(units * self.radius)

    def candidates(self, gains: list[float]) -> list[NewUnit]:
        """The start with the weights that were found, largest gradient first."""
        found = self.moving.by_unit()
        order = sorted(range(len(gains)), key=lambda i: -gains[i])
        return [
            NewUnit(
                site=self.site.name,
                index=rank,
                parameters=self.start[i].parameters,
                flops=self.start[i].flops,
                fills={**self.start[i].fills, **found[i]},
                score=gains[i],
            )
            for rank, i in enumerate(order)
        ]


def _readers(problems: list[_Problem], context: GrowthContext) -> set[str]:
    """The modules that read the new units."""
    calls = (context.graph.calls[name] for p in problems for name in p.site.consumers)
    return {call.target for call in calls if call.kind == "module"}


def _own_units(problems: list[_Problem]) -> dict[str, list[int]]:
    """By module, the output channels that are new units."""
    found: dict[str, list[int]] = {}
    for problem in problems:
        for tensor, positions in problem.incoming.positions().items():
            found.setdefault(tensor.rpartition(".")[0], []).extend(positions)
    return found
