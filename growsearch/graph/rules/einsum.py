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
    if not isinstance(equation, str):
        raise Unsupported("an equation that is no text")
    terms, right = _letters(equation, [value.rank for value in step.inputs])
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


def _letters(equation: str, ranks: list[int]) -> tuple[list[str], str]:
    """The terms and the result, with Greek letters for the axes that "..." stands for, which end together."""
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if not arrow:
        right = "".join(sorted(letter for letter in set(left) - set(",.") if left.count(letter) == 1))
        right = "..." + right if "..." in left else right
    left_out = [max(rank - len(term) + 3, 0) if "..." in term else 0 for rank, term in zip(ranks, terms, strict=False)]
    most = max(left_out, default=0)
    greek = "".join(chr(ord("\N{GREEK SMALL LETTER ALPHA}") + place) for place in range(most))
    written = [term.replace("...", greek[most - count :]) for count, term in zip(left_out, terms, strict=False)]
    return written, right.replace("...", greek)


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
