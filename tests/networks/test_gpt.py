from __future__ import annotations

import pytest
import torch
from torch import nn

from growsearch import grow, trace
from growsearch.errors import InputError
from growsearch.networks import initialise_network
from growsearch.networks.gpt import GPT
from growsearch.training.architecture import initialise_anew

CONTEXT, VOCABULARY = 6, 11
SMALL = GPT(depth=2, embedding=16, heads=4, mlp_ratio=2.0)


def tokens(samples: int = 3) -> torch.Tensor:
    return torch.randint(0, VOCABULARY, (samples, CONTEXT), generator=torch.Generator().manual_seed(0))


def built(network: GPT = SMALL, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return network.build((CONTEXT,), VOCABULARY)


def test_gives_logits_at_every_position_and_every_parameter_learns() -> None:
    module = built()
    outputs = module(tokens())
    outputs.square().sum().backward()
    assert outputs.shape == (3, CONTEXT, VOCABULARY)
    assert all(parameter.grad is not None for parameter in module.parameters())


def test_no_position_sees_a_later_one() -> None:
    module, whole = built(), tokens()
    changed = whole.clone()
    changed[:, 4:] = (changed[:, 4:] + 1) % VOCABULARY
    first, second = module(whole), module(changed)
    assert torch.equal(first[:, :4], second[:, :4])
    assert not torch.allclose(first[:, 4:], second[:, 4:])


def test_parameters_are_those_of_the_formula() -> None:
    width, hidden = 16, 32
    block = 4 * (width * width + width) + 2 * width * hidden + hidden + width + 2 * 2 * width
    embeddings = VOCABULARY * width + CONTEXT * width
    assert sum(each.numel() for each in built().parameters()) == embeddings + 2 * block + 2 * width
    untied = SMALL.model_copy(update={"tied": False})
    assert sum(each.numel() for each in built(untied).parameters()) == embeddings + 2 * block + 2 * width + 16 * 11


def test_heads_and_mlps_are_sites_and_grow_to_the_network_of_full_width() -> None:
    seed = SMALL.model_copy(update={"width": 0.5})
    module = built(seed)
    sites = trace(module, tokens()).sites
    exact = {name: (site.width, site.granularity) for name, site in sites.items() if site.kind == "exact"}
    assert exact == {
        **{f"blocks.{block}.attention.query": (8, 4) for block in (0, 1)},
        **{f"blocks.{block}.mlp.up": (16, 1) for block in (0, 1)},
    }
    before = module(tokens())

    grow(module, tokens(), {name: 8 if "query" in name else 16 for name in exact}, how="zero")

    shapes = {name: value.shape for name, value in built().state_dict().items()}
    assert {name: value.shape for name, value in module.state_dict().items()} == shapes
    assert torch.allclose(module(tokens()), before, atol=1e-6)


def test_one_head_becomes_four() -> None:
    module, whole = built(SMALL.model_copy(update={"width": 0.25})), built()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_()
    before = module(tokens())

    grow(module, tokens(), {f"blocks.{block}.attention.query": 12 for block in (0, 1)}, how="zero")

    shape = whole.get_parameter("blocks.1.attention.output.weight").shape
    assert module.get_parameter("blocks.1.attention.output.weight").shape == shape == (16, 16)
    assert torch.allclose(module(tokens()), before, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("tied", [True, False])
def test_drawing_the_weights_again_is_building_anew(tied: bool) -> None:
    network = SMALL.model_copy(update={"tied": tied})
    expected, other = built(network, 0), built(network, 1)
    torch.manual_seed(0)
    initialise_anew(other, {"name": "gpt", **network.model_dump()})
    found = other.state_dict()
    assert all(torch.equal(value, found[name]) for name, value in expected.state_dict().items())


def test_what_a_block_adds_begins_smaller_in_deep_networks() -> None:
    module = built(GPT(depth=8, embedding=64, heads=4))
    initialise_network({"name": "gpt", "depth": 8, "embedding": 64}, module)
    stds = {name: float(value.std()) for name, value in module.state_dict().items() if value.ndim == 2}
    assert stds["blocks.0.mlp.up.weight"] == pytest.approx(0.02, rel=0.05)
    assert stds["blocks.0.mlp.down.weight"] == pytest.approx(0.02 / 4, rel=0.05)


def test_images_and_heads_that_do_not_divide_the_stream_are_refused() -> None:
    with pytest.raises(InputError, match="needs rows of tokens, .* inputs are 1 x 8 x 8"):
        SMALL.build((1, 8, 8), 10)
    with pytest.raises(InputError, match="5 heads do not divide an embedding of 16 features"):
        GPT(embedding=16, heads=5).build((CONTEXT,), 10)
