"""How channel spaces pass through operations; importing the package registers every rule."""

from growsearch.graph.rules import (
    attention,
    convolution,
    einsum,
    indexing,
    joining,
    linear,
    normalisation,
    pointwise,
    pooling,
    positions,
    reduction,
    shape,
    shuffle,
)
from growsearch.graph.rules.registry import Rule, find_rule, rule

__all__ = [
    "Rule",
    "attention",
    "convolution",
    "einsum",
    "find_rule",
    "indexing",
    "joining",
    "linear",
    "normalisation",
    "pointwise",
    "pooling",
    "positions",
    "reduction",
    "rule",
    "shape",
    "shuffle",
]
