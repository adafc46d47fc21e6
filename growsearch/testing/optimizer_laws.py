"""What every record of an optimizer has to keep."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from growsearch.optimizers import OptimizerRecord, record_of
from growsearch.surgery import AxisEdit, apply_edits, supported_optimizer

_OLD, _NEW = 8, 3


class OptimizerLaws:
    """Subclass it and set `record` to one with the options that make it keep all its state.

    The record has to be registered in the entry-point group `growsearch.optimizers`.
    """

    record: ClassVar[OptimizerRecord]

    @pytest.fixture
    def subject(self) -> OptimizerRecord:
        """The record under test; override it to try several."""
        return self.record

    def test_it_is_found_and_names_all_state(self, subject: OptimizerRecord) -> None:
        """A tensor of the parameter's shape without a name would be lost."""
        model, optimizer = _trained(subject)
        shaped = {key for state in optimizer.state.values() for key, value in state.items() if _is_shaped(value)}

        assert record_of(optimizer) is type(subject)
        assert shaped <= set(subject.state)
        assert supported_optimizer(optimizer) is None

    def test_what_a_growth_keeps_and_what_is_new(self, subject: OptimizerRecord) -> None:
        """Old slices stay bit for bit, new ones are 0 or the mean, and training goes on."""
        model, optimizer = _trained(subject)
        before = copy.deepcopy(dict(optimizer.state[model.get_parameter("0.weight")]))
        source = (*range(_OLD), *[-1] * _NEW)

        apply_edits(model, [AxisEdit("0.weight", 0, source), AxisEdit("2.weight", 1, source)], optimizer)

        after = optimizer.state[model.get_parameter("0.weight")]
        assert set(after) == set(before)
        for key, old in before.items():
            if not _is_shaped(old):
                assert after[key] == old
                continue
            wanted = old.mean(0, keepdim=True) if subject.state[key] == "mean" else torch.zeros_like(old[:1])
            assert torch.equal(after[key][:_OLD], old)
            assert torch.equal(after[key][_OLD:], wanted.expand(_NEW, -1))
        _train(model, optimizer)
        assert all(bool(torch.isfinite(parameter).all()) for parameter in model.parameters())

    def test_old_weights_go_on_as_without_the_growth(self, subject: OptimizerRecord) -> None:
        """New units behind zero weights change no gradient of the old ones, and so no step."""
        model, optimizer = _trained(subject)
        ungrown, own = copy.deepcopy((model, optimizer))
        source = (*range(_OLD), *[-1] * _NEW)
        apply_edits(model, [AxisEdit("0.weight", 0, source), AxisEdit("2.weight", 1, source)], optimizer)

        _train(model, optimizer)
        _train(ungrown, own)

        found, expected = (each.get_parameter("0.weight")[:_OLD] for each in (model, ungrown))
        # Optimizers of whole matrices scale by their shape and round to bfloat16.
        assert torch.allclose(found, expected, rtol=0, atol=2e-3 if subject.matrices_only else 1e-6)

    def test_the_state_before_the_first_step_is_its_own(self, subject: OptimizerRecord) -> None:
        """For parameters that join later."""
        parameter = nn.Parameter(torch.ones(2, 3))
        optimizer = subject.build({"weight": parameter})
        own: Mapping[str, Tensor] = optimizer.state.get(parameter, {})
        made = subject.first_state(parameter, optimizer.param_groups[0])

        assert own.keys() == made.keys() and all(torch.equal(own[key], made[key]) for key in own)


def _trained(record: OptimizerRecord) -> tuple[nn.Module, Optimizer]:
    """A network of two layers after some steps."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, _OLD, bias=False), nn.ReLU(), nn.Linear(_OLD, 4, bias=False))
    optimizer = record.build(dict(model.named_parameters()))
    for seed in range(4):
        _train(model, optimizer, seed)
    return model, optimizer


def _train(model: nn.Module, optimizer: Optimizer, seed: int = 9) -> None:
    inputs = torch.randn(16, 6, generator=torch.Generator().manual_seed(seed))
    torch.autograd.backward(model(inputs).square().sum())
    optimizer.step()
    optimizer.zero_grad()


def _is_shaped(value: object) -> bool:
    return isinstance(value, Tensor) and value.ndim > 0
