"""Products written with letters."""

from __future__ import annotations

from math import prod

from growsearch.graph.rules.registry import rule
from growsearch.graph.rules.step import Step, Value
from growsearch.graph.spaces import Space, Unsupported, unify


@rule("einsum", functions="einsum")
def _einsum(step: Step) -> list[Value]:
    """Equal letters go together; a letter that is summed is one of a weight's inputs, or cannot grow."""
    equation = step.argument(0, "equation")
    if not isinstance(equation, str) or "." in equation:
        raise Unsupported("an equation that is not letters only")
    left, _, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if "->" not in equation:
        right = "".join(sorted(letter for letter in set(left) - {","} if left.count(letter) == 1))
    if len(terms) != len(step.inputs) or any(len(t) != v.rank for t, v in zip(terms, step.inputs, strict=True)):
        raise Unsupported("an equation that does not fit its operands")
    sizes: dict[str, int] = {}
    spaces: dict[str, Space] = {}
    for term, value in zip(terms, step.inputs, strict=True):
        for letter, size, pieces in zip(term, value.shape, value.axes, strict=True):
            if term.count(letter) > 1 or sizes.get(letter, size) != size:
                raise Unsupported("a diagonal or a broadcast")
            sizes[letter] = size
            unify(spaces.setdefault(letter, pieces), pieces)
    _roles(step, terms, right, spaces)
    if step.call.flops == 2 * prod(sizes.values()):
        step.cost(2, *spaces.values())
    return step.output([spaces[letter] for letter in right])


def _roles(step: Step, terms: list[str], right: str, spaces: dict[str, Space]) -> None:
    """One weight beside one activation is a linear layer over the letters that both have and the result has not."""
    weights = [number for number, value in enumerate(step.inputs) if any(slot is not None for slot in value.slots)]
    number = weights[0] if len(weights) == 1 and len(terms) == 2 else None
    for letter, pieces in spaces.items():
        shared = all(letter in term for term in terms)
        if number is None or letter not in terms[number]:
            if letter not in right:
                step.freeze(pieces, "summed over")
        elif letter in right and not shared:
            step.produce(step.inputs[number], terms[number].index(letter), pieces)
        elif letter not in right and shared:
            step.consume(step.inputs[number], terms[number].index(letter), pieces)
        elif letter not in right:
            step.freeze(pieces, "summed over")
