"""Draw the pictures of docs/concepts.md, from real growths: site.svg, policy.svg and transaction.svg.

uv run python -m docs.figures.concepts
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

import growsearch
from docs.figures.concepts_svg import policy_svg, site_svg, transaction_svg

HERE = Path(__file__).parent
SITES = ("0", "2")


@dataclass(frozen=True)
class Widened:
    """A growth of one site: its event, and the tensors that it changed, before and after."""

    event: growsearch.GrowthEvent
    before: dict[str, Tensor]
    after: dict[str, Tensor]


@dataclass(frozen=True)
class Trained:
    """A training that grew: the loss of every step, the events, and the widths of the sites at the start."""

    losses: list[float]
    events: list[growsearch.GrowthEvent]
    widths: dict[str, int]


def widened() -> Widened:
    """Return a growth of 5 - 4 - 3 by two units."""
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
    inputs = torch.randn(8, 5)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    event = growsearch.grow(model, inputs, {"0": 2}, how={"zero": {"side": "outgoing"}}, report=None)
    return Widened(event, before, dict(model.state_dict()))


def trained(steps: int = 240) -> Trained:
    """Return a training whose three strategies can be seen: four moments, a layer each, and a loss that goes on."""
    torch.manual_seed(0)
    inputs = torch.randn(256, 6)
    targets = torch.sin(inputs @ torch.randn(6, 3)) + 0.5 * torch.cos(inputs @ torch.randn(6, 3))
    model = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.03)
    grower = growsearch.Grower(
        model, optimizer, inputs, objective=objective, batches=[(inputs, targets)], report=None,
        when={"interval": {"every": steps // 6, "count": 4}}, where="round_robin", how="gradmax", budget={"units": 16},
    )  # fmt: skip
    widths = {name: grower.graph.sites[name].width for name in SITES}
    losses, events = [], []
    for _ in range(steps):
        loss = objective(model, (inputs, targets))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
        if event := grower.step():
            events.append(event)
    return Trained(losses, events, widths)


def objective(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    """Mean squared error."""
    return nn.functional.mse_loss(model(batch[0]), batch[1])


if __name__ == "__main__":
    growth, training = widened(), trained()
    (HERE / "site.svg").write_text(site_svg(growth.event, growth.before, growth.after))
    (HERE / "policy.svg").write_text(policy_svg(training.losses, training.events, training.widths))
    (HERE / "transaction.svg").write_text(transaction_svg())
