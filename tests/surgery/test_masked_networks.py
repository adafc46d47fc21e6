"""Networks with masks are traced, rebuilt, saved, and made compact."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from growsearch import grow, trace
from growsearch.networks import build_network
from growsearch.surgery import (
    MaskEdit,
    apply_edits,
    compact,
    from_sparse,
    masks_of,
    outputs_of,
    rebuild,
    to_sparse,
)
from growsearch.training.artifact import NetworkDescription, load_network, save_network
from tests.growth.tasks import batch_for, cnn, mlp
from tests.surgery.masked import sparsify


@pytest.mark.parametrize("build", [mlp, cnn])
def test_tracing_does_not_see_masks(build: Callable[[], nn.Sequential]) -> None:
    model = build()
    inputs = batch_for(model)[0]
    before = trace(model, inputs)

    after = trace(sparsify(model), inputs)

    assert after.sites == before.sites and after.calls.keys() == before.calls.keys()


# torch says that it checks sparse tensors when it loads them.
@pytest.mark.filterwarnings("ignore:Validating sparse tensor")
@pytest.mark.parametrize("build", [mlp, cnn])
@pytest.mark.parametrize("last", [False, True])
def test_a_grown_masked_network_is_rebuilt_bit_for_bit(build: Callable[[], nn.Sequential], last: bool) -> None:
    model = sparsify(build())
    if last and build is cnn:
        model.to(memory_format=torch.channels_last)
    inputs = batch_for(model)[0]
    grow(model, inputs, dict.fromkeys(trace(model, inputs).sites, 1), "split")
    stream = io.BytesIO()
    torch.save({"dense": model.state_dict(), "sparse": to_sparse(model)}, stream)
    stream.seek(0)
    saved = torch.load(stream, weights_only=True)

    for state in (saved["dense"], from_sparse(saved["sparse"])):
        loaded = rebuild(build(), [], state).state_dict()
        assert loaded.keys() == model.state_dict().keys()
        assert all(torch.equal(loaded[name], value) for name, value in model.state_dict().items())
    assert not any(name.endswith("_mask") for name in saved["sparse"])
    stored = {name: value for name, value in saved["sparse"].items() if value.is_sparse}
    assert sum(value._nnz() for value in stored.values()) == sum(int(m.sum()) for m in masks_of(model).values())


def test_a_saved_network_is_loaded_with_its_masks(tmp_path: Path) -> None:
    network = {"name": "mlp", "hidden": [5, 4]}
    model = build_network(network, (1, 3, 3), 2)
    sparsify(model)
    inputs = torch.randn(2, 1, 3, 3)
    grow(model, inputs, dict.fromkeys(trace(model, inputs).sites, 1))
    save_network(tmp_path, model, NetworkDescription(network=network, input_shape=(1, 3, 3), outputs=2, insertions=[]))

    loaded = load_network(tmp_path)

    assert masks_of(loaded).keys() == masks_of(model).keys()
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in loaded.state_dict().items())


def kill(model: nn.Module, weight: str, axis: int, unit: int, slots: int = 1) -> None:
    """Prune all connections of a unit on one axis of a weight."""
    tensor = model.get_parameter(weight)
    marks = torch.zeros_like(tensor, dtype=torch.bool)
    marks.narrow(axis, unit * slots, slots).fill_(True)
    apply_edits(model, [MaskEdit(weight, prune=marks.flatten().nonzero().flatten())])


@pytest.mark.parametrize("act", [nn.ReLU, nn.Sigmoid])
def test_compacting_an_mlp_keeps_the_function(act: Callable[[], nn.Module]) -> None:
    model = mlp(act=act).double()
    kill(model, "first.weight", 0, 1)  # constant: goes into second.bias
    kill(model, "second.weight", 1, 3)  # read by nobody
    kill(model, "head.weight", 1, 0)
    inputs = batch_for(model)[0].double()
    before = outputs_of(model, inputs, training=False)

    removed = compact(model, inputs)

    assert removed == {"first": 2, "second": 1}
    assert model[0].weight.shape == (2, 4) and model[4].weight.shape == (3, 5)
    torch.testing.assert_close(outputs_of(model, inputs, training=False), before, rtol=1e-12, atol=1e-12)


def test_streams_stay_and_what_comes_behind_them_is_made_compact() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.norm, self.up = nn.Linear(4, 6), nn.LayerNorm(6), nn.Linear(6, 5)
            self.down, self.head = nn.Linear(5, 6), nn.Linear(6, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.stem(x)
            return self.head(self.norm(x + self.down(self.up(self.norm(x)).relu())))

    model, inputs = Residual(), torch.randn(3, 4)
    sites = trace(model, inputs).sites
    assert [site.plain for site in sites.values()] == [False, True]
    kill(model, "down.weight", 1, 3)

    assert compact(model, inputs) == {"up": 1}


def test_compacting_cascades_and_leaves_a_unit() -> None:
    model = mlp()
    for unit in range(6):
        kill(model, "head.weight", 1, unit)
    inputs = batch_for(model)[0]
    before = outputs_of(model, inputs, training=False)
    kill(model, "second.weight", 1, 2)

    removed = compact(model, inputs)

    assert removed == {"first": 1, "second": 5}
    assert torch.allclose(outputs_of(model, inputs, training=False), before)


def test_compacting_convolutions() -> None:
    model = cnn().double()
    for parameter in model.parameters():
        nn.init.uniform_(parameter, 0.1, 1.0)
    kill(model, "conv2.weight", 1, 0)  # read by nobody
    kill(model, "conv2.weight", 0, 1)  # constant, flattened into a linear layer
    kill(model, "conv1.weight", 0, 2)  # constant, but conv2 pads and norm shifts: must stay
    model(batch_for(model)[0].double())
    inputs = batch_for(model)[0].double()
    before = outputs_of(model, inputs, training=False)

    removed = compact(model, inputs)

    assert removed == {"conv1": 1, "conv2": 1}
    torch.testing.assert_close(outputs_of(model, inputs, training=False), before, rtol=1e-12, atol=1e-12)


def test_a_constant_unit_before_a_convolution_that_does_not_pad_goes_into_its_bias() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 3, 2)).double()
    nn.init.ones_(model[0].bias)
    kill(model, "0.weight", 0, 2)
    inputs = torch.randn(3, 2, 7, 6).double()
    before = model(inputs)

    assert compact(model, inputs) == {"0": 1}
    torch.testing.assert_close(model(inputs), before, rtol=1e-12, atol=1e-12)


def test_a_constant_unit_before_a_layer_without_bias_stays() -> None:
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2, bias=False))
    nn.init.ones_(model[0].bias)
    kill(model, "0.weight", 0, 0)
    assert compact(model, torch.randn(3, 4)) == {}
    nn.init.zeros_(model[0].bias)
    assert compact(model, torch.randn(3, 4)) == {"0": 1}
