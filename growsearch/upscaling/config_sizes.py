"""Sizes in the configurations of `transformers`: which fields hold them, and whether these can say what is planned."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from growsearch.errors import GrowthRefused
from growsearch.growth import GrowthEvent
from growsearch.surgery.edits import AttributeEdit, BlockInsertion
from growsearch.upscaling.checkpoint import Checkpoint, first_line, quiet_transformers
from growsearch.upscaling.new_parameters import order_after
from growsearch.upscaling.plan import Plan

_MLP = ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "hidden_dim")
_DROPS, _EPS = "drop", "eps"
_KINDS = "layer_types"
"""A field with the kind of attention of every block."""


def without_dropout(config: Any) -> Any:
    """Return the configuration with every rate of dropout at 0, and no cache: for tracing and comparing."""
    still = copy.deepcopy(config)
    for name, value in config.to_dict().items():
        if _DROPS in name and isinstance(value, float):
            setattr(still, name, 0.0)
    still.use_cache = False
    return still


def configured(checkpoint: Checkpoint, plan: Plan, head_size: int | None, shapes: Mapping[str, tuple[int, ...]]) -> Any:
    """Return the checkpoint's configuration for the widths of `plan`; its class has tensors of `shapes` then.

    Raises `GrowthRefused` where the architecture's configuration cannot say so.

    Args:
        checkpoint: of the network before.
        plan: with the sizes before and after.
        head_size: features of a head, where there are heads.
        shapes: by name, of the grown network.
    """
    config = copy.deepcopy(checkpoint.config)
    before, after = plan.before, plan.after
    wider = after.get("residual") != before.get("residual")
    if wider:
        config.hidden_size = after["residual"]
    if after.get("mlp") != before.get("mlp") or (wider and "mlp" in after):  # some have none, and take a multiple
        setattr(config, _mlp_name(checkpoint), after["mlp"])
    if after.get("heads") != before.get("heads"):
        config.num_attention_heads = after["heads"]
        served = getattr(config, "num_key_value_heads", None)
        if served:
            config.num_key_value_heads = served * after["heads"] // before["heads"]
    wrong = _difference(checkpoint, config, shapes)
    if wrong and head_size is not None:
        config.head_dim = head_size  # many have such a field, and take hidden size / heads without it
        wrong = _difference(checkpoint, config, shapes)
    if wrong:
        sizes = ", ".join(f"{axis} {before[axis]} to {size}" for axis, size in after.items() if size != before[axis])
        raise GrowthRefused(
            f"{sizes}: the configuration of a {checkpoint.kind} cannot say this: {wrong}. Where it has no size of a "
            "head, heads times their size are always the residual width: grow other axes, or choose other sizes"
        )
    return config


def deepen(config: Any, plan: Plan, events: Sequence[GrowthEvent]) -> None:
    """Write the number of blocks into `config`, and lists with one entry a block in their new order.

    Args:
        config: changed in place.
        plan: with the numbers before and after.
        events: that grew the network.
    """
    if not plan.blocks:
        return
    order = list(range(plan.before["depth"]))
    for edit in (edit for event in events for edit in event.edits if isinstance(edit, BlockInsertion)):
        order = [order[source] for source, _ in order_after(edit.blocks, edit.copies)]
    config.num_hidden_layers = plan.after["depth"]
    kinds = getattr(config, _KINDS, None)
    if isinstance(kinds, list | tuple) and len(kinds) == plan.before["depth"]:
        setattr(config, _KINDS, [kinds[source] for source in order])


def follow_norms(checkpoint: Checkpoint, config: Any, model: nn.Module, events: Sequence[GrowthEvent]) -> None:
    """Write into `config` what normalisations add to the variance now, where a wider stream has changed that.

    Raises `GrowthRefused` where the configuration has one number for norms that now differ.

    Args:
        checkpoint: of the network before.
        config: changed in place; of the grown network's depth.
        model: the grown network.
        events: that grew it.
    """
    edits = [edit for event in events for edit in event.edits if isinstance(edit, AttributeEdit)]
    eps = {edit.before: edit.after for edit in edits if _EPS in edit.name}
    if not eps:
        return
    for name, value in config.to_dict().items():
        if _EPS in name and value in eps:
            setattr(config, name, eps[value])
    built = _built(checkpoint, config)
    wrong = next((path for path, value in _eps_of(model).items() if _eps_of(built).get(path) != value), None)
    if wrong is not None:
        raise GrowthRefused(
            "residual: the eps of the norms on the residual stream has to change with its width, and in the "
            f"configuration of a {checkpoint.kind} it is that of {wrong!r}, too: choose a multiple of the width, such "
            "as 2x, and how: copy_width, which needs no other eps"
        )


def changes(old: Any, new: Any) -> dict[str, tuple[Any, Any]]:
    """Return the fields that differ, with both values."""
    first, second = old.to_dict(), new.to_dict()
    return {name: (first.get(name), value) for name, value in second.items() if first.get(name) != value}


def _mlp_name(checkpoint: Checkpoint) -> str:
    fields = checkpoint.config.to_dict()
    name = next((each for each in _MLP if each in fields), None)
    if name is None:
        raise GrowthRefused(
            f"mlp: a {checkpoint.kind} has none of the known fields for it ({', '.join(_MLP)}): grow other axes"
        )
    return name


def _difference(checkpoint: Checkpoint, config: Any, shapes: Mapping[str, tuple[int, ...]]) -> str:
    """How the class built from `config` differs from `shapes`; empty where it does not."""
    try:
        built = _built(checkpoint, config)
    except Exception as error:  # classes of transformers check their sizes, each with errors of its own
        return first_line(error.__cause__ or error).rstrip(".")
    for name, tensor in built.state_dict().items():
        wanted = shapes.get(name)
        if wanted != tuple(tensor.shape):
            return f"{name!r} would be {_sizes(tuple(tensor.shape))}, and {_sizes(wanted)} is needed"
    return ""


def _built(checkpoint: Checkpoint, config: Any) -> nn.Module:
    """The network of a configuration, without values."""
    with quiet_transformers(), torch.device("meta"):
        config.validate()
        built: nn.Module = checkpoint.model_class(copy.deepcopy(config))
        return built


def _eps_of(model: nn.Module) -> dict[str, float]:
    """What the normalisations of a model add to the variance, by path and name."""
    return {
        f"{path}.{name}": value
        for path, module in model.named_modules()
        for name, value in vars(module).items()
        if _EPS in name and isinstance(value, float)
    }


def _sizes(shape: tuple[int, ...] | None) -> str:
    return " x ".join(map(str, shape)) if shape else "nothing"
