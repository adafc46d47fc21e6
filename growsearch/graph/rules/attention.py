"""Attention as one call: whole heads can change, the width of each cannot, and nothing inside torch's own module."""

from __future__ import annotations

from torch import nn

from growsearch.graph.rules.heads import attend
from growsearch.graph.rules.registry import rule
from growsearch.graph.rules.step import Step, Value


@rule("attention", modules=(nn.MultiheadAttention,))
def _module(step: Step) -> list[Value]:
    query, *others = step.inputs
    step.freeze_inputs(f"width of the heads of nn.MultiheadAttention at {step.location}")
    for value, name in zip((query, *others[:2]), ("q_proj_weight", "k_proj_weight", "v_proj_weight"), strict=False):
        for weight in (step.parameter("in_proj_weight"), step.parameter(name)):
            if weight is not None:
                step.consume(weight, 1, value.axes[-1])
    projection = getattr(step.module, "out_proj", None)
    features = step.fixed(step.shapes[0][-1:], f"width of nn.MultiheadAttention at {step.location}")[0]
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
    query, key, value = (step.tensor_argument(i, name) for i, name in enumerate(("query", "key", "value")))
    outputs = attend(step, query, key, value, step.value(step.argument(3, "attn_mask")))
    # Products of queries and keys, and of weights and values.
    step.cost(2, *query.axes, key.axes[-2])
    step.cost(2, *query.axes[:-1], key.axes[-2], value.axes[-1])
    return outputs
