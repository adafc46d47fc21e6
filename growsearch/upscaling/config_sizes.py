"""Sizes in the configurations of `transformers`: which fields hold them, and whether these can say what is planned."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from growsearch.errors import GrowthRefused
from growsearch.growth import GrowthEvent
from growsearch.surgery.edits import BlockInsertion
from growsearch.upscaling.checkpoint import Checkpoint, first_line, quiet_transformers
from growsearch.upscaling.new_parameters import order_after
from growsearch.upscaling.plan import Plan

_MLP = ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size", "hidden_dim")
_DROPS = "drop"
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


def configured(
    checkpoint: Checkpoint,
    before: Mapping[str, int],
    after: Mapping[str, int],
    head_size: int | None,
    shapes: Mapping[str, tuple[int, ...]],
) -> Any:
    """Return the checkpoint's configuration for the sizes `after`; the class that it builds has tensors of `shapes`.

    Raises `GrowthRefused` where the architecture's configuration cannot say so.

    Args:
        checkpoint: of the network before.
        before: sizes by axis.
        after: sizes by axis.
        head_size: features of a head, where there are heads.
        shapes: by name, of the grown network.
    """
    config = copy.deepcopy(checkpoint.config)
    if after.get("mlp") != before.get("mlp"):
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
        with quiet_transformers(), torch.device("meta"):
            config.validate()
            built: nn.Module = checkpoint.model_class(copy.deepcopy(config))
    except Exception as error:  # classes of transformers check their sizes, each with errors of its own
        return first_line(error.__cause__ or error).rstrip(".")
    for name, tensor in built.state_dict().items():
        wanted = shapes.get(name)
        if wanted != tuple(tensor.shape):
            return f"{name!r} would be {_sizes(tuple(tensor.shape))}, and {_sizes(wanted)} is needed"
    return ""


def _sizes(shape: tuple[int, ...] | None) -> str:
    return " x ".join(map(str, shape)) if shape else "nothing"
