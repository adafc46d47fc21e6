from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import growsearch
from growsearch.growth.device import full_precision
from growsearch.networks import build_network
from growsearch.registry import names

NETWORKS: dict[str, dict[str, Any]] = {
    "vgg11": {"name": "vgg11", "width": 0.125},
    "wrn28": {"name": "wrn28", "width": 0.25},
    "mobilenet_v1": {"name": "mobilenet_v1", "width": 0.125},
    "resnet18": {"name": "torchvision:resnet18"},
}
PRESERVING = ["zero", "random", "gradmax", "gradmax_opt", "split"]


def objective(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
    return F.cross_entropy(model(batch[0]), batch[1])


def trained(spec: dict[str, Any]) -> tuple[nn.Module, torch.optim.Optimizer, tuple[Tensor, Tensor]]:
    """A network on the GPU, channels last, after two steps."""
    torch.manual_seed(0)
    model = build_network(spec, (3, 32, 32), 10).to("cuda", memory_format=torch.channels_last)
    inputs = torch.randn(32, 3, 32, 32, device="cuda").contiguous(memory_format=torch.channels_last)
    batch = (inputs, torch.arange(32, device="cuda") % 10)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(2):
        torch.autograd.backward(objective(model, batch))
        optimizer.step()
        optimizer.zero_grad()
    return model, optimizer, batch


@pytest.mark.parametrize(
    ("name", "how"),
    # What takes a hundred passes of its own is tried on one network.
    [(name, how) for name in NETWORKS for how in PRESERVING if how != "gradmax_opt" or name == "vgg11"],
)
def test_growth_preserves_the_function_in_the_training_s_own_precision(name: str, how: str) -> None:
    model, optimizer, batch = trained(NETWORKS[name])
    sites = [site.name for site in growsearch.trace(model, batch[0][:2]).sites.values() if site.kind == "exact"]
    model.eval()
    with torch.no_grad(), full_precision():
        before = model(batch[0])
    model.train()

    event = growsearch.grow(
        model, batch[0], dict.fromkeys(sites[:3], 3), how, optimizer, objective=objective, batches=[batch]
    )

    assert event.parameters_after > event.parameters_before
    model.eval()
    with torch.no_grad(), full_precision():
        after = model(batch[0])
    assert float((after - before).abs().max() / before.abs().max()) < 1e-4
    assert {p.device.type for p in model.parameters()} == {"cuda"}
    assert {id(p) for p in model.parameters()} == {id(p) for g in optimizer.param_groups for p in g["params"]}
    model.train()
    torch.autograd.backward(objective(model, batch))
    optimizer.step()


def test_gradmax_finds_on_the_gpu_what_it_finds_on_the_cpu() -> None:
    model, _, batch = trained(NETWORKS["vgg11"])
    here = copy.deepcopy(model).cpu()
    how = {"gradmax": {"side": "incoming"}}

    growsearch.grow(model, batch[0][:2], {"features.2": 2}, how, objective=objective, batches=[batch])
    batch_here = (batch[0].cpu(), batch[1].cpu())
    growsearch.grow(here, batch_here[0][:2], {"features.2": 2}, how, objective=objective, batches=[batch_here])

    there, expected = model.features[4].weight.cpu(), here.features[4].weight
    assert torch.allclose(there, expected, rtol=1e-3, atol=1e-4 * float(expected.detach().abs().max()))


def test_full_precision_turns_tf32_off_and_puts_it_back() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(64, 64, 3, padding=1).cuda()
    inputs = torch.randn(16, 64, 32, 32, device="cuda")
    with torch.no_grad():
        exact = conv.double()(inputs.double())
        conv = conv.float()
        with full_precision():
            inside = conv(inputs)
        outside = conv(inputs)

    def error(found: Tensor) -> float:
        return float((found.double() - exact).abs().max() / exact.abs().max())

    assert error(inside) < 1e-5 < error(outside)


def test_every_initializer_has_a_place_in_these_tests() -> None:
    # Those that change the function, or the depth, or need a selector of their own, are trained in
    # test_training_on_cuda.
    assert set(names("how")) == {*PRESERVING, "identity", "firefly", "gauss_newton", "nest", "stack", "identity_blocks"}
