from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from growsearch import grow, trace
from growsearch.errors import InputError
from growsearch.networks.vit import ViT
from growsearch.training.architecture import initialise_anew

SMALL = ViT(depth=2, embedding=16, heads=4, mlp_ratio=2.0)


def images(*shape: int) -> torch.Tensor:
    return torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))


def built(network: ViT = SMALL, shape: tuple[int, ...] = (1, 8, 8), seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return network.build(shape, 10)


@pytest.mark.parametrize(
    ("shape", "patch", "count"), [((3, 32, 32), 4, 64), ((1, 8, 8), 2, 16), ((3, 64, 32), 4, 128), ((1, 10, 6), 2, 15)]
)
def test_patches_follow_the_images(shape: tuple[int, ...], patch: int, count: int) -> None:
    module = built(shape=shape)
    assert module.get_parameter("patches.weight").shape == (16, shape[0], patch, patch)
    assert module.get_parameter("positions.weight").shape == (count + 1, 16)
    assert module(images(*shape)).shape == (2, 10)


def test_parameters_are_those_of_the_formula() -> None:
    width, hidden = 16, 32
    block = 4 * (width * width + width) + 2 * width * hidden + hidden + width + 2 * 2 * width
    embeddings = (4 * width + width) + (16 + 1) * width + width
    assert sum(p.numel() for p in built().parameters()) == embeddings + 2 * block + 2 * width + 10 * width + 10
    mean = built(SMALL.model_copy(update={"pool": "mean"}))
    assert sum(p.numel() for p in mean.parameters()) == embeddings - 2 * width + 2 * block + 2 * width + 10 * width + 10


@pytest.mark.parametrize("pool", ["class", "mean"])
def test_every_patch_and_its_position_count(pool: Any) -> None:
    module, first = built(SMALL.model_copy(update={"pool": pool})), images(1, 8, 8)
    for row in range(0, 8, 2):
        for column in range(0, 8, 2):
            changed = first.clone()
            changed[:, :, row, column] += 3
            assert not torch.allclose(module(first), module(changed), rtol=1e-5, atol=1e-6)
    assert not torch.allclose(module(first), module(first.flip(2)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("heads", [1, 2])
@pytest.mark.parametrize("pool", ["class", "mean"])
def test_heads_and_mlps_are_sites_and_grow_exactly(pool: Any, heads: int) -> None:
    network = SMALL.model_copy(update={"pool": pool, "depth": 1, "heads": heads})
    module, inputs = built(network).double(), images(1, 8, 8).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    sites = {name: site for name, site in trace(module, inputs).sites.items() if name.startswith("blocks.")}
    exact = {name: (site.width, site.granularity) for name, site in sites.items() if site.kind == "exact"}
    assert exact == {"blocks.0.attention.query": (16, 16 // heads), "blocks.0.mlp.up": (32, 1)}
    before = module(inputs)

    grow(module, inputs, {"blocks.0.attention.query": 16, "blocks.0.mlp.up": 32}, how="zero")

    shapes = {
        name: value.shape for name, value in built(network.model_copy(update={"width": 2.0})).state_dict().items()
    }
    assert {name: value.shape for name, value in module.state_dict().items()} == shapes
    assert torch.allclose(module(inputs), before, rtol=1e-12, atol=1e-12)


def test_drawing_the_weights_again_is_building_anew() -> None:
    expected, other = built(seed=0), built(seed=1)
    torch.manual_seed(0)
    initialise_anew(other, {"name": "vit", **SMALL.model_dump()})
    found = other.state_dict()
    assert all(torch.equal(value, found[name]) for name, value in expected.state_dict().items())


@pytest.mark.parametrize(
    ("network", "shape", "message"),
    [
        (SMALL, (10,), "network 'vit' needs images"),
        (ViT(patch=3), (3, 32, 32), "patches of 3 x 3 do not cover images of 32 x 32"),
        (ViT(embedding=16, heads=5), (1, 8, 8), "network 'vit': 5 heads do not divide an embedding of 16"),
    ],
)
def test_what_does_not_fit_is_refused(network: ViT, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        network.build(shape, 10)
