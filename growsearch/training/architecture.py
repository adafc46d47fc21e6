"""The architecture of a finished run, without what its weights have learnt, to be trained from scratch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from growsearch.config import RunConfig
from growsearch.errors import InputError
from growsearch.networks import build_network, initialise_network
from growsearch.runs.layout import WEIGHTS
from growsearch.runs.reading import DamagedFile
from growsearch.surgery import Deepening, ResidualBlock, apply_masks, rebuild, rename
from growsearch.surgery.masks import SUFFIX
from growsearch.training.artifact import read_description


@dataclass(frozen=True, eq=False)
class Architecture:
    """Inserted layers, shapes of parameters and buffers, masks of dormant connections, and changed attributes."""

    insertions: tuple[Deepening, ...]
    shapes: Mapping[str, tuple[int, ...]]
    masks: Mapping[str, Tensor]
    attributes: Mapping[str, float] = field(default_factory=dict)
    sizes: Mapping[str, list[int]] = field(default_factory=dict)
    """What normalisations without tensors remember, by path."""

    @staticmethod
    def of(folder: Path) -> Architecture:
        """That of the finished run in `folder`; of its weights only the masks are read.

        Raises `InputError` where a file is missing or damaged.
        """
        description = read_description(folder)
        try:
            with safe_open(folder / WEIGHTS, "pt") as file:
                shapes = {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
                masks = {name: file.get_tensor(name) for name in shapes if name.endswith(SUFFIX)}
            shapes |= {alias: shapes[name] for alias, name in description.shared.items()}
        except (OSError, SafetensorError, KeyError) as error:
            raise DamagedFile(f"{folder / WEIGHTS}: is damaged ({error!r}): delete {folder} to run it again") from error
        kept = {name: mask for name, mask in masks.items() if mask.dtype == torch.bool}
        sizes = {path: list(found) for path, found in (description.sizes or {}).items()}
        return Architecture(tuple(description.insertions), shapes, kept, description.attributes, sizes)

    @property
    def key(self) -> str:
        """Equal for equal architectures only."""
        shapes = {name: list(shape) for name, shape in self.shapes.items()}
        masks = {name: hashlib.sha256(mask.numpy().tobytes()).hexdigest() for name, mask in self.masks.items()}
        return json.dumps([self.architecture(), shapes, masks], sort_keys=True)

    def architecture(self) -> dict[str, Any]:
        """What is needed beside a `state_dict` to rebuild the network from its seed, as plain data."""
        insertions = [asdict(insertion) for insertion in self.insertions]
        return {"insertions": insertions, "attributes": dict(self.attributes), "sizes": dict(self.sizes)}

    def fresh(self, seed_network: nn.Module, spec: Mapping[str, Any], seed: int) -> nn.Module:
        """`seed_network`, just built from `spec`, changed in place into this architecture and initialised anew.

        The weights are what building such a network under `torch.manual_seed(seed)` would draw: for the built-in
        networks, bit for bit. Buffers that nothing resets keep the seed network's values. Dormant connections are 0.
        Raises `GrowsearchError` where the architecture is not one of this seed network.
        """
        own = {rename(name, self.insertions): value for name, value in seed_network.state_dict().items()}
        state = {name: self._start(name, own) for name in self.shapes}
        network = rebuild(seed_network, self.insertions, state, self.attributes, self.sizes)
        torch.manual_seed(seed)
        initialise_anew(network, spec)
        apply_masks(network)
        return network

    def _start(self, name: str, own: Mapping[str, Tensor]) -> Tensor:
        """A tensor to rebuild with: a mask, the seed network's own where it has this shape, or zeros."""
        if name in self.masks:
            return self.masks[name]
        if name in own and tuple(own[name].shape) == self.shapes[name]:
            return own[name].clone()
        return torch.zeros(self.shapes[name])


@torch.no_grad()
def initialise_anew(network: nn.Module, spec: Mapping[str, Any]) -> None:
    """Draw all weights again, in place: every module's `reset_parameters`, then what `spec` does to its layers."""
    for module in network.modules():
        reset = getattr(module, "reset_parameters", None)
        if callable(reset) and not isinstance(module, ResidualBlock):
            reset()
    initialise_network(spec, network)
    for module in network.modules():
        if isinstance(module, ResidualBlock):
            module.zero_last()


def require_retrainable(config: RunConfig, input_shape: tuple[int, ...], outputs: int) -> None:
    """Raise `InputError` unless `initialise_anew` draws this network's weights as building it does.

    Checked on the seed network: built with one seed, and built with another one and drawn anew, it must be the same.
    """

    def build(seed: int) -> nn.Module:
        torch.manual_seed(seed)
        return build_network(config.network, input_shape, outputs, allow_import=config.allow_import)

    with torch.random.fork_rng(devices=[]):
        expected, network = build(0), build(1)
        torch.manual_seed(0)
        initialise_anew(network, config.network)
    found = dict(network.named_parameters())
    for name, parameter in expected.named_parameters():
        if not torch.equal(parameter, found[name]):
            owner = type(network.get_submodule(name.rpartition(".")[0])).__name__
            raise InputError(
                f"the network cannot be trained from scratch at its grown size: {name!r} (of {owner}) does not begin "
                "as reset_parameters of the network's modules, called in their order, makes it: give its module a "
                "reset_parameters that does, or leave out the controls that retrain"
            )
