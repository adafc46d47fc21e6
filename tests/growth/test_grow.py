"""One growth, now: what it does, what it says, and what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import growsearch
from growsearch import GrowthFailed, GrowthRefused, InputError, TraceWarning
from growsearch.surgery import Insertion, outputs_of, rebuild, relative_difference
from tests.growth.tasks import batch_for, cnn, grower_for, mlp, objective, same, sgd, train
from tests.laws.settings import cheap, grows_depth, hows, is_exact


class Tied(nn.Module):
    """An embedding whose matrix is also the output layer's: its features are frozen by no one but shared."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(7, 4)
        self.hidden = nn.Linear(4, 4)
        self.out = nn.Linear(4, 7, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.relu(self.hidden(self.embed(x))))


def test_an_unknown_site_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(GrowthRefused, match=r"no site 'frist' \(did you mean 'first'\?\): there are first, second"):
        growsearch.grow(mlp(), torch.randn(2, 4), {"frist": 1})
    with pytest.raises(GrowthRefused, match=r"no depth site 'act' \(did you mean 'act\d'\?\)"):
        growsearch.grow(mlp(), torch.randn(2, 4), {"act": 1}, "identity")


@pytest.mark.parametrize("units", [0, -3, 1.5, "2"])
def test_no_whole_number_of_units_is_refused(units: Any) -> None:
    with pytest.raises(InputError, match="units: 'first': .* is not allowed: give a whole number of at least 1"):
        growsearch.grow(mlp(), torch.randn(2, 4), {"first": units})


def test_a_frozen_site_is_refused_with_its_reason() -> None:
    class Softmaxed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.head = nn.Linear(4, 5), nn.Linear(5, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(torch.softmax(self.first(x), 1))

    model = Softmaxed()
    assert growsearch.trace(model, torch.randn(2, 4)).sites["first"].kind == "frozen"
    with pytest.raises(GrowthRefused, match="site 'first' is frozen: .+"):
        growsearch.grow(model, torch.randn(2, 4), {"first": 1})
    with pytest.raises(GrowthRefused, match="no site that can grow: .+"):
        growsearch.Grower(model, None, torch.randn(2, 4), when={"interval": {"every": 1}})


@pytest.mark.parametrize("how", ["gradmax", "gradmax_opt"])
def test_a_missing_objective_is_refused(how: str) -> None:
    model = mlp()
    with pytest.raises(GrowthRefused, match="objective=... and batches=..."):
        growsearch.grow(model, torch.randn(2, 4), {"first": 1}, how)
    with pytest.raises(GrowthRefused, match="objective=... and batches=..."):
        growsearch.grow(model, torch.randn(2, 4), {"first": 1}, how, objective=objective)
    assert model.first.out_features == 4


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("gradmx", "did you mean 'gradmax'"),
        ({"random": {"scal": 2}}, "did you mean 'scale'"),
        ({"random": {"scale": 0}}, "found 0; allowed more than 0"),
        ({"random": {"distribution": "cauchy"}}, "signed"),
        ({"zero": {}, "random": {}}, "give a name"),
        (3, "give a name"),
    ],
)
def test_bad_specifications_are_explained(how: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        growsearch.grow(mlp(), torch.randn(2, 4), {"first": 1}, how)


def test_a_name_its_parameters_or_an_object_may_be_given() -> None:
    from growsearch.registry import lookup

    for how in ("random", {"random": {"scale": 0.25}}, {"random": None}, lookup("how", "random")(scale=0.25)):
        model = mlp()
        event = growsearch.grow(model, torch.randn(2, 4), {"first": 1}, how)
        assert event.how == "random"
        assert same(dict(model.state_dict()), _reference())


def _reference() -> dict[str, Tensor]:
    model = mlp()
    growsearch.grow(model, torch.randn(2, 4), {"first": 1}, "random")
    return dict(model.state_dict())


def test_channels_are_rounded_up_to_the_granularity() -> None:
    model = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1, groups=2), nn.ReLU(), nn.Conv2d(6, 4, 3, groups=2))
    event = growsearch.grow(model, torch.randn(2, 4, 6, 6), {"0": 3})
    assert event.sites == {"0": 2} and event.widths["0"] == 10
    assert model[0].out_channels == 10


@pytest.mark.parametrize("how", hows())
def test_an_event_tells_what_happened(how: str) -> None:
    model = cnn()
    batch = batch_for(model)
    before = sum(p.numel() for p in model.parameters())
    with torch.no_grad():
        loss = float(objective(model.train(), batch))
    place = {"act1": 1} if grows_depth(how) else {"conv1": 2}
    event = growsearch.grow(model, batch[0], place, cheap("how", how), objective=objective, batches=iter([batch]))
    assert event.sites == place and event.how == how
    assert event.parameters_before == before
    assert event.parameters_after == sum(p.numel() for p in model.parameters())
    assert event.flops_after > event.flops_before
    assert event.measured_change == pytest.approx(float(objective(model, batch).detach()) - loss, abs=1e-5)
    if is_exact(how):
        assert event.predicted_change == 0.0 and event.output_change is not None and event.output_change < 1e-4
    line = json.loads(json.dumps(event.to_json(), allow_nan=False))
    assert line["sites"] == place and line["refused"] is None and "edits" not in line
    assert line["widths"] == {"conv1": 4 if grows_depth(how) else 6, "conv2": 4} or grows_depth(how)


def test_without_an_objective_the_loss_is_not_measured() -> None:
    event = growsearch.grow(mlp(), torch.randn(2, 4), {"first": 1})
    assert event.predicted_change is None and event.measured_change is None
    json.dumps(event.to_json(), allow_nan=False)


@pytest.mark.parametrize("how", hows())
def test_an_averaged_copy_follows(how: str) -> None:
    model = mlp()
    optimizer = sgd(model)
    averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.5))
    batch = batch_for(model)
    for _ in range(2):
        objective(model, batch).backward()
        optimizer.step()
        optimizer.zero_grad()
        averaged.update_parameters(model)
    before = outputs_of(averaged, batch[0], training=False)
    grower = grower_for(model, optimizer, how=cheap("how", how), companions=[averaged], amount=0.5)
    assert train(model, optimizer, grower, 1)
    if is_exact(how):
        assert relative_difference(before, outputs_of(averaged, batch[0], training=False)) < 1e-4
    shapes = [p.shape for p in model.parameters()]
    assert [p.shape for p in averaged.module.parameters()] == shapes
    averaged.update_parameters(model)
    assert averaged(batch[0]).shape == (16, 3)


@pytest.mark.parametrize("how", hows())
def test_architecture_and_rebuild_reproduce_the_network(how: str) -> None:
    model = cnn()
    optimizer = sgd(model)
    grower = grower_for(model, optimizer, how=cheap("how", how), amount=0.5)
    train(model, optimizer, grower, 3)
    insertions = [Insertion(**each) for each in grower.architecture()["insertions"]]
    assert len(insertions) == (3 if grows_depth(how) else 0)
    again = rebuild(cnn(), insertions, model.state_dict())
    assert same(dict(again.state_dict()), dict(model.state_dict()))
    x = batch_for(model)[0]
    assert torch.equal(outputs_of(model, x, training=False), outputs_of(again, x, training=False))
    assert str(again) == str(model)


def test_statistics_of_new_channels_are_those_of_the_data() -> None:
    """Inputs with a standard deviation of 10 and a mean of 5: with mean 0 and variance 1, eval would be far off."""
    model = cnn()
    x = torch.randn(32, 2, 6, 6) * 10 + 5
    batch = (x, torch.zeros(32, 3))
    model.train()
    for _ in range(60):
        model(x)
    gap = (model.norm.running_var - _variance(model, x)).abs() / _variance(model, x)
    assert float(gap.max()) < 0.05
    growsearch.grow(model, x, {"conv1": 3}, {"random": {"scale": 1.0}}, objective=objective, batches=[batch])
    with torch.no_grad():
        model.head.weight.normal_()
        model.conv2.weight.normal_()
    new = (model.norm.running_var[4:] - _variance(model, x)[4:]).abs() / _variance(model, x)[4:]
    assert float(new.max()) < 0.05
    difference = relative_difference(outputs_of(model, x, training=False), outputs_of(model, x, training=True))
    assert difference < 0.05
    # Negative control: with the statistics that new channels start with, the two modes are far apart.
    model.norm.running_mean[4:] = 0.0
    model.norm.running_var[4:] = 1.0
    assert relative_difference(outputs_of(model, x, training=False), outputs_of(model, x, training=True)) > 0.5


def _variance(model: nn.Module, x: Tensor) -> Tensor:
    with torch.no_grad():
        z = model.get_submodule("conv1")(x)
    return z.movedim(1, 0).flatten(1).var(1)


def test_gradients_that_would_be_lost_are_refused() -> None:
    model = mlp()
    optimizer = sgd(model)
    batch = batch_for(model)
    objective(model, batch).backward()
    with pytest.raises(GrowthRefused, match="zero_grad"):
        growsearch.grow(model, batch[0], {"first": 1}, optimizer=optimizer)
    assert model.first.out_features == 4


def test_two_growths_of_two_sites_at_once_preserve_the_function() -> None:
    model = mlp()
    x = batch_for(model)[0]
    before = outputs_of(model, x, training=False)
    growsearch.grow(model, x, {"first": 2, "second": 3}, "random")
    assert (model.first.out_features, model.second.out_features) == (6, 9)
    assert relative_difference(before, outputs_of(model, x, training=False)) < 1e-5
    assert F.mse_loss(model(x), torch.zeros(16, 3)).requires_grad


class TwoStages(nn.Module):
    """Two lists of residual blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(3, 4), nn.Linear(4, 2)
        self.early, self.late = (nn.ModuleList([Residual(4), Residual(4)]) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in (*self.early, *self.late):
            x = block(x)
        out: Tensor = self.head(x)
        return out


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.up, self.down = nn.Linear(width, 6), nn.Linear(6, width)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.down(torch.relu(self.up(x)))
        return out


@pytest.mark.parametrize("stages", [("early",), ("late",), ("early", "late")])
def test_blocks_are_added_to_the_stages_that_are_named(stages: tuple[str, ...]) -> None:
    model, x = TwoStages(), torch.randn(5, 3)
    growsearch.grow(model, x, dict.fromkeys(stages, 1), "identity_blocks")
    assert [len(model.early), len(model.late)] == [2 + ("early" in stages), 2 + ("late" in stages)]


def test_no_units_are_refused_with_what_there_is() -> None:
    with pytest.raises(InputError, match="units are empty: name what grows by how much, first, second can be"):
        growsearch.grow(mlp(), batch_for(mlp())[0], {})


def test_growth_in_inference_mode_is_refused() -> None:
    """Its parameters could never be trained."""
    model = mlp()
    with torch.inference_mode(), pytest.raises(GrowthRefused, match="grow outside of it"):
        growsearch.grow(model, batch_for(model)[0], {"first": 2})
    assert not any(parameter.is_inference() for parameter in model.parameters())


class _Masked(nn.Module):
    """Some units are dead, by a buffer that is no number."""

    def __init__(self, use: Callable[[Tensor, Tensor], Tensor], dtype: torch.dtype) -> None:
        super().__init__()
        self.first, self.last, self.use = nn.Linear(5, 6), nn.Linear(6, 2), use
        self.register_buffer("alive", torch.tensor([1, 1, 0, 1, 1, 0], dtype=dtype))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.last(self.use(self.first(x), self.alive).tanh())
        return out


@pytest.mark.parametrize("how", ["zero", "random", "split", "variance_transfer"])
@pytest.mark.parametrize(
    ("use", "dtype"),
    [
        (lambda h, alive: torch.where(alive, h, 0.0), torch.bool),
        (lambda h, alive: h.masked_fill(~alive, 0.0), torch.bool),
        (lambda h, alive: h * alive.int(), torch.bool),
        (lambda h, alive: torch.where(alive > 0, h, 0.0), torch.long),
    ],
    ids=["where", "fill", "product", "whole"],
)
def test_new_units_are_alive_where_most_are(
    use: Callable[[Tensor, Tensor], Tensor], dtype: torch.dtype, how: str
) -> None:
    torch.manual_seed(0)
    model = _Masked(use, dtype)
    event = growsearch.grow(model, torch.randn(4, 5), {"first": 2}, how)
    assert event.output_change < 1e-5
    assert model.alive.tolist()[:6] == [1, 1, 0, 1, 1, 0]
    assert how == "split" or model.alive.tolist()[6:] == [1, 1]


def test_outputs_that_cannot_be_compared_are_told() -> None:
    class Hidden(nn.Sequential):
        def forward(self, x: Tensor) -> Any:
            return {super().forward(x)}  # a set

    model = Hidden(nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 2))
    with pytest.warns(TraceWarning, match=r"the outputs \(set\) hold no tensor, array or number"):
        growsearch.grow(model, torch.randn(4, 5), {"0": 2})


class _Warming(nn.Module):
    """Its outputs depend on how often it was called, and on its width."""

    def __init__(self, by_width: bool) -> None:
        super().__init__()
        self.first, self.last, self.calls, self.by_width = nn.Linear(5, 6), nn.Linear(6, 2), 0, by_width

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        out: Tensor = self.last(self.first(x).relu()) * (1 - 0.9**self.calls)
        return out / self.first.out_features if self.by_width else out


def test_the_state_that_a_network_keeps_in_attributes_hides_no_change() -> None:
    torch.manual_seed(0)
    x = torch.randn(4, 5)
    kept, changed = _Warming(by_width=False), _Warming(by_width=True)
    kept(x)
    assert growsearch.grow(kept, x, {"first": 6}).output_change < 1e-5
    assert kept.calls == 1
    with pytest.raises(GrowthFailed, match=r"changed the outputs by 0\.5"):
        growsearch.grow(changed, x, {"first": 6})


@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")  # torch says so since 2.15
@pytest.mark.parametrize("part", ["script", "trace"])
def test_what_torchscript_runs_is_one_call_that_nothing_grows_through(part: str) -> None:
    x = torch.randn(4, 5)
    inner = torch.jit.script(nn.Linear(6, 6)) if part == "script" else torch.jit.trace(nn.ReLU(), torch.randn(4, 6))
    model = nn.Sequential(nn.Linear(5, 6), inner, nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2))
    sites = growsearch.trace(model, x).sites
    assert sites["0"].kind == "frozen" and "no rule for" in sites["0"].reason
    assert growsearch.grow(model, x, {"2": 2}).output_change < 1e-5


def test_gradmax_opt_takes_any_seed_of_torch() -> None:
    """NumPy's are smaller, and torch's own first one is of 64 bits."""
    model = mlp()
    torch.manual_seed(2**40 + 1)
    growsearch.grow(
        model, batch_for(model)[0], {"first": 1}, "gradmax_opt", objective=objective, batches=[batch_for(model)]
    )
