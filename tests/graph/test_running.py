"""Running for a trace: every kind of inputs and of control flow, and the model is left as it was."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from growsearch.graph import Ref, trace


@dataclass
class Batch:
    image: Tensor
    scale: float


class TakesBatch(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(4, 6), nn.Linear(6, 2)

    def forward(self, batch: Batch, bias: Tensor | None = None) -> Batch:
        hidden = self.one(batch.image) * batch.scale
        return Batch(self.two(hidden if bias is None else hidden + bias), 1.0)


def test_dataclasses_go_in_and_out() -> None:
    graph = trace(TakesBatch(), (Batch(torch.ones(3, 4), 2.0),))

    assert graph.sites["one"].kind == "exact"
    assert graph.flops == 2 * (4 * 6 + 6 * 2)


def test_a_dict_holds_keyword_arguments() -> None:
    graph = trace(TakesBatch(), {"batch": Batch(torch.ones(3, 4), 2.0), "bias": torch.ones(3, 1)})

    assert graph.sites["one"].width == 6
    assert graph.calls["input#1"].shape == (3, 1)


def test_a_list_joins_several_examples() -> None:
    class Either(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.left, self.right, self.out = nn.Linear(4, 6), nn.Linear(3, 6), nn.Linear(6, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.out(self.left(x) if x.shape[1] == 4 else self.right(x))

    graph = trace(Either(), [torch.ones(2, 4), (torch.ones(2, 3),)])

    site = graph.sites["left"]
    assert site.producers == ("left", "right")
    assert graph.flops == 2 * (4 * 6 + 6 * 2)  # of the first example


def test_every_example_has_its_say_where_the_first_reaches_all_parameters() -> None:
    class Turning(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 6), nn.Linear(6, 2)

        def forward(self, x: Tensor) -> Tensor:
            hidden = self.a(x)
            return self.b(hidden.flip(1) if len(x) == 3 else hidden)

    model = Turning()
    assert trace(model, torch.randn(2, 4)).sites["a"].kind == "exact"
    assert trace(model, [torch.randn(2, 4), torch.randn(3, 4)]).sites["a"].kind == "frozen"


def test_loops_and_shape_tests_are_followed() -> None:
    class Looping(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(3))
            self.into, self.out = nn.Linear(4, 8), nn.Linear(8, 2)

        def forward(self, x: Tensor) -> Tensor:
            if x.ndim != 2 or x.size(-1) != 4:
                raise ValueError("wrong shape")
            x = self.into(x)
            for number, layer in enumerate(self.layers):
                x = F.relu(layer(x)) if number % 2 else x + layer(x)
            return self.out(x)

    sites = trace(Looping(), torch.ones(2, 4)).sites

    assert {name: site.producers for name, site in sites.items()} == {
        "into": ("into", "layers.0"),
        "layers.1": ("layers.1", "layers.2"),
    }


def test_parts_that_only_train_are_joined() -> None:
    class Auxiliary(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.head, self.extra = nn.Linear(4, 6), nn.Linear(6, 2), nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
            x = self.body(x)
            return (self.head(x), self.extra(x)) if self.training else self.head(x)

    graph = trace(Auxiliary().eval(), torch.ones(2, 4))

    assert graph.sites["body"].consumers == ("head", "extra")
    assert graph.flops == 2 * (4 * 6 + 6 * 2)


class ByValue(nn.Module):
    """Decides by values, so only the model itself can run."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.norm, self.two = nn.Linear(4, 6), nn.BatchNorm1d(6, momentum=0.5), nn.Linear(6, 2)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        self.seen += 1
        if x.max() < 0:
            x = -x
        x = F.dropout(self.norm(self.one(x)), 0.5, training=True)
        return self.two(x)


def test_control_flow_by_values_runs_the_model_itself_and_restores_it() -> None:
    model = ByValue().train()
    model.norm.eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    identities = {name: id(tensor) for name, tensor in model.named_parameters()}
    torch.manual_seed(3)
    random.seed(3)
    expected = torch.rand(1), random.random()
    torch.manual_seed(3)
    random.seed(3)

    graph = trace(model, torch.ones(2, 4))

    assert graph.sites["one"].kind == "exact"
    assert (torch.rand(1), random.random()) == expected
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert {name: id(tensor) for name, tensor in model.named_parameters()} == identities
    assert (model.training, model.norm.training) == (True, False)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_calls_hold_no_tensors_and_can_be_replayed() -> None:
    class Sliced(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(4, 6), nn.Linear(3, 2)

        def forward(self, x: Tensor) -> Tensor:
            first, second = torch.chunk(self.one(x), 2, dim=-1)
            return self.two(F.leaky_relu(first + second, 0.1))

    calls = trace(Sliced(), torch.ones(2, 4)).calls

    assert list(calls) == [
        "input", "one", "chunk()", "item()", "item()#1", "add()", "leaky_relu()", "two", "output",
    ]  # fmt: skip
    activation = calls["leaky_relu()"]
    assert (activation.args, activation.kwargs["negative_slope"]) == ((Ref("add()"),), 0.1)
    assert (activation.rule, activation.shape, activation.input_shapes) == ("pointwise", (2, 3), ((2, 3),))
    assert torch.equal(activation.function(-torch.ones(1), 0.1), torch.tensor([-0.1]))
    assert (calls["item()#1"].args, calls["item()#1"].rule) == ((Ref("chunk()"), 1), "item")


def test_subclasses_with_a_forward_of_their_own_are_traced_through() -> None:
    class Shifted(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) + 1

    graph = trace(nn.Sequential(Shifted(4, 6), nn.Linear(6, 2)), torch.ones(2, 4))

    assert [call.target for call in graph.calls.values() if call.scope == "0"] == ["linear", "add"]
    assert graph.sites["0"].producers == ("0.linear()",)


def test_hooks_of_the_user_are_part_of_the_run() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.Linear(6, 2))
    model[0].register_forward_hook(lambda module, args, output: output.softmax(-1))

    assert trace(model, torch.ones(2, 4)).sites["0"].kind == "frozen"


def test_the_networkx_graph_is_frozen_and_holds_parameters() -> None:
    graph = trace(nn.Sequential(nn.Linear(4, 6), nn.ReLU()), torch.ones(2, 4)).networkx

    assert set(graph) == {"input", "0", "1", "output", "0.weight", "0.bias"}
    assert graph.edges["0.weight", "0", 0]["argument"] == "weight"
    assert graph.nodes["1"]["rule"] == "pointwise"
    assert getattr(graph, "frozen", False)


def test_a_module_that_two_others_call_is_two_calls() -> None:
    class Caller(nn.Module):
        def __init__(self, shared: nn.Module) -> None:
            super().__init__()
            self.shared = shared

        def forward(self, x: Tensor) -> Tensor:
            return self.shared(x)

    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            shared = nn.Linear(4, 4)
            self.one, self.two = Caller(shared), Caller(shared)
            self.head = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.two(self.one(x)))

    graph = trace(Both(), torch.randn(2, 4))

    assert [name for name, call in graph.calls.items() if call.kind == "module"] == [
        "one.shared",
        "one.shared#1",
        "head",
    ]
    assert graph.flops == 2 * (16 + 16 + 8)
