from __future__ import annotations

import pytest
import torch
from torch import nn

from growsearch.errors import GrowthRefused
from growsearch.surgery import AxisEdit, apply_edits, sync_module


def widen(module: nn.Module, **sizes: tuple[int, ...]) -> nn.Module:
    for name, size in sizes.items():
        old = getattr(module, name)
        setattr(module, name, nn.Parameter(torch.zeros(size)) if isinstance(old, nn.Parameter) else torch.zeros(size))
    sync_module(module)
    return module


@pytest.mark.parametrize(
    ("module", "sizes", "attributes"),
    [
        (nn.Linear(4, 3), {"weight": (5, 6)}, {"out_features": 5, "in_features": 6}),
        (nn.Conv1d(4, 6, 3), {"weight": (8, 5, 3)}, {"out_channels": 8, "in_channels": 5, "groups": 1}),
        (nn.Conv2d(4, 6, 3, groups=2), {"weight": (8, 3, 3, 3)}, {"out_channels": 8, "in_channels": 6, "groups": 2}),
        (nn.Conv2d(4, 4, 3, groups=4), {"weight": (5, 1, 3, 3)}, {"out_channels": 5, "in_channels": 5, "groups": 5}),
        (nn.Conv2d(4, 8, 3, groups=4), {"weight": (10, 1, 3, 3)}, {"out_channels": 10, "in_channels": 5, "groups": 5}),
        (nn.ConvTranspose2d(4, 6, 3), {"weight": (5, 7, 3, 3)}, {"out_channels": 7, "in_channels": 5, "groups": 1}),
        (
            nn.ConvTranspose2d(4, 4, 3, groups=4),
            {"weight": (6, 1, 3, 3)},
            {"out_channels": 6, "in_channels": 6, "groups": 6},
        ),
        (
            nn.BatchNorm2d(4),
            {"weight": (6,), "bias": (6,), "running_mean": (6,), "running_var": (6,)},
            {"num_features": 6},
        ),
        (nn.BatchNorm1d(4, affine=False), {"running_mean": (6,), "running_var": (6,)}, {"num_features": 6}),
        (nn.InstanceNorm2d(4, affine=True), {"weight": (6,), "bias": (6,)}, {"num_features": 6}),
        (nn.GroupNorm(2, 4), {"weight": (6,), "bias": (6,)}, {"num_channels": 6, "num_groups": 2}),
        (nn.LayerNorm(4), {"weight": (6,), "bias": (6,)}, {"normalized_shape": (6,)}),
        (nn.RMSNorm(4), {"weight": (6,)}, {"normalized_shape": (6,)}),
        (nn.Embedding(9, 4), {"weight": (9, 6)}, {"num_embeddings": 9, "embedding_dim": 6}),
        (nn.PReLU(4), {"weight": (6,)}, {"num_parameters": 6}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_attributes_follow_the_tensors(module, sizes, attributes):
    widen(module, **sizes)
    assert {name: getattr(module, name) for name in attributes} == attributes


def test_subclasses_of_torch_layers_are_known():
    class Wide(nn.Linear):
        pass

    assert widen(Wide(4, 3), weight=(5, 4)).out_features == 5


def test_a_module_of_the_users_has_nothing_to_set():
    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gamma = nn.Parameter(torch.ones(3))

    before = dict(vars(module := Scale()))
    sync_module(module)
    assert dict(vars(module)) == before


@pytest.mark.parametrize(
    ("module", "sizes", "message"),
    [
        (nn.GroupNorm(2, 4), {"weight": (5,), "bias": (5,)}, "multiple of 2"),
        (nn.Conv2d(4, 6, 3, groups=2), {"weight": (7, 2, 3, 3)}, "multiple of 2"),
        (nn.Conv2d(4, 8, 3, groups=4), {"weight": (9, 1, 3, 3)}, "multiple of 2"),
        (nn.BatchNorm2d(4), {"weight": (5,)}, "different sizes"),
        (nn.Bilinear(4, 4, 3), {"weight": (5, 4, 4)}, "Bilinear of torch cannot change"),
        (nn.GRU(4, 3), {"weight_ih_l0": (9, 5)}, "GRU of torch cannot change"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_sizes_that_do_not_fit_are_refused(module, sizes, message):
    with pytest.raises(GrowthRefused, match=message):
        widen(module, **sizes)


def test_a_refusal_comes_before_any_change():
    model = nn.Sequential(nn.Conv2d(2, 4, 1), nn.GroupNorm(2, 4))
    weight = model[0].weight
    edits = [AxisEdit(name, 0, (0, 1, 2, 3, -1)) for name in ("0.weight", "0.bias", "1.weight", "1.bias")]
    with pytest.raises(GrowthRefused, match=r"'1.weight': GroupNorm of 2 groups cannot have 5 channels"):
        apply_edits(model, edits)
    assert model[0].weight is weight
