"""A grown network as a file, with all that trains it, and from a file or a folder back again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from torch import nn
from torch.optim import Optimizer

from growsearch.arguments import path_of
from growsearch.errors import GrowsearchError, InputError
from growsearch.graph.remembered import remembered_sizes
from growsearch.graph.wrapping import unwrapped
from growsearch.growth import Grower, SoftGrower
from growsearch.runs.reading import DamagedFile
from growsearch.surgery import optimizers_of
from growsearch.training.artifact import load_network
from growsearch.training.checkpoint import restore_rng, rng_state
from growsearch.training.optimizers import parameter_order, restore_order
from growsearch.training.regrowing import fits, regrow
from growsearch.training.tensor_file import read_tensors, write_tensors

FORMAT = "growsearch 1"

Optimizers = Optimizer | Sequence[Optimizer]


@runtime_checkable
class Stateful(Protocol):
    """What has a state to be saved: a learning-rate scheduler, a gradient scaler, an EMA copy of the network."""

    def state_dict(self) -> Any:
        """Tensors and plain data."""

    def load_state_dict(self, state_dict: Any) -> Any:
        """Take such a state over."""


def save(
    path: Path | str,
    model: nn.Module,
    optimizer: Optimizers | None = None,
    grower: Grower | SoftGrower | None = None,
    **others: Stateful,
) -> None:
    """Write a network to the file `path`, with all that trains it, for `load`.

    `others` are further objects with a `state_dict`, under names of your own: `scheduler=scheduler`, `ema=ema`. The
    states of torch's random generators are saved too. Layers and heads that `growsearch.grow` added are not known here:
    grow these by a `Grower`. The file is replaced whole or not at all, and holds tensors and
    plain data only. Raises `InputError` for an optimizer that holds parameters which are not the model's.

    Args:
        path: of the file.
        model: the network.
        optimizer: one or several.
        grower: a `Grower` or `SoftGrower`.
    """
    if not isinstance(model, nn.Module):
        raise InputError(f"model: {type(model).__name__} is no torch.nn.Module: the order is save(path, model, ...)")
    path = path_of("path", path)
    model = unwrapped(model)
    learned = grower.learned if isinstance(grower, SoftGrower) else None
    content = {
        "format": FORMAT,
        "model": model.state_dict(),
        "architecture": _architecture(model, grower),
        "optimizer": None
        if optimizer is None
        else [_packed(each, model, learned) for each in optimizers_of(optimizer)],
        "grower": None if grower is None else {"kind": type(grower).__name__, "state": grower.state_dict()},
        "others": {name: other.state_dict() for name, other in others.items()},
        "rng": rng_state(_device(model)),
    }
    write_tensors(path, content)


def load(
    path: Path | str,
    model: nn.Module | None = None,
    optimizer: Optimizers | None = None,
    grower: Grower | SoftGrower | None = None,
    *,
    allow_import: bool = False,
    **others: Stateful,
) -> nn.Module:
    """The network that was saved at `path`, grown.

    From a file that `save` wrote: `model` is its seed network, which is changed in place and returned; the optimizer,
    the grower and the `others`, made around the seed network as for a new training, are brought to where they were.
    With an optimizer, torch's random generators are too, and training goes on bit for bit. What is not given is not
    loaded.
    A `SoftGrower`, and its optimizer, are made around the network that is loaded first, and loaded by a second call.

    From a folder (of a finished run, or one that `growsearch export` wrote) nothing else is needed: the seed network is
    described there. The network is on the CPU, in evaluation mode. One that is imported from your own package needs
    `allow_import`.

    Only tensors and plain data are read, never code. Raises `InputError` where the file is none of these, or does not
    belong to what is given.

    Args:
        path: of a file, or a folder.
        model: the seed network.
        optimizer: one or several, made around it.
        grower: made around it.
        allow_import: whether a network named by import path may be imported.
    """
    if model is None:
        if Path(path).is_file():
            raise InputError(f"{path} is a file: give its seed network, growsearch.load(path, model=...)")
        return load_network(path, allow_import)
    given, model = model, unwrapped(model)
    saved = _read(Path(path))
    optimizers = optimizers_of(optimizer)
    _check(Path(path), saved, optimizers, grower, others)
    architecture = saved["architecture"]
    if isinstance(grower, SoftGrower) and not fits(model, saved["model"]):
        raise InputError(f"{path}: load the network first, with model= alone, and make the SoftGrower around it")
    try:
        regrow(model, architecture, saved["model"])
        for name, other in others.items():
            _take(other, model, architecture, saved["others"][name])
    except (GrowsearchError, AttributeError) as error:
        raise InputError(f"{path} does not belong to this network: {error}") from error
    learned = grower.learned if isinstance(grower, SoftGrower) else None
    for each, packed in zip(optimizers, saved["optimizer"] or (), strict=False):
        restore_order(each, model, packed["order"], learned)
        each.load_state_dict(packed["state"])
    if grower is not None:
        grower.load_state_dict(saved["grower"]["state"])
    if optimizers:
        restore_rng(saved["rng"], _device(model))
    return given


def _packed(optimizer: Optimizer, model: nn.Module, learned: nn.Module | None) -> dict[str, Any]:
    try:
        order = parameter_order(optimizer, model, learned)
    except KeyError as error:
        raise InputError(
            f"{type(optimizer).__name__} holds a parameter that is not the model's (any more): make it over "
            "model.parameters(), or save its other parameters beside"
        ) from error
    return {"kind": type(optimizer).__name__, "order": order, "state": optimizer.state_dict()}


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise InputError(f"{path} {what}: give a file that growsearch.save wrote")
    try:
        saved = read_tensors(path, torch.device("cpu"))
    except (OSError, DamagedFile) as error:
        raise InputError(f"{path} cannot be read: give a file that growsearch.save wrote ({error})") from error
    if not isinstance(saved, dict) or saved.get("format") != FORMAT:
        found = saved.get("format", "no format") if isinstance(saved, dict) else type(saved).__name__
        raise InputError(f"{path} has {found!r}, not {FORMAT!r}: give a file that growsearch.save wrote")
    return saved


def _check(
    path: Path,
    saved: Mapping[str, Any],
    optimizers: Sequence[Optimizer],
    grower: Grower | SoftGrower | None,
    others: Mapping[str, Stateful],
) -> None:
    """See that the file has what is asked for, before anything is touched."""
    missing = [name for name in others if name not in saved["others"]]
    if missing:
        raise InputError(f"{path} has no {', '.join(missing)}: it has {', '.join(saved['others']) or 'nothing beside'}")
    if optimizers:
        kept = [(each["kind"], len(each["order"])) for each in saved["optimizer"] or ()]
        given = [(type(each).__name__, len(each.param_groups)) for each in optimizers]
        if kept != given:
            raise InputError(f"{path} has the optimizers {_words(kept)}, given are {_words(given)}: give the same ones")
    if grower is not None:
        found = saved["grower"] and saved["grower"]["kind"]
        if found != type(grower).__name__:
            raise InputError(f"{path} has the grower {found}, given is a {type(grower).__name__}: give such a one")


def _words(optimizers: Sequence[tuple[str, int]]) -> str:
    return ", ".join(f"{kind} with {groups} parameter group(s)" for kind, groups in optimizers) or "none"


def _architecture(model: nn.Module, grower: Grower | SoftGrower | None) -> dict[str, Any]:
    """Without a `Grower`, what the network itself tells; layers that were inserted it does not tell."""
    if isinstance(grower, Grower):
        return grower.architecture()
    return {"insertions": [], "attributes": {}, "sizes": remembered_sizes(model)}


def _take(other: Stateful, model: nn.Module, architecture: Mapping[str, Any], state: Any) -> None:
    """A module follows the network, as a companion does; anything else takes its state as it is."""
    if not isinstance(other, nn.Module):
        other.load_state_dict(state)
        return
    prefix = "module." if {f"module.{name}" for name in model.state_dict()} <= set(state) else ""  # an AveragedModel
    regrow(other, architecture, state, prefix)


def _device(model: nn.Module) -> torch.device:
    return next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
