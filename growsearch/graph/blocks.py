"""Finding runs of alike blocks in one recorded run of the network."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import nn

from growsearch.graph.analysis import Analysis
from growsearch.graph.block_site import BlockSite
from growsearch.graph.leaves import is_leaf
from growsearch.graph.module_call import ModuleCall
from growsearch.graph.residual import NotResidual, residual_outputs

_NUMBERED = re.compile(r"(.*?)(\d+)")
_PLAIN = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


@dataclass(frozen=True)
class _Child:
    """A child of a container: its name taken apart, its path, and, where it may be a block of a chain, its call."""

    prefix: str
    number: int
    path: str
    module: nn.Module
    call: ModuleCall | None
    reason: str = ""
    reshapes: bool = False


def find_block_sites(analysis: Analysis, model: nn.Module, samples: int) -> tuple[dict[str, BlockSite], dict[str, str]]:
    """All block sites by name, and by path of a container that holds alike blocks, why it is none.

    Args:
        analysis: of the runs, the first of which decides.
        model: the network.
        samples: size of the example batch.
    """
    calls = _calls(analysis)
    used = Counter(id(p) for m in model.modules() for p in m._parameters.values() if p is not None)
    names = Counter(id(module) for _, module in model.named_modules(remove_duplicate=False))
    sites: dict[str, BlockSite] = {}
    refused: dict[str, str] = {}
    for path, container in model.named_modules():
        if not isinstance(container, nn.ModuleList | nn.Sequential):
            continue
        named = [(key, child) for key, child in container._modules.items() if child is not None]
        children = [_child(path, key, child, calls, used, names) for key, child in named]
        runs = [_site(path, run, analysis, model, samples) for run in _runs(children) if not _broken(run, children)]
        runs = [site for site in runs if _worth_copying(site, container)]
        for number, site in enumerate(runs):
            name = f"{path}[{number}]" if number else path
            sites[name] = replace(site, name=name)
        if not runs and (reason := _why_none(children)):
            refused[path] = reason
    kept = _without_nested(sites, model)
    inside = [site.path(block) for site in kept.values() for block in range(site.blocks)]
    return kept, {path: why for path, why in refused.items() if not any(f"{path}.".startswith(f"{b}.") for b in inside)}


def _calls(analysis: Analysis) -> dict[str, list[ModuleCall]]:
    found: dict[str, list[ModuleCall]] = {}
    for call in analysis.module_calls:
        found.setdefault(call.path, []).append(call)
    return found


def _child(
    container: str,
    key: str,
    module: nn.Module,
    calls: dict[str, list[ModuleCall]],
    used: Counter[int],
    names: Counter[int],
) -> _Child:
    match = _NUMBERED.fullmatch(key)
    prefix, number = (match[1], int(match[2])) if match else (key, -1)
    path = f"{container}.{key}".lstrip(".")
    own = calls.get(path, [])
    reason = ""
    if is_leaf(module) or next(module.parameters(), None) is None:
        return _Child(prefix, number, path, module, None)
    if match is None:
        reason = f"{path!r} has no number in its name, which a block behind another one needs"
    elif len(own) != 1:
        reason = f"{path!r} is called {len(own)} times in a run of the network, not once"
    elif names[id(module)] > 1 or any(used[id(p)] > 1 for p in module.parameters()):
        reason = f"{path!r} shares parameters with another module"
    elif own[0].input is None or own[0].output is None:
        reason = f"{path!r} does not give a tensor for a tensor"
    elif own[0].input_shape != own[0].output_shape:
        reason = (
            f"{path!r} makes a tensor of shape {own[0].output_shape} from one of shape {own[0].input_shape}, so that "
            "it cannot follow itself"
        )
    reshapes = len(own) == 1 and own[0].input_shape != own[0].output_shape
    return _Child(prefix, number, path, module, None if reason else own[0], reason, reshapes)


def _runs(children: Sequence[_Child]) -> list[list[_Child]]:
    """Children in a row that are alike and take what the one before them gives."""
    runs: list[list[_Child]] = []
    for before, child in zip([None, *children], children, strict=False):
        if child.call is None:
            continue
        if before is not None and runs and runs[-1][-1] is before and _follows(before, child):
            runs[-1].append(child)
        else:
            runs.append([child])
    return [run for run in runs if _renumbers(run, children)]


def _broken(run: Sequence[_Child], children: Sequence[_Child]) -> bool:
    """Whether a run is one block of a chain that is none, because it is called out of turn, say."""
    place = children.index(run[0])
    beside = [*children[max(0, place - 1) : place], *children[place + 1 : place + 2]]
    return len(run) == 1 and any(_alike(run[0], each) and not each.reshapes for each in beside)


def _follows(before: _Child, child: _Child) -> bool:
    if before.call is None or child.call is None or before.call.output != child.call.input:
        return False
    return _alike(before, child) and (before.prefix, before.number + 1) == (child.prefix, child.number)


def _alike(one: _Child, other: _Child) -> bool:
    same_names = dict(one.module.named_parameters()).keys() == dict(other.module.named_parameters()).keys()
    return type(one.module) is type(other.module) and same_names


def _renumbers(run: Sequence[_Child], children: Sequence[_Child]) -> bool:
    """Whether the children behind the run can have higher numbers: those of its kind of name count on from it."""
    behind = children[children.index(run[-1]) + 1 :]
    numbers = [child.number for child in behind if child.prefix == run[-1].prefix]
    return numbers == list(range(run[-1].number + 1, run[-1].number + 1 + len(numbers)))


def _why_none(children: Sequence[_Child]) -> str:
    """Why a container with at least two alike children is no chain; empty where it has none."""
    for before, child in zip(children, children[1:], strict=False):
        if not _alike(before, child) or not (child.reason or child.call) or isinstance(child.module, _PLAIN):
            continue
        return before.reason or child.reason or f"{child.path!r} does not take what {before.path!r} gives"
    return ""


def _worth_copying(site: BlockSite, container: nn.Module) -> bool:
    """A single module between others may be anything, such as a normalisation: only what is residual is a block."""
    return site.blocks > 1 or bool(site.outputs) or (isinstance(container, nn.ModuleList) and len(container) == 1)


def _site(container: str, run: Sequence[_Child], analysis: Analysis, model: nn.Module, samples: int) -> BlockSite:
    """See `BlockSite`; named by its container.

    Args:
        container: its path.
        run: its blocks.
        analysis: of the runs.
        model: the network.
        samples: size of the example batch.
    """
    found: list[tuple[str, ...]] = []
    reason = ""
    known = {name for name, _ in model.named_parameters()}
    for child in run:
        assert child.call is not None
        try:
            found.append(residual_outputs(analysis.calls, analysis.modules, child.call, known))
        except NotResidual as error:
            reason = reason or str(error)
    if not reason and len(set(found)) > 1:
        reason = f"the blocks of {container!r} end in different parameters"
    return BlockSite(
        name=container,
        container=container,
        prefix=run[0].prefix,
        first=run[0].number,
        parameters=tuple(sum(p.numel() for p in child.module.parameters()) for child in run),
        flops=tuple(_flops(analysis, child.path) // samples for child in run),
        outputs=() if reason else found[0],
        reason=reason,
    )


def _flops(analysis: Analysis, path: str) -> int:
    inside = f"{path}."
    return sum(
        call.flops
        for call in analysis.calls.values()
        if f"{call.scope}.".startswith(inside) or (call.kind == "module" and f"{call.target}.".startswith(inside))
    )


def _without_nested(sites: dict[str, BlockSite], model: nn.Module) -> dict[str, BlockSite]:
    """Of sites inside each other the outer one, or the inner one where the outer is single or of plain containers."""

    def within(inner: BlockSite, outer: BlockSite) -> bool:
        return any(f"{inner.container}.".startswith(f"{outer.path(block)}.") for block in range(outer.blocks))

    def weak(site: BlockSite) -> bool:
        return site.blocks == 1 or isinstance(model.get_submodule(site.path(0)), _PLAIN)

    kept = {}
    for name, site in sites.items():
        inner = any(within(other, site) for other in sites.values())
        outer = any(within(site, other) and not weak(other) for other in sites.values())
        if not outer and not (inner and weak(site)):
            kept[name] = site
    return kept
