"""Whole blocks inserted into a chain of alike ones."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from growsearch.errors import GrowthRefused
from growsearch.surgery.edits import BlockInsertion
from growsearch.surgery.journal import Journal
from growsearch.surgery.numbering import follow_numbers


def check_blocks(model: nn.Module, insertion: BlockInsertion) -> None:
    """Whether `insertion` can be made in `model`; `GrowthRefused` says why not."""
    try:
        container = model.get_submodule(insertion.path)
    except AttributeError:
        raise GrowthRefused(
            f"no container of blocks {insertion.path!r}: trace the model again after a change"
        ) from None
    names = [f"{insertion.prefix}{insertion.first + block}" for block in range(insertion.blocks)]
    missing = [name for name in names if name not in container._modules]
    if missing or not isinstance(container, nn.ModuleList | nn.Sequential):
        raise GrowthRefused(
            f"{insertion.path!r} has no blocks {missing or names}: trace the model again after a change"
        )
    wrong = [number for pair in insertion.copies for number in pair if not 0 <= number < insertion.blocks]
    if wrong or not insertion.copies:
        raise GrowthRefused(
            f"{insertion.path!r} has blocks 0 to {insertion.blocks - 1}, found {wrong[0] if wrong else 'no copy'}: "
            "give pairs of these, (behind, source)"
        )
    for name in names:
        block = container.get_submodule(name)
        known = dict(block.named_parameters())
        if unknown := [each for each in (*insertion.zeroed, *insertion.scaled) if each not in known]:
            raise GrowthRefused(f"block {name!r} of {insertion.path!r} has no parameter {unknown[0]!r} to change")


def insert_blocks(model: nn.Module, insertion: BlockInsertion, journal: Journal) -> list[tuple[nn.Module, nn.Module]]:
    """Insert the copies and return them, each with the block that it copies.

    They have what their blocks have: values, buffers, mode, `requires_grad`, attributes of parameters. What a block
    shares with the rest of the network, such as a configuration, its copy shares too. Numbers that modules keep of
    their place in the chain, or of its length, follow.

    Args:
        model: changed in place.
        insertion: that `check_blocks` has passed.
        journal: what can undo it.

    Raises:
        GrowthRefused: a block cannot be copied.
    """
    container = model.get_submodule(insertion.path)
    children = {name: child for name, child in container._modules.items() if child is not None}
    names = [f"{insertion.prefix}{insertion.first + block}" for block in range(insertion.blocks)]
    blocks = [children[name] for name in names]
    for block in blocks if insertion.factor != 1 else ():
        for name in insertion.scaled:
            journal.multiply(block.get_parameter(name), insertion.factor)
    copies: list[tuple[nn.Module, nn.Module]] = []
    items: dict[str, nn.Module] = {}
    for name, child in children.items():
        if name == names[0]:
            for number, (source, new) in enumerate(insertion.order(), insertion.first):
                block = blocks[source]
                if new:
                    block = _copy(model, block, insertion)
                    copies.append((block, blocks[source]))
                items[f"{insertion.prefix}{number}"] = block
        elif name not in names:
            items[_behind(name, insertion)] = child
    if len(items) != len(children) + len(copies):
        raise GrowthRefused(
            f"the children of {insertion.path!r} are not numbered one after the other: {list(children)}"
        )
    follow_numbers(model, insertion, list(children.values()), list(items.values()), journal)
    journal.set_items(container._modules, items)
    return copies


def join_copies(
    optimizers: Sequence[Optimizer],
    model: nn.Module,
    copies: Sequence[tuple[nn.Module, nn.Module]],
    state: str,
    journal: Journal,
) -> dict[int, str]:
    """Let the parameters of copies join the groups of those that they copy, with a copy of their state, or none.

    Where no group holds a parameter, because it is not trained, none holds its copy.

    Args:
        optimizers: those of the model.
        model: with the copies in it.
        copies: each with the block that it copies.
        state: "copied" or "reset".
        journal: what can undo it.

    Returns:
        The names of all new parameters, by `id`.
    """
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    new: dict[int, str] = {}
    for copied, block in copies:
        for parameter, source in zip(copied.parameters(), block.parameters(), strict=True):
            new[id(parameter)] = names[id(parameter)]
            for optimizer in optimizers:
                for group in optimizer.param_groups:
                    if not any(held is source for held in group["params"]):
                        continue
                    journal.append(group["params"], parameter)
                    if "param_names" in group:
                        journal.append(group["param_names"], names[id(parameter)])
                    if state == "reset":
                        begin_state(optimizer, group, parameter, journal)
                    elif source in optimizer.state:
                        journal.add_item(optimizer.state, parameter, copy.deepcopy(optimizer.state[source]))
    return new


def begin_state(optimizer: Optimizer, group: dict[str, Any], parameter: nn.Parameter, journal: Journal) -> None:
    """What Adagrad gives a parameter when it is made, and at its first step in newer versions of torch only.

    Args:
        optimizer: that a new parameter has joined.
        group: which one.
        parameter: the new one.
        journal: what can undo it.
    """
    if isinstance(optimizer, torch.optim.Adagrad):
        start = torch.full_like(parameter, group["initial_accumulator_value"]).detach()
        journal.add_item(optimizer.state, parameter, {"step": torch.tensor(0.0), "sum": start})


def _behind(name: str, insertion: BlockInsertion) -> str:
    """The name of a child that is no block of the run: those behind it have higher numbers afterwards."""
    rest = name.removeprefix(insertion.prefix)
    if not name.startswith(insertion.prefix) or not rest.isdigit() or int(rest) < insertion.first:
        return name
    return f"{insertion.prefix}{int(rest) + len(insertion.copies)}"


def _copy(model: nn.Module, block: nn.Module, insertion: BlockInsertion) -> nn.Module:
    try:
        new = copy.deepcopy(block, _shared(model, block))
    except Exception as error:  # whatever a module's own __deepcopy__ raises
        raise GrowthRefused(
            f"a block of {insertion.path!r} cannot be copied: {type(error).__name__}: {error}"
        ) from error
    for copied, old in zip(new.parameters(), block.parameters(), strict=True):
        copied.__dict__.update(old.__dict__)
        copied.grad = None
    with torch.no_grad():
        for name in insertion.zeroed:
            new.get_parameter(name).zero_()
    return new


def _shared(model: nn.Module, block: nn.Module) -> dict[int, Any]:
    """What `copy.deepcopy` of a block leaves as it is: modules outside it, and objects that these hold too."""
    inside = {id(module) for module in block.modules()}
    outside = [module for module in model.modules() if id(module) not in inside]
    own = {id(value) for module in block.modules() for value in vars(module).values()}
    held = [value for module in outside for value in vars(module).values() if id(value) in own]
    plain = [value for value in held if not isinstance(value, Tensor | dict | list | set)]
    return {id(value): value for value in (*outside, *plain)}
