"""Draw growth.svg, the first picture of the documentation: a small network that grows while it learns two spirals.

The growth is real: trained, grown by `growsearch.grow`, and drawn from the events and the weights at each of them.

    uv run python -m docs.figures.growth
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

import growsearch
from docs.figures.growth_svg import draw

FILE = Path(__file__).with_name("growth.svg")
TURNS, EVENTS = 1.4, 4
UNITS = {"0": 2, "2": 2}


@dataclass(frozen=True)
class Moment:
    """The network at a step: absolute weights by layer, and the event that has just happened, if any."""

    step: int
    weights: dict[str, list[list[float]]]
    event: growsearch.GrowthEvent | None = None


@dataclass(frozen=True)
class Film:
    """What there is to draw: the graph at the end, moments in time, and the loss of every step."""

    graph: growsearch.NetworkGraph
    moments: list[Moment]
    losses: list[float]


def spirals(count: int = 150) -> tuple[Tensor, Tensor]:
    """Return points of two spirals, of shape (2 * count, 2), and the spiral of each."""
    angle = TURNS * 2 * math.pi * torch.linspace(0.15, 1, count).sqrt()
    one = torch.stack([angle * angle.cos(), angle * angle.sin()], 1) / 5
    return torch.cat([one, -one]), torch.cat([torch.zeros(count), torch.ones(count)])


def film(every: int = 100) -> Film:
    """Train, growing `every` so many steps; a moment between each two events shows the weights as they learn."""
    torch.manual_seed(1)
    points, labels = spirals()
    model = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)

    def objective(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        return nn.functional.binary_cross_entropy_with_logits(model(batch[0]).squeeze(1), batch[1])

    def moment(step: int, event: growsearch.GrowthEvent | None = None) -> Moment:
        layers = {name: module for name, module in model.named_modules() if isinstance(module, nn.Linear)}
        return Moment(step, {name: layer.weight.detach().abs().tolist() for name, layer in layers.items()}, event)

    moments, losses = [moment(0)], []
    for step in range(1, every * (EVENTS + 3) + 1):
        loss = objective(model, (points, labels))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        grows = step % every == 0 and step <= every * EVENTS
        if grows or step % (every // 2) == 0:
            moments.append(moment(step))
        if grows:
            event = growsearch.grow(
                model,
                points,
                UNITS,
                how="gradmax",
                optimizer=optimizer,
                objective=objective,
                batches=[(points, labels)],
                report=None,
            )
            moments.append(moment(step, event))
    return Film(growsearch.trace(model, points), moments, losses)


if __name__ == "__main__":
    FILE.write_text(draw(film()))
