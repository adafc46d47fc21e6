from __future__ import annotations

import torch
from torch import nn

from growsearch.training import training_flops_per_sample


def test_flops_of_linear_layers() -> None:
    # Forward 2*10*5 + 2*5*3; weight gradients the same again; input gradient of the second layer only: 2*5*3.
    model = nn.Sequential(nn.Linear(10, 5), nn.ReLU(), nn.Linear(5, 3))

    assert training_flops_per_sample(model, torch.zeros(2, 10)) == 2 * (100 + 30) + 30


def test_flops_of_a_convolution_with_batch_norm() -> None:
    # 6x6 outputs, 4 channels, 2*3*3 inputs each: 2*36*4*18 forward, the same for the weights' gradient.
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4))

    assert training_flops_per_sample(model, torch.zeros(2, 2, 8, 8)) == 2 * (2 * 36 * 4 * 18)


def test_counting_changes_nothing() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5)).eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    rng = torch.get_rng_state()

    training_flops_per_sample(model, torch.zeros(2, 4))

    assert not model.training
    assert torch.get_rng_state().equal(rng)
    assert all(tensor.equal(before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_tied_weights_are_counted_as_often_as_they_are_used() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(4, 4, bias=False)
            self.second = nn.Linear(4, 4, bias=False)
            self.second.weight = self.first.weight

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.second(self.first(x))

    assert training_flops_per_sample(Tied(), torch.zeros(2, 4)) == 2 * 32 * 2 + 32


def test_a_network_whose_path_depends_on_values_is_counted_too() -> None:
    class Branching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y: torch.Tensor = self.layer(x)
            return y if y.sum() > 0 else -y

    assert training_flops_per_sample(Branching(), torch.zeros(2, 4)) == 2 * 24
