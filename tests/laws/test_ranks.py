"""Every strategy keeps its laws where two processes train one network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from growsearch import Grower
from growsearch.registry import names
from growsearch.surgery import outputs_of, relative_difference
from growsearch.testing.subjects import CHAIN, SUBJECTS, Batch, Subject, objective
from growsearch.testing.training import same
from growsearch.training.batch_norm import GlobalBatchNorm
from tests.growth.ranks import ranks
from tests.laws.settings import cheap, is_exact, strategy_class

_STEPS = 4  # with an event after every second one
_DTYPE = torch.float64
_SUBJECTS = {subject.name: subject for subject in (*SUBJECTS, CHAIN)}

Policy = dict[str, Any]


def initializers() -> dict[str, tuple[str, Policy]]:
    """A network and a policy for every initializer."""
    found = {}
    for name in names("how"):
        stacks = strategy_class("how", name).stacks()  # type: ignore[attr-defined]  # initializers have it
        found[name] = ("chain" if stacks else "smooth", {"how": cheap("how", name), "amount": 0.5})
    return found


def selectors() -> dict[str, tuple[str, Policy]]:
    """The same for every selector, over convolutions and batch normalisation."""
    return {
        name: ("cnn", {"where": cheap("where", name), "how": "random", "budget": {"units": 6}})
        for name in names("where")
    }


def part(batch: Batch, rank: int, size: int) -> Batch:
    """The share of a process."""
    rows = slice(len(batch[0]) * rank // size, len(batch[0]) * (rank + 1) // size)
    return batch[0][rows], batch[1][rows]


def grown(subject: Subject, policy: Policy, rank: int, size: int) -> dict[str, Any]:
    """What a process holds after some steps, what happened, and how far events have moved its outputs."""
    model = subject.model(_DTYPE)
    trained: nn.Module = model if size == 1 else DistributedDataParallel(model)
    optimizer = torch.optim.SGD(trained.parameters(), lr=0.02, momentum=0.9)
    inputs = subject.batch(dtype=_DTYPE)[0]
    statistics = [part(subject.batch(seed, dtype=_DTYPE), rank, size) for seed in range(100, 108)]
    given = {"objective": objective, "batches": statistics, "when": {"interval": {"every": 2}}, "seed": 3}
    grower = Grower(trained, optimizer, inputs, report=None, **{**given, **policy})
    events, moved = [], 0.0
    for step in range(_STEPS):
        optimizer.zero_grad()
        if size == 1:
            loss = objective(trained, subject.batch(step, dtype=_DTYPE))
        else:
            with GlobalBatchNorm():
                loss = objective(trained, part(subject.batch(step, dtype=_DTYPE), rank, size))
        loss.backward()
        optimizer.step()
        before = [outputs_of(model, inputs, training) for training in (False, True)]
        event = grower.step()
        if event is None:
            continue
        after = [outputs_of(model, inputs, training) for training in (False, True)]
        moved = max(moved, *(relative_difference(one, other) for one, other in zip(before, after, strict=True)))
        events.append({**event.to_json(), "seconds": 0.0})
    held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    return {
        "model": dict(model.state_dict()),
        "optimizer": optimizer.state_dict(),
        "grower": grower.state_dict(),
        "events": events,
        "moved": moved,
        "whole": held == {id(parameter) for parameter in trained.parameters()},
    }


def all_grown(rank: int, size: int, policies: dict[str, tuple[str, Policy]]) -> dict[str, dict[str, Any]]:
    """The same for all policies, by name."""
    torch.set_num_threads(1)
    return {name: grown(_SUBJECTS[subject], policy, rank, size) for name, (subject, policy) in policies.items()}


def broken(one: dict[str, Any], several: Sequence[dict[str, Any]], exact: bool) -> list[str]:
    """The laws that do not hold for several processes, beside one on the same global batches."""
    first = several[0]
    close = first["model"].keys() == one["model"].keys() and all(
        value.shape == one["model"][name].shape and torch.allclose(value, one["model"][name], rtol=1e-6, atol=1e-9)
        for name, value in first["model"].items()
    )
    sites = [[event["sites"] for event in each["events"]] for each in (one, first)]
    laws = {
        "it grows": bool(first["events"]) and all(event["refused"] is None for event in first["events"]),
        "all processes hold the same bits": all(same(first, other) for other in several),
        "its decisions are those of one process": sites[0] == sites[1],
        "its network is that of one process": close,
        "the function is kept": not exact or first["moved"] < 1e-5,
        "every parameter is trained": first["whole"],
    }
    return [law for law, holds in laws.items() if not holds]


@pytest.mark.parametrize("group", ["how", "where"])
def test_every_strategy_keeps_its_laws_in_two_processes(group: str, tmp_path: Path) -> None:
    policies = initializers() if group == "how" else selectors()

    several = ranks(2, all_grown, tmp_path, policies)

    found = {
        name: broken(one, [each[name] for each in several], group == "how" and is_exact(name))
        for name, one in all_grown(0, 1, policies).items()
    }
    assert {name: laws for name, laws in found.items() if laws} == {}
    assert len(found) == len(names(group)) > 5


def test_what_is_not_the_same_is_noticed() -> None:
    one = grown(_SUBJECTS["smooth"], {"how": "random", "amount": 0.5}, 0, 1)
    other = grown(_SUBJECTS["smooth"], {"how": "random", "amount": 0.5, "seed": 4}, 0, 1)

    assert broken(one, [one, one], exact=False) == []
    assert broken(one, [{**other, "moved": 1e-4}, one], exact=True) == [
        "all processes hold the same bits",
        "its network is that of one process",
        "the function is kept",
    ]
