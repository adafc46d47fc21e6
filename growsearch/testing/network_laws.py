"""What every seed network has to keep."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from growsearch.graph import trace
from growsearch.growth import grow
from growsearch.networks.base import Network
from growsearch.surgery import changed_attributes, outputs_of, rebuild, relative_difference
from growsearch.testing.training import same


class NetworkLaws:
    """Subclass it and set `network` to one, and `input_shape` and `outputs` to what it is built for."""

    network: ClassVar[Network]
    input_shape: ClassVar[tuple[int, ...]] = (3, 32, 32)
    outputs: ClassVar[int] = 10
    tokens: ClassVar[bool] = False
    """Whether it reads token ids below `outputs`."""

    @pytest.fixture
    def subject(self) -> Network:
        """The network under test; override it to try several."""
        return self.network

    def test_it_is_built_the_same_under_the_same_seed(self, subject: Network) -> None:
        """And otherwise under another one."""
        one, again, other = (self._built(subject, seed) for seed in (0, 0, 1))

        assert same(dict(one.state_dict()), dict(again.state_dict()))
        assert not same(dict(one.state_dict()), dict(other.state_dict()))

    def test_it_maps_a_batch_to_its_outputs(self, subject: Network) -> None:
        """`[N, *input_shape]` to `[N, ..., outputs]`, finite, and with a gradient for every parameter."""
        model = self._built(subject)
        out: Tensor = model(self._inputs())
        torch.autograd.backward(out.square().sum())

        assert out.shape[0] == 4 and out.shape[-1] == self.outputs and bool(torch.isfinite(out).all())
        assert [name for name, p in model.named_parameters() if p.grad is None] == []

    def test_its_hidden_layers_are_sites_that_grow_exactly(self, subject: Network) -> None:
        """All at once, in both modes."""
        model = self._built(subject).double()
        inputs = self._inputs(torch.float64)
        sites = [name for name, site in trace(model, inputs).sites.items() if site.kind == "exact"]
        before = [outputs_of(model, inputs, training) for training in (False, True)]

        grow(model, inputs, dict.fromkeys(sites, 1), "zero", report=None)

        assert sites
        for training, old in zip((False, True), before, strict=True):
            assert relative_difference(old, outputs_of(model, inputs, training)) < 1e-5

    def test_what_has_grown_is_rebuilt_from_the_seed(self, subject: Network) -> None:
        """From the `state_dict` and the numbers that modules keep, into the same function."""
        model = self._built(subject)
        inputs = self._inputs()
        sites = [name for name, site in trace(model, inputs).sites.items() if site.kind == "exact"]
        event = grow(model, inputs, dict.fromkeys(sites, 1), "zero", report=None)

        again = rebuild(self._built(subject, 1), (), model.state_dict(), changed_attributes(event.edits))

        assert relative_difference(outputs_of(model, inputs, False), outputs_of(again, inputs, False)) == 0

    def _built(self, network: Network, seed: int = 0) -> nn.Module:
        torch.manual_seed(seed)
        return network.build(self.input_shape, self.outputs)

    def _inputs(self, dtype: torch.dtype = torch.float32) -> Tensor:
        generator = torch.Generator().manual_seed(0)
        if self.tokens:
            return torch.randint(0, self.outputs, (4, *self.input_shape), generator=generator)
        return torch.randn(4, *self.input_shape, generator=generator, dtype=dtype)
