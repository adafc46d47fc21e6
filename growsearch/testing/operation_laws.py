"""What every operation that is registered has to keep."""

from __future__ import annotations

import copy
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from growsearch.graph import NetworkGraph, operation, trace
from growsearch.growth import grow
from growsearch.growth.statistics.path_jacobian import PathJacobian
from growsearch.surgery import outputs_of, relative_difference

_WIDTH, _OUTPUTS, _SAMPLES = 5, 3, 7
_STEP = 1e-6


class OperationLaws:
    """Subclass it and set `module` to a module that is one call of the operation, and takes `[N, channels]`."""

    module: ClassVar[nn.Module]

    @pytest.fixture
    def model(self) -> nn.Module:
        """The operation between two linear layers."""
        torch.manual_seed(0)
        layers = (nn.Linear(4, _WIDTH), copy.deepcopy(self.module), nn.Linear(_WIDTH, _OUTPUTS))
        return nn.Sequential(*layers).double()

    def test_it_is_one_call_that_carries_the_units(self, model: nn.Module) -> None:
        """From the layer before it to the layer behind, by its own rule."""
        graph = _traced(model)

        assert graph.sites["0"].kind == "exact", graph.sites["0"].reason
        assert graph.sites["0"].path == ("1",) and graph.calls["1"].rule

    def test_units_before_it_grow_exactly(self, model: nn.Module) -> None:
        """In both modes."""
        before = [outputs_of(model, _inputs(), training) for training in (False, True)]

        grow(model, _inputs(), {"0": 2}, "zero", report=None)

        for training, old in zip((False, True), before, strict=True):
            assert relative_difference(old, outputs_of(model, _inputs(), training)) < 1e-9

    def test_each_unit_depends_on_itself_alone_where_it_says_so(self, model: nn.Module) -> None:
        """A change of one channel shows in no other."""
        if not operation(_traced(model).calls["1"].rule).per_unit:
            pytest.skip("it does not say so")
        hidden = torch.randn(_SAMPLES, _WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        other = hidden.clone()
        other[:, 2] += 1

        changed = (self._run(model, hidden) != self._run(model, other)).any(0)

        assert [channel for channel in range(_WIDTH) if changed[channel]] == [2]

    def test_its_derivative_is_that_of_a_small_step(self, model: nn.Module) -> None:
        """Just above 0, for units on their own; where it has one."""
        graph = _traced(model)
        if operation(graph.calls["1"].rule).linearise is None:
            pytest.skip("it has none")
        path = PathJacobian(graph, model, graph.sites["0"])
        z = torch.rand(_SAMPLES, _WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(1))

        (carried,) = path.apply({"0": z}).values()
        zero = torch.zeros_like(z)
        expected = (self._run(model, _STEP * z) - self._run(model, zero)) / _STEP

        torch.testing.assert_close(carried * path.unit, expected, rtol=1e-4, atol=1e-6)

    def _run(self, model: nn.Module, hidden: Tensor) -> Tensor:
        found: Tensor = outputs_of(model.get_submodule("1"), hidden, training=False)
        return found


def _inputs() -> Tensor:
    return torch.randn(_SAMPLES, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def _traced(model: nn.Module) -> NetworkGraph:
    return trace(model, _inputs())
