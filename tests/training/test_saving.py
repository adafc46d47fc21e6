"""A grown network goes into one file, and out of it again, with all that trains it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import SGD, AdamW, Optimizer
from torch.optim.lr_scheduler import ExponentialLR
from torch.optim.swa_utils import AveragedModel

import growsearch
from growsearch import InputError, SoftGrower
from growsearch.growth import NewUnitSettings, Rewarm
from growsearch.surgery import masks_of
from tests.growth.tasks import batch_for, cnn, grower_for, mlp, objective, same, train


class Session:
    """A training as a user has it, in parts."""

    def __init__(self, make: Callable[..., Optimizer], build: Callable[[], nn.Module] = cnn, **policy: Any) -> None:
        torch.manual_seed(len(policy))
        self.model = nn.Sequential(build(), nn.Dropout(0.2))
        self.ema = copy.deepcopy(self.model)
        self.mean = AveragedModel(self.model)
        self.optimizer = make(self.model.parameters())
        self.scheduler = ExponentialLR(self.optimizer, 0.9)
        settings = {"when": {"interval": {"every": 2}}, "amount": 0.5, "companions": [self.ema, self.mean], **policy}
        self.grower = grower_for(self.model, self.optimizer, **settings)

    def train(self, steps: int) -> None:
        for _ in range(steps):
            train(self.model, self.optimizer, self.grower, 1)
            self.scheduler.step()
            self.mean.update_parameters(self.model)

    def save(self, path: Path) -> None:
        beside = {"scheduler": self.scheduler, "ema": self.ema, "mean": self.mean}
        growsearch.save(path, self.model, self.optimizer, self.grower, **beside)

    def load(self, path: Path) -> None:
        beside = {"scheduler": self.scheduler, "ema": self.ema, "mean": self.mean}
        assert growsearch.load(path, self.model, self.optimizer, self.grower, **beside) is self.model

    def state(self) -> list[Any]:
        every = (self.model, self.optimizer, self.grower, self.scheduler, self.ema, self.mean)
        return [dict(each.state_dict()) for each in every]


def momentum(parameters: Any) -> Optimizer:
    return SGD(parameters, lr=0.05, momentum=0.9)


def adamw(parameters: Any) -> Optimizer:
    return AdamW(parameters, lr=0.01)


POLICIES: dict[str, dict[str, Any]] = {
    "width": {"how": "split", "where": "random"},
    "layers": {"how": "identity"},
    "masks": {"how": "nest", "where": "nest", "budget": {"parameters": 300}},
    "boost": {"how": "random", "new_units": NewUnitSettings(boost=2.0, steps=3)},
    "cohort": {"how": "random", "new_units": NewUnitSettings(learning_rate="cohort", rewarm=Rewarm(2, "all"))},
}


@pytest.mark.parametrize("make", [momentum, adamw])
@pytest.mark.parametrize("name", POLICIES)
def test_training_goes_on_bit_for_bit(name: str, make: Callable[..., Optimizer], tmp_path: Path) -> None:
    policy = POLICIES[name]
    expected = Session(make, **policy)
    expected.train(7)
    assert len(expected.grower.progress.events) >= 2
    assert (name == "layers") == bool(expected.grower.insertions)
    assert (name == "masks") == bool(masks_of(expected.model))

    first = Session(make, **policy)
    first.train(5)
    first.save(tmp_path / "saved.pt")
    again = Session(make, **policy)
    again.load(tmp_path / "saved.pt")
    again.train(2)
    assert same(again.state(), expected.state())
    assert again.grower.graph.parameters == sum(each.numel() for each in again.model.parameters())


def test_the_network_alone_is_loaded_and_the_random_numbers_go_on(tmp_path: Path) -> None:
    session = Session(momentum, **POLICIES["layers"])
    session.train(4)
    session.save(tmp_path / "saved.pt")
    seed = nn.Sequential(cnn(), nn.Dropout(0.2))
    state = torch.get_rng_state()
    assert same(dict(growsearch.load(tmp_path / "saved.pt", model=seed).state_dict()), dict(session.model.state_dict()))
    assert torch.equal(torch.get_rng_state(), state)
    growsearch.load(tmp_path / "saved.pt", model=seed)  # once more, into the grown network
    assert not list(tmp_path.glob("*.partial"))


def test_sizes_that_are_trained_are_loaded_around_the_loaded_network(tmp_path: Path) -> None:
    def around(model: nn.Module) -> tuple[Optimizer, SoftGrower]:
        optimizer = momentum(model.parameters())
        return optimizer, SoftGrower(model, optimizer, batch_for(model)[0])

    def go(model: nn.Module, optimizer: Optimizer, grower: SoftGrower, steps: int) -> list[Any]:
        for _ in range(steps):
            (objective(model, batch_for(model)) + grower.penalty()).backward()
            optimizer.step()
            optimizer.zero_grad()
            grower.step()
        return [dict(each.state_dict()) for each in (model, optimizer, grower)]

    model = mlp()
    parts = around(model)
    go(model, *parts, 3)
    growsearch.save(tmp_path / "saved.pt", model, *parts)
    expected = go(model, *parts, 2)
    again = growsearch.load(tmp_path / "saved.pt", model=mlp())
    parts = around(again)
    growsearch.load(tmp_path / "saved.pt", again, *parts)
    assert same(go(again, *parts, 2), expected)


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    session = Session(momentum, **POLICIES["width"])
    session.train(2)
    session.save(tmp_path / "saved.pt")
    return tmp_path / "saved.pt"


def whole() -> nn.Module:
    return nn.Sequential(cnn(), nn.Dropout(0.2))


def pickled(path: Path) -> None:
    torch.save(nn.Linear(2, 2), path)


def foreign(path: Path) -> None:
    torch.save({"model": {}}, path)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1000])


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (pickled, "cannot be read"),
        (foreign, "'no format', not"),
        (cut, "cannot be read"),
        (folder, "is a folder:"),
        (Path.unlink, "does not exist:"),
    ],
)
def test_a_file_of_something_else_is_refused(spoil: Callable[[Path], None], words: str, saved: Path) -> None:
    spoil(saved)
    with pytest.raises(InputError, match=f"{words}.*give a file that growsearch.save"):
        growsearch.load(saved, model=whole())


def test_what_does_not_belong_together_is_refused_and_left_alone(saved: Path) -> None:
    model, other = whole(), mlp()
    before = [dict(each.state_dict()) for each in (copy.deepcopy(model), copy.deepcopy(other))]
    with pytest.raises(InputError, match="does not belong to this network"):
        growsearch.load(saved, model=other)
    with pytest.raises(InputError, match="has the optimizers SGD with 1 .*, given are AdamW with 1"):
        growsearch.load(saved, model, adamw(model.parameters()))
    with pytest.raises(InputError, match="has no scaler: it has scheduler, ema, mean"):
        growsearch.load(saved, model, scaler=torch.amp.GradScaler("cpu"))
    with pytest.raises(InputError, match="has the grower Grower, given is a SoftGrower"):
        optimizer = momentum(model.parameters())
        growsearch.load(saved, model, grower=SoftGrower(model, optimizer, batch_for(cnn())[0]))
    with pytest.raises(InputError, match="is a file: give its seed network"):
        growsearch.load(saved)
    with pytest.raises(InputError, match=r"nothing.pt does not exist"):
        growsearch.load(saved.with_name("nothing.pt"), model=model)
    assert same([dict(model.state_dict()), dict(other.state_dict())], before)


def test_an_optimizer_of_another_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="SGD holds a parameter that is not the model's"):
        growsearch.save(tmp_path / "saved.pt", mlp(), momentum(mlp().parameters()))
    assert list(tmp_path.iterdir()) == []
