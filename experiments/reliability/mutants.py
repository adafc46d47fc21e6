"""Mutants of `growsearch.graph`, `surgery` and `growth`: places drawn at random, changed by an operator of cosmic-ray.

A place is drawn first, then one of the operators that apply there, so that no operator has more than its share. What
changes nothing but annotations, docstrings or the words of messages is no mutant.
"""

from __future__ import annotations

import ast
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cosmic_ray.mutating
import cosmic_ray.plugins
import parso

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("graph", "surgery", "growth")
LEFT_OUT = ("RemoveDecorator", "ExceptionReplacer", "Variable")  # no changes of a value or a decision
OPERATORS = [name for name in sorted(cosmic_ray.plugins.operator_names()) if not any(one in name for one in LEFT_OUT)]


@dataclass(frozen=True)
class Mutant:
    """A changed file, by the line and column, the operator and its occurrence there."""

    path: str
    line: int
    column: int
    operator: str
    occurrence: int

    def text(self) -> str:
        """The changed source."""
        return _mutate(ROOT / self.path, self.operator, self.occurrence)

    def shown(self) -> str:
        """The changed line, before and after."""
        before, after = (ROOT / self.path).read_text().splitlines(), self.text().splitlines()
        changed = after[self.line - 1].strip() if self.line <= len(after) else ""  # the last line may be gone
        return f"{before[self.line - 1].strip()}  ->  {changed}"


def drawn(count: int, seed: int) -> list[Mutant]:
    """As many mutants, from a seed: the first ones of a longer sample are those of a shorter one."""
    found = defaultdict(list)
    for mutant in _all():
        found[mutant.path, mutant.line, mutant.column].append(mutant)
    places, draw = sorted(found), random.Random(seed)
    draw.shuffle(places)
    sample: list[Mutant] = []
    for place in places:
        mutant = draw.choice(found[place])
        if _changes(mutant):
            sample.append(mutant)
        if len(sample) == count:
            break
    return sample


def _all() -> Iterator[Mutant]:
    """Every mutant that an operator makes."""
    operators = [(name, cosmic_ray.plugins.get_operator(name)()) for name in OPERATORS]
    for package in PACKAGES:
        for path in sorted((ROOT / "growsearch" / package).rglob("*.py")):
            count: Counter[str] = Counter()
            for node in _nodes(parso.parse(path.read_text())):
                for name, operator in operators:
                    for (line, column), _ in operator.mutation_positions(node):
                        yield Mutant(str(path.relative_to(ROOT)), line, column, name, count[name])
                        count[name] += 1


def _nodes(node: parso.tree.NodeOrLeaf) -> Iterator[parso.tree.NodeOrLeaf]:
    yield node
    for child in getattr(node, "children", ()):
        yield from _nodes(child)


def _mutate(path: Path, operator: str, occurrence: int) -> str:
    made = cosmic_ray.plugins.get_operator(operator)()
    text = cosmic_ray.mutating.mutate_code(path.read_text(), made, occurrence)
    assert text is not None, f"{operator} has no place {occurrence} in {path}"
    return str(text)


def _changes(mutant: Mutant) -> bool:
    try:
        after = _meaning(mutant.text())
    except SyntaxError:
        return False
    return after != _meaning((ROOT / mutant.path).read_text())


class _Bare(ast.NodeTransformer):
    """A tree without annotations and the words of messages."""

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.returns = None
        return self.generic_visit(node)

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return ast.Raise()

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return ast.Constant("")


def _meaning(text: str) -> str:
    return ast.dump(_Bare().visit(ast.parse(text)))
