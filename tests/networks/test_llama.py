from __future__ import annotations

import pytest
import torch
from torch import nn

from growsearch import grow, trace
from growsearch.errors import InputError
from growsearch.networks.llama import Llama, angles, turned
from growsearch.training.architecture import initialise_anew

CONTEXT, VOCABULARY = 6, 11
SMALL = Llama(depth=2, embedding=16, heads=4, key_value_heads=2, mlp_ratio=2.0)


def tokens(samples: int = 3) -> torch.Tensor:
    return torch.randint(0, VOCABULARY, (samples, CONTEXT), generator=torch.Generator().manual_seed(0))


def built(network: Llama = SMALL, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return network.build((CONTEXT,), VOCABULARY)


def test_no_position_sees_a_later_one() -> None:
    module, whole = built(), tokens()
    changed = whole.clone()
    changed[:, 4:] = (changed[:, 4:] + 1) % VOCABULARY
    first, second = module(whole), module(changed)
    assert torch.allclose(first[:, :4], second[:, :4])
    assert not torch.allclose(first[:, 4:], second[:, 4:])


def test_parameters_are_those_of_the_formula() -> None:
    width, hidden, served = 16, 32, 8
    block = 2 * width * width + 2 * served * width + 3 * width * hidden + 2 * width
    assert sum(each.numel() for each in built().parameters()) == 2 * VOCABULARY * width + 2 * block + width
    tied = built(SMALL.model_copy(update={"tied": True}))
    assert sum(each.numel() for each in tied.parameters()) == VOCABULARY * width + 2 * block + width
    assert not any(name.endswith("bias") for name in tied.state_dict())


def test_a_position_turns_pairs_of_features_as_complex_numbers() -> None:
    heads = torch.randn(2, 3, CONTEXT, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    found = turned(heads, *angles(torch.arange(CONTEXT), 8))

    pairs = torch.complex(heads[..., :4], heads[..., 4:])
    frequencies = torch.tensor([1.0, 0.1, 0.01, 0.001], dtype=torch.float64)  # 10000 ** (-2 i / 8)
    expected = pairs * torch.exp(1j * torch.arange(CONTEXT)[:, None] * frequencies)
    assert torch.allclose(found, torch.cat([expected.real, expected.imag], -1), atol=1e-6)


def test_products_of_turned_heads_depend_on_the_distance_only() -> None:
    query, key = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    cos, sin = angles(torch.arange(20), 8)

    def product(first: int, second: int) -> float:
        return float(turned(query, cos[first], sin[first]) @ turned(key, cos[second], sin[second]))

    assert product(3, 1) == pytest.approx(product(19, 17), abs=1e-5)
    assert product(3, 1) != pytest.approx(product(3, 2), abs=1e-2)


@pytest.mark.parametrize(("groups", "unit"), [(None, 4), (2, 8), (1, 16)])
def test_whole_groups_of_heads_and_gated_mlps_are_sites_and_grow_exactly(groups: int | None, unit: int) -> None:
    network = SMALL.model_copy(update={"key_value_heads": groups, "depth": 1})
    module = built(network).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    sites = {name: site for name, site in trace(module, tokens()).sites.items() if name.startswith("blocks.")}
    exact = {name: (site.width, site.granularity) for name, site in sites.items() if site.kind == "exact"}
    assert exact == {"blocks.0.attention.query": (16, unit), "blocks.0.mlp.gate": (32, 1)}
    before = module(tokens())

    grow(module, tokens(), {"blocks.0.attention.query": 16, "blocks.0.mlp.gate": 32}, how="zero")

    shapes = {
        name: value.shape for name, value in built(network.model_copy(update={"width": 2.0})).state_dict().items()
    }
    assert {name: value.shape for name, value in module.state_dict().items()} == shapes
    assert torch.allclose(module(tokens()), before, rtol=1e-12, atol=1e-12)


def test_drawing_the_weights_again_is_building_anew() -> None:
    expected, other = built(SMALL, 0), built(SMALL, 1)
    torch.manual_seed(0)
    initialise_anew(other, {"name": "llama", **SMALL.model_dump()})
    found = other.state_dict()
    assert all(torch.equal(value, found[name]) for name, value in expected.state_dict().items())


@pytest.mark.parametrize(
    ("network", "shape", "message"),
    [
        (SMALL, (1, 8, 8), "network 'llama' needs rows of tokens, .* inputs are 1 x 8 x 8"),
        (Llama(embedding=16, heads=5), (CONTEXT,), "5 heads do not divide an embedding of 16 features"),
        (Llama(embedding=12, heads=4), (CONTEXT,), "turn pairs of features, but a head has 3"),
        (Llama(embedding=16, heads=4, key_value_heads=3), (CONTEXT,), "3 heads of keys and values do not divide 4"),
    ],
)
def test_what_does_not_fit_is_refused(network: Llama, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        network.build(shape, VOCABULARY)
