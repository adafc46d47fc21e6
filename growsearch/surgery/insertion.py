"""Layers inserted behind a module."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from growsearch.errors import GrowthRefused
from growsearch.optimizers import record_of
from growsearch.surgery.blocks import begin_state, check_blocks
from growsearch.surgery.edits import BlockInsertion, Deepening, Insertion
from growsearch.surgery.journal import Journal
from growsearch.surgery.layers import ResidualBlock, identity_layer
from growsearch.surgery.reindex import memory_format

LAYERS = ("identity", "residual", "residual_norm")


def check_insertions(model: nn.Module, insertions: Sequence[Deepening]) -> None:
    """Whether all of `insertions` can be made in `model`; `GrowthRefused` says why one cannot."""
    names: dict[int, list[str]] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        names.setdefault(id(module), []).append(path)
    paths = {path: same for same in names.values() for path in same}
    seen: list[str] = []
    for insertion in insertions:
        if isinstance(insertion, BlockInsertion):
            check_blocks(model, insertion)
            continue
        path = insertion.path
        if not path or path not in paths:
            raise GrowthRefused(f"no module {path!r} to insert behind: use one of named_modules(), not the root")
        if len(paths[path]) > 1:
            raise GrowthRefused(f"the module at {path!r} is used under several names, {paths[path]}: use one of a kind")
        if any(f"{one}.".startswith(f"{other}.") for each in seen for one, other in ((path, each), (each, path))):
            raise GrowthRefused(f"insertions behind {path!r} and behind what holds it: make one after the other")
        seen.append(path)
        _check_layer(insertion, model.get_submodule(path))
    within = [insertion.path for insertion in insertions if isinstance(insertion, BlockInsertion)]
    for path in (insertion.path for insertion in insertions):
        if clash := [each for each in within if each != path and f"{path}.".startswith(f"{each}." if each else "")]:
            raise GrowthRefused(
                f"insertions at {path!r} and of blocks that hold it, in {clash[0]!r}: make one after the other"
            )


def insert_copy(companion: nn.Module, path: str, inserted: nn.Sequential, journal: Journal) -> None:
    """Make in `companion`, at `path`, the insertion that gave `inserted`: with copies of its new layers.

    Args:
        companion: a module of the model's architecture, such as an EMA copy.
        path: of the module that the insertion has replaced.
        inserted: what stands there in the model now.
        journal: what can undo it.
    """
    old = companion.get_submodule(path)
    if old is inserted:
        return  # the companion holds the model's own modules
    new = [copy.deepcopy(layer).train(old.training) for layer in list(inserted)[1:]]
    averaged = not any(parameter.requires_grad for parameter in companion.parameters())
    for layer in new:
        layer.requires_grad_(not averaged)
    _wrap(companion, path, new, journal)


def insert(model: nn.Module, insertion: Insertion, journal: Journal) -> nn.Sequential:
    """Replace the module at the insertion's path by `nn.Sequential(old, new...)`, which is returned.

    The old module is then found at `path + ".0"`, the new layer at `path + ".1"`, so the names of the old module's
    parameters change: see `rename`. New tensors take dtype, device and memory format of the parameters before them.
    """
    old = model.get_submodule(insertion.path)
    reference = _reference(model, insertion.path)
    layer = _layer(insertion)
    if reference is not None:
        layer.to(device=reference.device, dtype=reference.dtype)
        if reference.ndim == 4 and memory_format(reference) is torch.channels_last:
            layer.to(memory_format=torch.channels_last)
    new = [layer, copy.deepcopy(old)] if insertion.layer == "identity" else [layer]
    return _wrap(model, insertion.path, [module.train(old.training) for module in new], journal)


def _wrap(model: nn.Module, path: str, new: Sequence[nn.Module], journal: Journal) -> nn.Sequential:
    parent, _, key = path.rpartition(".")
    old = model.get_submodule(path)
    wrapped = nn.Sequential(old, *new)
    wrapped.training = old.training
    journal.set_item(model.get_submodule(parent)._modules, key, wrapped)
    return wrapped


def join_optimizers(
    optimizers: Sequence[Optimizer], model: nn.Module, before: dict[int, str], journal: Journal
) -> None:
    """Let parameters that are new in `model` join the optimizers, and follow the names of those that moved.

    A new weight joins the group of the weight before it, a bias or a parameter of a normalisation that of the one
    before it: so exclusions from weight decay hold for new layers too. The groups stay the same objects and no group
    is added, so schedulers stay valid. `before` has the names of all parameters by `id`, from before the insertion.

    Args:
        optimizers: those of the model.
        model: with the insertion made.
        before: names of all parameters by `id`, from before the insertion.
        journal: what can undo it.

    Raises:
        GrowthRefused: no optimizer holds a parameter that a new one could join.
    """
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            _follow_names(group, before, names, journal)
    parameters = list(model.parameters())
    for index, parameter in enumerate(parameters):
        if id(parameter) in before:
            continue
        # The nearest one before it, else the nearest one behind it.
        neighbours = [*reversed(parameters[:index]), *parameters[index + 1 :]]
        target = _group_for(optimizers, parameter, neighbours)
        if target is None:
            raise GrowthRefused(
                f"no parameter group can take the new {names[id(parameter)]!r} of shape {tuple(parameter.shape)}: give "
                "an optimizer that holds parameters of this model"
            )
        journal.append(target["params"], parameter)
        for optimizer in optimizers:
            if any(each is target for each in optimizer.param_groups):
                begin_state(optimizer, target, parameter, journal)
        if "param_names" in target:
            journal.append(target["param_names"], names[id(parameter)])


def _check_layer(insertion: Insertion, old: nn.Module) -> None:
    if insertion.layer not in LAYERS:
        raise GrowthRefused(f"unknown layer {insertion.layer!r} to insert: allowed are {', '.join(LAYERS)}")
    if insertion.kernel < 1 or insertion.kernel % 2 == 0:
        raise GrowthRefused(f"a layer of kernel {insertion.kernel} cannot keep the size: use an odd kernel")
    if insertion.channels < 1 or insertion.spatial not in range(4):
        raise GrowthRefused(
            f"a layer of {insertion.channels} channels over {insertion.spatial} spatial dimensions cannot be made: "
            "use at least 1 channel and 0 to 3 dimensions"
        )
    if insertion.layer == "identity" and not _idempotent(old):
        raise GrowthRefused(
            f"an identity layer behind {insertion.path!r}, a {type(old).__name__}, would change the function: it needs "
            "an activation that does nothing more when applied twice, such as ReLU; insert 'residual' here"
        )


def _idempotent(module: nn.Module) -> bool:
    """Whether applying the module twice is applying it once, as with ReLU: tried out, in train mode."""
    if any(True for _ in (*module.parameters(), *module.buffers(), *module.children())):
        return False
    module = copy.deepcopy(module).train()
    probe = torch.linspace(-8, 8, 257).view(1, -1, 1)
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        try:
            once = module(probe.clone())
            twice = module(once.clone())
        except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError):
            return False  # not a function of one element at a time
    return isinstance(once, Tensor) and once.shape == probe.shape and torch.equal(twice, once)


def _layer(insertion: Insertion) -> nn.Module:
    channels, spatial, kernel = insertion.channels, insertion.spatial, insertion.kernel
    # Making a layer draws its default weights: the user's random numbers go on as if nothing had happened.
    with torch.random.fork_rng(devices=[]), torch.device("cpu"):
        torch.default_generator.manual_seed(insertion.seed)
        if insertion.layer == "identity":
            return identity_layer(channels, spatial, kernel)
        return ResidualBlock(channels, spatial, kernel, norm=insertion.layer == "residual_norm")


def _reference(model: nn.Module, path: str) -> Tensor | None:
    """The last floating-point weight up to `path`, else the first one of the model."""
    found = None
    reached = False
    for name, module in model.named_modules():
        if reached and not name.startswith(f"{path}."):
            break
        for parameter in module.parameters(recurse=False):
            if parameter.is_floating_point() and (found is None or parameter.ndim > 1):
                found = parameter
        reached = reached or name == path
    return next(model.parameters(), None) if found is None else found


def _follow_names(group: dict[str, Any], before: dict[int, str], after: dict[int, str], journal: Journal) -> None:
    names = group.get("param_names", ())
    for index, (parameter, name) in enumerate(zip(group["params"], names, strict=False)):
        if before.get(id(parameter)) == name != after[id(parameter)]:
            journal.set_item(names, index, after[id(parameter)])


def _group_for(
    optimizers: Sequence[Optimizer], parameter: Tensor, neighbours: Sequence[Tensor]
) -> dict[str, Any] | None:
    """The group of the nearest neighbour of the same kind (weights, or vectors), else of the nearest one at all."""
    groups = {
        id(held): group
        for optimizer in optimizers
        if parameter.ndim == 2 or not getattr(record_of(optimizer), "matrices_only", False)
        for group in optimizer.param_groups
        for held in group["params"]
    }
    alike = [each for each in neighbours if (each.ndim > 1) == (parameter.ndim > 1)]
    return next((groups[id(each)] for each in [*alike, *neighbours] if id(each) in groups), None)
