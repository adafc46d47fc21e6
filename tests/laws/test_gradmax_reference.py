"""GradMax against arrays made with its authors' released code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import growsearch
from growsearch.growth.statistics.capture import capture
from growsearch.growth.statistics.collect import ChannelProblem
from growsearch.growth.statistics.triplets import gradient_triplets
from growsearch.networks.activation import ReLU1

GOLDEN = Path(__file__).parent.parent / "golden"
DENSE = ["dense_tanh_mse", "dense_relu1_ce", "dense_tanh_ce_last"]
CONV = ["conv_valid_tanh_ce", "conv_same_relu1_ce", "conv_valid_k5k3_s2_relu1_ce"]


class Mean(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.mean((2, 3))


class Case:
    """A golden file as a network, a batch and an objective."""

    def __init__(self, name: str) -> None:
        self.a = {k: torch.from_numpy(v) if v.ndim else v.item() for k, v in np.load(GOLDEN / f"{name}.npz").items()}
        self.dense = name.startswith("dense")
        act = nn.Tanh if "tanh" in name else ReLU1
        self.mse = name.endswith("mse")
        self.model = self._dense(act, name) if self.dense else self._conv(act, name)
        self.site = "2" if name.endswith("_last") else "0"
        self.first = 1 if name.endswith("_last") else 0
        x = self.a["x"]
        self.batch = (x if self.dense else x.permute(0, 3, 1, 2).contiguous(), self.a["y"])

    def _dense(self, act: type[nn.Module], name: str) -> nn.Sequential:
        layers: list[nn.Module] = []
        count = 2 if self.mse else 3
        for i in range(count):
            w = self.a[f"w{i}"]
            layer = nn.Linear(*w.shape)
            layer.weight.data, layer.bias.data = w.T.clone(), self.a[f"b{i}"].clone()
            layers += [layer, act()] if i < count - 1 else [layer]
        return nn.Sequential(*layers)

    def _conv(self, act: type[nn.Module], name: str) -> nn.Sequential:
        layers: list[nn.Module] = []
        for i in range(2):
            w = self.a[f"w{i}"]
            k = w.shape[0]
            stride = int(self.a["stride2"]) if i else 1
            layer = nn.Conv2d(w.shape[2], w.shape[3], k, stride=stride, padding=k // 2 if "same" in name else 0)
            layer.weight.data, layer.bias.data = w.permute(3, 2, 0, 1).clone(), self.a[f"b{i}"].clone()
            layers += [layer, act()]
        head = nn.Linear(*self.a["head"].shape, bias=False)
        head.weight.data = self.a["head"].T.clone()
        return nn.Sequential(*layers, Mean(), head)

    def objective(self, model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        out = model(batch[0])
        return F.mse_loss(out, batch[1]) if self.mse else F.cross_entropy(out, batch[1].long())

    def matrix(self) -> Tensor:
        """Our matrix in the reference's layout: rows (inputs, taps of the first layer), columns (taps, outputs)."""
        graph = growsearch.trace(self.model, self.batch[0][:2])
        problem = ChannelProblem(self.model, graph, graph.sites[self.site], 0, 1)
        seen = capture(
            self.model,
            self.objective,
            self.batch,
            [p.module for p in problem.producers],
            [c.module for c in problem.consumers],
        )
        m = problem.operator(seen).dense()
        if self.dense:
            return m.T
        k1, k2 = self.a["w0"].shape[0], self.a["w1"].shape[0]
        m = m.reshape(self.a["w1"].shape[3], k2, k2, self.a["w0"].shape[2], k1, k1)
        return m.permute(3, 4, 5, 1, 2, 0).reshape(self.a["w0"].shape[2] * k1 * k1, -1)


def _relative(a: Tensor, b: Tensor) -> float:
    a, b = a.detach().double(), b.detach().double()
    return float((a - b).abs().max() / b.abs().max())


@pytest.mark.parametrize("name", DENSE + CONV)
def test_gradient_matrix_is_the_reference(name: str) -> None:
    case = Case(name)
    wanted = case.a["exact_matrix"] if name == "conv_same_relu1_ce" else case.a["grow_matrix"]
    assert _relative(case.matrix(), wanted) < 1e-5


@pytest.mark.parametrize("name", DENSE + CONV)
def test_singular_values_are_the_reference(name: str) -> None:
    case = Case(name)
    count = int(case.a["n_new"])
    graph = growsearch.trace(case.model, case.batch[0][:2])
    found = gradient_triplets(
        case.model, graph, {case.site: count}, case.objective, [case.batch], torch.Generator().manual_seed(0)
    )[case.site][0]
    key = "exact_sigma_all" if name == "conv_same_relu1_ce" else "sigma_topk"
    wanted = torch.sort(case.a[key].flatten(), descending=True).values[:count]
    assert _relative(found.values, wanted) < 1e-5


@pytest.mark.parametrize("name", DENSE + CONV)
def test_growth_reaches_the_reference_gradient_and_leaves_the_outputs(name: str) -> None:
    case = Case(name)
    count = int(case.a["n_new"])
    before = case.model(case.batch[0])
    growsearch.grow(
        case.model,
        case.batch[0][:2],
        {case.site: count},
        {"gradmax": {"scale": float(case.a["scale"]), "side": "incoming"}},
        objective=case.objective,
        batches=[case.batch],
    )
    assert _relative(case.model(case.batch[0]), before) < 1e-6
    producer = case.model.get_submodule(case.site)
    consumer = case.model.get_submodule(str(int(case.site) + 2))
    case.objective(case.model, case.batch).backward()
    gradient = producer.weight.grad[-count:].flatten(1).double().square().sum(1)
    wanted = float(case.a["exact_best_sqnorm" if name == "conv_same_relu1_ce" else "grad_in_sqnorm"])
    assert float(gradient.sum()) == pytest.approx(wanted, rel=1e-4)
    outgoing = consumer.weight.detach()[:, -count:]
    norms = outgoing.transpose(0, 1).flatten(1).norm(dim=1)
    assert torch.allclose(norms, torch.full_like(norms, float(case.a["magnitude"])), rtol=1e-5)
    if name != "conv_same_relu1_ce":
        per_unit = case.a["grad_in_sqnorm_per_neuron"].double().sort(descending=True).values
        assert _relative(gradient.sort(descending=True).values, per_unit) < 1e-4
        reference = case.a["w_out_new"]
        flat = reference if case.dense else reference.permute(2, 3, 0, 1).flatten(1)
        cosines = F.cosine_similarity(outgoing.transpose(0, 1).flatten(1), flat.float(), dim=1).abs()
        assert float(cosines.min()) > 1 - 1e-5


def test_random_growth_falls_short_of_the_reference() -> None:
    """Negative control: the check above can fail."""
    case = Case("conv_valid_k5k3_s2_relu1_ce")
    count = int(case.a["n_new"])
    growsearch.grow(case.model, case.batch[0][:2], {"0": count}, {"random": {"scale": 1.0, "side": "incoming"}})
    case.objective(case.model, case.batch).backward()
    gradient = case.model.get_submodule("0").weight.grad[-count:].double().square().sum()
    assert float(gradient) < 0.8 * float(case.a["grad_in_sqnorm"])


def test_student_teacher_training_follows_the_reference_curve() -> None:
    """Growth by one unit at steps 200, 400, ..., 1000 of full-batch gradient descent, in float64.

    The sign of a new unit is free, and with ReLU it decides what follows: it is taken from the reference.
    """
    a = {k: torch.from_numpy(v) for k, v in np.load(GOLDEN / "student_teacher.npz").items()}
    x, y = a["x"].double(), a["y"].double()
    model = nn.Sequential(nn.Linear(10, 5, bias=False), ReLU1(), nn.Linear(5, 10, bias=False)).double()
    model[0].weight.data, model[2].weight.data = a["w0_init"][0].T.double(), a["w1_init"][0].T.double()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def objective(model: nn.Module, batch: tuple[Tensor, Tensor]) -> Tensor:
        return F.mse_loss(model(batch[0]), batch[1])

    for step in range(1500):
        if step in (201, 401, 601, 801, 1001):
            growth = (step - 201) // 200
            growsearch.grow(
                model,
                x[:2],
                {"0": 1},
                {"gradmax": {"scale": 1.0, "side": "incoming"}},
                optimizer,
                objective=objective,
                batches=[(x, y)],
            )
            reference = a[f"r0_g{growth}_w1_after"][-1].double()
            new = model[2].weight.data[:, -1]
            assert float(F.cosine_similarity(new, reference, dim=0).abs()) > 1 - 1e-4
            if float(new @ reference) < 0:
                new.neg_()
        loss = objective(model, (x, y))
        assert float(loss.detach()) == pytest.approx(float(a["loss_gradmax"][0, step]), rel=1e-3)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    assert model[0].out_features == 10
