"""Attention: its widths are bound to the heads and stay as they are."""

from __future__ import annotations

from torch import nn

from growsearch.graph.rules.registry import rule
from growsearch.graph.rules.step import Step, Value


@rule("attention", modules=(nn.MultiheadAttention,))
def _module(step: Step) -> list[Value]:
    query, *others = step.inputs
    step.freeze_inputs(f"width of the heads of nn.MultiheadAttention at {step.place}")
    for value, name in zip((query, *others[:2]), ("q_proj_weight", "k_proj_weight", "v_proj_weight"), strict=False):
        for weight in (step.parameter("in_proj_weight"), step.parameter(name)):
            if weight is not None:
                step.consume(weight, 1, value.axes[-1])
    projection = getattr(step.module, "out_proj", None)
    features = step.fixed(step.shapes[0][-1:], f"width of nn.MultiheadAttention at {step.place}")[0]
    if isinstance(projection, nn.Linear):
        weight = step.parameter("out_proj.weight")
        if weight is not None:
            features = weight.axes[0]
            step.produce(weight, 0, features)
            step.freeze(features, "width of the heads used")
    weights = [Value(shape, step.fixed(shape, "attention weights")) for shape in step.shapes[1:]]
    return [Value(step.shapes[0], (*query.axes[:-1], features)), *weights]


@rule("attention", functions="scaled_dot_product_attention")
def _function(step: Step) -> list[Value]:
    step.freeze_inputs(f"width of the heads of scaled_dot_product_attention at {step.place}")
    return step.output(step.fixed(step.shapes[0], f"attention at {step.place}"))
