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
from growsearch.graph.rules.registry import Operation, find_rule, keep_built_in, load_operations, operation, rule

keep_built_in()

__all__ = [
    "Operation",
    "attention",
    "convolution",
    "einsum",
    "find_rule",
    "indexing",
    "joining",
    "linear",
    "load_operations",
    "normalisation",
    "operation",
    "pointwise",
    "pooling",
    "positions",
    "reduction",
    "rule",
    "shape",
    "shuffle",
]
