"""How channel spaces pass through operations; importing the package registers every rule."""

from growsearch.graph.rules import (
    attention,
    convolution,
    joining,
    linear,
    normalisation,
    pointwise,
    pooling,
    reduction,
    shape,
    shuffle,
)
from growsearch.graph.rules.registry import Rule, find_rule, rule

__all__ = [
    "Rule",
    "attention",
    "convolution",
    "find_rule",
    "joining",
    "linear",
    "normalisation",
    "pointwise",
    "pooling",
    "reduction",
    "rule",
    "shape",
    "shuffle",
]
