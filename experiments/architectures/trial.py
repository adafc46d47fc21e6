"""One architecture: every exact site grown at once by one unit with `zero`, and what came of it."""

from __future__ import annotations

import copy
import re
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

import growsearch
from growsearch import GrowsearchError, GrowthEvent
from growsearch.graph import NetworkGraph

from .architecture import Architecture
from .outputs import difference, outputs_of
from .randomise import randomise

TOLERANCE = 1e-5
HALF_TOLERANCE = 3e-2
ROUNDING = 1e-9
SENSITIVITY = 1e-4
SEARCH_SECONDS = 60
OUT_OF_TIME = "not tried: out of time"


@dataclass
class Found:
    """What came of one architecture; `outcome` is one of

    kept: all exact sites grew, and the function is the same in both modes; partly: some sites were left out or refused,
    the others keep the function; refused: none grew; no exact site: there is nothing to grow; not traced: a refusal of
    the whole model; wrong: growth reported success and the function changed; crash: an exception that is none of
    growsearch's.
    """

    outcome: str = "kept"
    reason: str = ""
    parameters: int = 0
    exact: int = 0
    mixing: int = 0
    frozen: int = 0
    grown: int = 0
    refused: dict[str, str] = field(default_factory=dict)
    why_not_exact: dict[str, int] = field(default_factory=dict)
    evaluation: float | None = None
    evaluation_double: float | None = None
    training: float | None = None
    seconds: float = 0.0


def try_architecture(architecture: Architecture) -> Found:
    """Build, randomise, trace, grow and compare; nothing escapes but what the building itself raises."""
    torch.manual_seed(0)
    model = architecture.build()
    inputs, fresh = architecture.inputs(), architecture.inputs()
    randomise(model, inputs)
    started, found = time.perf_counter(), Found(parameters=sum(each.numel() for each in model.parameters()))
    require_usable(model, fresh)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            _grow_and_compare(model, inputs, fresh, found)
        except GrowsearchError as error:
            found.outcome, found.reason = "not traced", one_line(error)
        except Exception as error:  # the table counts it: a user would see it
            found.outcome, found.reason = "crash", f"{type(error).__name__}: {one_line(error)}"
    found.seconds = round(time.perf_counter() - started, 1)
    return found


def require_usable(model: nn.Module, inputs: Any) -> None:
    """`ValueError` where the answer tells nothing: not finite, or hardly moved by a percent of noise on the weights."""
    answer = outputs_of(model, inputs, training=False)
    if not answer or not all(bool(each.isfinite().all()) for each in answer):
        raise ValueError("the answer of the network is not finite")
    noisy = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in noisy.parameters():
            if parameter.is_floating_point():
                parameter.mul_(1 + 0.01 * torch.randn(parameter.shape).to(parameter))
    if difference(answer, outputs_of(noisy, inputs, training=False)) < SENSITIVITY:
        raise ValueError("the answer of the network hardly depends on its weights")


def _grow_and_compare(model: nn.Module, inputs: Any, fresh: Any, found: Found) -> None:
    graph = growsearch.trace(model, inputs)
    _count(graph, found)
    exact = {name: site.granularity for name, site in graph.sites.items() if site.kind == "exact"}
    if not exact:
        found.outcome, found.reason = "no exact site", next(iter(found.why_not_exact), "no site")
        return
    grown, done = _grown(model, inputs, exact, found.refused)
    found.grown = len(done)
    if not done:
        found.outcome, found.reason = "refused", _most_common(found.refused.values())
        return
    if len(done) < len(exact):
        found.outcome, found.reason = "partly", _most_common(found.refused.values())
    _compare(model, grown, fresh, found)


def _compare(before: nn.Module, after: nn.Module, inputs: Any, found: Found) -> None:
    """Judge in evaluation, as the network is, and in training, in float64: batch statistics amplify rounding."""
    half = {each.dtype for each in before.parameters()} & {torch.float16, torch.bfloat16}
    tolerance = HALF_TOLERANCE if half else TOLERANCE
    found.evaluation = changed(before, after, inputs, training=False, dtypes=(None,))
    found.training = changed(before, after, inputs, training=True, dtypes=(torch.float64, None))
    if found.evaluation is not None and found.evaluation > tolerance:
        found.evaluation_double = changed(before, after, inputs, training=False, dtypes=(torch.float64,))
    rounding = found.evaluation_double is not None and found.evaluation_double < ROUNDING
    if (found.evaluation or 0.0) > tolerance and not rounding:
        found.outcome, found.reason = "wrong", f"outputs changed by {found.evaluation:.1g} in evaluation mode"
    elif (found.training or 0.0) > tolerance:
        found.outcome, found.reason = "wrong", f"outputs changed by {found.training:.1g} in train mode"


def changed(
    before: nn.Module, after: nn.Module, inputs: Any, *, training: bool, dtypes: Sequence[torch.dtype | None]
) -> float | None:
    """Relative change of the answer in the first of `dtypes` in which `before` runs; None where it runs in none."""
    for dtype in dtypes:
        try:
            answer = outputs_of(before, inputs, training=training, dtype=dtype)
        except Exception:  # it may want targets, or more than one value per channel, or its own type
            continue
        return difference(answer, outputs_of(after, inputs, training=training, dtype=dtype))
    return None


def _count(graph: NetworkGraph, found: Found) -> None:
    kinds = Counter(site.kind for site in graph.sites.values())
    found.exact, found.mixing, found.frozen = kinds["exact"], kinds["mixing"], kinds["frozen"]
    why = Counter(kind_of(site.reason) for site in graph.sites.values() if site.kind != "exact")
    found.why_not_exact = dict(why.most_common(4))


def _grown(model: nn.Module, inputs: Any, exact: dict[str, int], refused: dict[str, str]) -> tuple[nn.Module, set[str]]:
    """A grown copy and the sites that grew in it; where growing all at once is refused, those that halving finds."""
    try:
        return _attempt(model, inputs, exact, refused)
    except GrowsearchError as error:
        if len(exact) == 1:
            refused.update({name: one_line(error) for name in exact})
            return model, set()
        together = one_line(error)
    names, until = list(exact), time.perf_counter() + SEARCH_SECONDS
    good = [name for part in _halves(names) for name in _working(model, inputs, exact, part, refused, until)]
    if not good:
        return model, set()
    try:
        return _attempt(model, inputs, {name: exact[name] for name in good}, refused)
    except GrowsearchError:
        refused.update({name: f"only together with others: {together}" for name in good})
        return model, set()


def _working(
    model: nn.Module, inputs: Any, exact: dict[str, int], names: Sequence[str], refused: dict[str, str], until: float
) -> Iterable[str]:
    """Those of `names` that grow: all at once if they do, else looked for in both halves."""
    if time.perf_counter() > until:
        refused.update({name: OUT_OF_TIME for name in names})
        return []
    try:
        _attempt(model, inputs, {name: exact[name] for name in names}, {})
    except GrowsearchError as error:
        if len(names) == 1:
            refused[names[0]] = one_line(error)
            return []
        return [name for part in _halves(names) for name in _working(model, inputs, exact, part, refused, until)]
    return names


def _halves(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[: len(names) // 2], names[len(names) // 2 :]]


def _attempt(
    model: nn.Module, inputs: Any, units: dict[str, int], refused: dict[str, str]
) -> tuple[nn.Module, set[str]]:
    grown = copy.deepcopy(model)
    event: GrowthEvent = growsearch.grow(grown, copy.deepcopy(inputs), units, how="zero")
    refused.update({name: "left out" for name in units if name not in event.sites})
    return grown, set(event.sites)


def kind_of(reason: str) -> str:
    """A site's reason without the place and the sizes."""
    without_place = re.sub(r" (at|by|of) ('[^']*'|the model|[\w.]*\.[\w.]*)", "", one_line(reason))
    return re.sub(r" from \([^)]*\) to \([^)]*\)", "", without_place)


def one_line(error: object) -> str:
    return " ".join(str(error).split())[:300]


def _most_common(reasons: Iterable[str]) -> str:
    found = Counter(reasons)
    tried = Counter({reason: count for reason, count in found.items() if reason != OUT_OF_TIME})
    return (tried or found).most_common(1)[0][0]
