"""Which runs of alike blocks are found, and what is said of those that are none."""

from __future__ import annotations

import warnings
from collections import OrderedDict

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from growsearch.graph import trace
from growsearch.networks import build_network


class Block(nn.Module):
    def __init__(self, width: int = 4, after: bool = False) -> None:
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(width), nn.Linear(width, 6), nn.Linear(6, width)
        self.after = after

    def forward(self, x: Tensor) -> Tensor:
        if self.after:
            return self.norm(x + self.down(F.gelu(self.up(x))))
        return x + self.down(F.gelu(self.up(self.norm(x))))


class Loop(nn.Module):
    """Blocks between two layers, called as `order` says."""

    def __init__(self, blocks: list[nn.Module], order: tuple[int, ...] | None = None) -> None:
        super().__init__()
        self.stem, self.blocks, self.head = nn.Linear(3, 4), nn.ModuleList(blocks), nn.Linear(4, 2)
        self.order = order

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks if self.order is None else [self.blocks[index] for index in self.order]:
            x = block(x)
        return self.head(x)


def found(model: nn.Module, *shape: int) -> tuple[dict[str, tuple[int, int]], dict[str, str]]:
    graph = trace(model, torch.randn(*shape or (2, 3)))
    return {name: (site.first, site.blocks) for name, site in graph.block_sites.items()}, graph.no_block_sites


def test_a_chain_is_a_site_with_its_costs_and_what_its_branches_end_in() -> None:
    graph = trace(Loop([Block(), Block(), Block()]), torch.randn(2, 3))
    site = graph.block_sites["blocks"]

    assert (site.container, site.prefix, site.first, site.blocks) == ("blocks", "", 0, 3)
    assert site.parameters == (8 + 30 + 28,) * 3
    assert site.flops == (2 * 2 * 24,) * 3
    assert site.outputs == ("down.weight", "down.bias")
    assert site.path(2) == "blocks.2"


class Functional(Block):
    """Its second product is a call of its own, not a module's."""

    def forward(self, x: Tensor) -> Tensor:
        return x + F.linear(F.gelu(self.up(self.norm(x))), self.down.weight, self.down.bias)


def test_a_block_costs_what_its_modules_and_its_own_calls_cost() -> None:
    blocks = trace(Loop([Functional(), Functional()]), torch.randn(2, 3)).block_sites["blocks"]
    assert blocks.flops == (2 * 2 * 24,) * 2


@pytest.mark.parametrize(("last", "sites"), [("a1", 1), ("c1", 1), ("b3", 1), ("b4", 0)])
def test_only_numbers_that_count_on_may_be_behind_a_chain(last: str, sites: int) -> None:
    stage = nn.Sequential(OrderedDict([("b1", Block()), ("b2", Block()), (last, nn.Linear(4, 4))]))
    assert found(nn.Sequential(nn.Linear(3, 4), stage, nn.Linear(4, 2)))[0] == ({"1": (1, 2)} if sites else {})


def test_a_post_norm_block_is_a_site_whose_copies_cannot_be_the_identity() -> None:
    site = trace(Loop([Block(after=True), Block(after=True)]), torch.randn(2, 3)).block_sites["blocks"]

    assert site.outputs == () and "normalisation behind the sum" in site.reason


def test_one_block_is_a_site_where_it_is_residual() -> None:
    assert found(Loop([Block()]))[0] == {"blocks": (0, 1)}
    assert found(nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.LayerNorm(4)), nn.Linear(4, 2)))[0] == {}


def test_one_block_whose_copies_cannot_be_the_identity_is_a_site_only_as_a_list_by_itself() -> None:
    alone, linear = Block(after=True), nn.Linear(4, 4)
    assert found(Loop([alone]))[0] == {"blocks": (0, 1)}
    assert found(Loop([alone, linear]))[0] == {}
    assert found(nn.Sequential(nn.Linear(3, 4), nn.Sequential(alone), nn.Linear(4, 2)))[0] == {}


@pytest.mark.parametrize(
    ("order", "reason"),
    [((0, 1, 0), r"'blocks.0' is called 2 times"), ((1, 0), "does not take what"), ((0,), "is called 0 times")],
)
def test_what_is_no_chain_is_left_out_with_the_reason(order: tuple[int, ...], reason: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a block that is not called
        sites, reasons = found(Loop([Block(), Block()], order))

    assert sites == {} and reason in reasons["blocks"]


def test_a_count_that_is_written_in_the_code_is_found_by_trial() -> None:
    sites, reasons = found(Loop([Block(), Block()], (0, 1)))

    assert sites == {} and "the model's code counts its blocks" in reasons["blocks"]


def test_shared_parameters_are_left_out() -> None:
    first, second = Block(), Block()
    second.up.weight = first.up.weight
    sites, reasons = found(Loop([first, second]))

    assert sites == {} and "shares parameters" in reasons["blocks"]


def test_a_width_of_its_own_does_not_take_a_block_out_of_its_run() -> None:
    wide = Block()
    wide.up, wide.down = nn.Linear(4, 9), nn.Linear(9, 4)
    site = trace(Loop([Block(), wide]), torch.randn(2, 3)).block_sites["blocks"]

    assert site.blocks == 2 and site.parameters[0] < site.parameters[1]


def test_stages_of_a_resnet_are_sites_of_the_blocks_that_keep_their_shape() -> None:
    model = build_network({"name": "torchvision:resnet18"}, (3, 32, 32), 2)
    graph = trace(model, torch.randn(2, 3, 32, 32))

    assert {n: (s.first, s.blocks) for n, s in graph.block_sites.items()} == {
        "layer1": (0, 2),
        "layer2": (1, 1),
        "layer3": (1, 1),
        "layer4": (1, 1),
    }
    assert {s.outputs for s in graph.block_sites.values()} == {("bn2.weight", "bn2.bias")}


class Scaled(Block):
    """Its branch is multiplied by a scale, as in ConvNeXt."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.full((4,), 0.1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gamma * self.down(F.gelu(self.up(self.norm(x))))


def test_a_layer_scale_is_what_a_branch_ends_in() -> None:
    site = trace(Loop([Scaled(), Scaled()]), torch.randn(2, 3)).block_sites["blocks"]

    assert site.outputs == ("gamma",)


def test_a_branch_that_ends_in_an_activation_is_not_zeroed() -> None:
    """ReLU of 0 has no gradient: what is behind it would stay there."""

    class Ended(Block):
        def forward(self, x: Tensor) -> Tensor:
            return x + torch.relu(self.down(self.up(self.norm(x))))

    site = trace(Loop([Ended(), Ended()]), torch.randn(2, 3)).block_sites["blocks"]

    assert site.outputs == () and "no parameter is known that makes it zero" in site.reason


def test_torchs_own_transformer_layers_are_blocks() -> None:
    layer = nn.TransformerEncoderLayer(4, 2, 6, dropout=0.0, norm_first=True, batch_first=True)
    model = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    site = trace(model, torch.randn(2, 5, 4)).block_sites["layers"]

    assert site.blocks == 2
    assert site.outputs == ("self_attn.out_proj.weight", "self_attn.out_proj.bias", "linear2.weight", "linear2.bias")
