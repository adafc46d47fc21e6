"""A Lightning training grows: optimizer, schedule, averages, clipping, accumulation and checkpoints follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from growsearch.errors import InputError
from growsearch.integrations import growth as core
from tests.integrations.networks import GROWTH, objective, points, same_weights, small_network, trains_all_of

pl = pytest.importorskip("lightning.pytorch", reason="needs the extra lightning")

from growsearch.integrations.lightning import GrowthCallback, load_grown  # noqa: E402  # where it is installed

pytestmark = pytest.mark.filterwarnings("ignore")


class Lit(pl.LightningModule):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.net = small_network()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x)
        return out

    def training_step(self, batch: Any, index: int) -> Tensor:
        loss = objective(self.net, batch)
        self.log("training_loss", loss)
        return loss

    def validation_step(self, batch: Any, index: int) -> None:
        self.log("loss", objective(self.net, batch))

    test_step = validation_step

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.AdamW(self.parameters(), lr=0.01)
        return [optimizer], [{"scheduler": torch.optim.lr_scheduler.StepLR(optimizer, 4), "interval": "step"}]


def trainer(folder: Path, *callbacks: Any, **settings: Any) -> Any:
    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False)
    return pl.Trainer(
        default_root_dir=folder, accelerator="cpu", callbacks=list(callbacks), **{**quiet, "max_steps": 12} | settings
    )


def loader(size: int = 4) -> Any:
    return DataLoader(points(), batch_size=size)


@pytest.mark.parametrize("network", ["", "net"])
def test_the_network_grows_and_its_optimizer_and_schedule_follow(network: str, tmp_path: Path) -> None:
    growth, module = GrowthCallback(network, **GROWTH), Lit()
    fitting = trainer(tmp_path, growth, gradient_clip_val=0.5)
    fitting.fit(module, loader())

    assert [event.step for event in growth.events] == [3, 6]
    assert [layer.out_features for layer in module.net if isinstance(layer, nn.Linear)] == [12, 10, 3]
    assert trains_all_of(fitting.optimizers[0], module)
    assert fitting.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.01 * 0.1**3)
    assert growth.grower.progress.total_steps == 12


def test_without_the_optimizers_they_go_on_with_the_old_parameters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control."""
    growth, module, make = GrowthCallback("net", **GROWTH), Lit(), core.Grower
    monkeypatch.setattr(core, "Grower", lambda network, optimizers, **known: make(network, None, **known))
    fitting = trainer(tmp_path, growth)
    fitting.fit(module, loader())

    assert growth.events and not trains_all_of(fitting.optimizers[0], module)


def test_steps_are_those_of_the_optimizer_where_gradients_accumulate(tmp_path: Path) -> None:
    growth, module = GrowthCallback("net", **GROWTH), Lit()
    batches: list[int] = []
    module.on_train_batch_end = lambda *_: batches.append(len(growth.events))  # behind the callbacks' hook
    trainer(tmp_path, growth, accumulate_grad_batches=3, max_steps=4).fit(module, loader())

    assert [event.step for event in growth.events] == [3] and batches.index(1) == 8


def test_an_average_follows(tmp_path: Path) -> None:
    growth, module = GrowthCallback("net", **GROWTH), Lit()
    average = pl.callbacks.EMAWeightAveraging(decay=0.5)
    trainer(tmp_path, average, growth).fit(module, loader(), loader())

    assert len(growth.events) == 2
    assert same_weights(average._average_model.module, module)  # at its end the module takes the average's values


@pytest.mark.parametrize("averaged", [False, True])
def test_a_checkpoint_in_the_middle_goes_on_bit_for_bit(averaged: bool, tmp_path: Path) -> None:
    def fit(module: Lit, **more: Any) -> GrowthCallback:
        growth = GrowthCallback("net", **GROWTH)
        callbacks = [pl.callbacks.EMAWeightAveraging(decay=0.5)] if averaged else []
        kept = pl.callbacks.ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=4, save_top_k=-1)
        fitting = trainer(tmp_path, *callbacks, growth, kept, enable_checkpointing=True)
        fitting.fit(module, loader(12), **more)
        return growth

    whole, resumed = Lit(), Lit()
    fit(whole)
    growth = fit(resumed, ckpt_path=tmp_path / "step=4.ckpt")

    assert [event.step for event in growth.events] == [6] and resumed.net[0].out_features == 12
    assert same_weights(resumed, whole)


def test_a_checkpoint_of_before_the_growth_is_tested_by_a_module_that_has_grown(tmp_path: Path) -> None:
    growth, module = GrowthCallback("net", **GROWTH), Lit()
    kept = pl.callbacks.ModelCheckpoint(tmp_path, save_top_k=-1, every_n_train_steps=4)
    fitting = trainer(tmp_path, growth, kept, enable_checkpointing=True)
    fitting.fit(module, loader())
    first = min(tmp_path.glob("*.ckpt"), key=lambda path: torch.load(path, weights_only=True)["global_step"])
    grown = module.net[0].out_features

    fitting.test(module, loader(), ckpt_path=first, verbose=False)

    assert (grown, module.net[0].out_features) == (12, 9)
    again = load_grown(Lit(), str(first), "net")
    assert same_weights(again, module)


def test_layers_that_came_in_are_in_the_checkpoint_with_their_optimizer_state(tmp_path: Path) -> None:
    deeper = {**GROWTH, "how": "identity", "budget": None}

    def fit(module: Lit, **more: Any) -> Any:
        kept = pl.callbacks.ModelCheckpoint(tmp_path, "{step}", every_n_train_steps=4, save_top_k=-1)
        fitting = trainer(tmp_path, GrowthCallback("net", **deeper), kept, enable_checkpointing=True)
        fitting.fit(module, loader(12), **more)
        return fitting

    whole, resumed = Lit(), Lit()
    fit(whole)
    fitting = fit(resumed, ckpt_path=tmp_path / "step=4.ckpt")

    assert sum(isinstance(layer, nn.Linear) for layer in resumed.modules()) > 3
    assert same_weights(resumed, whole) and trains_all_of(fitting.optimizers[0], resumed)


def test_a_metric_that_was_logged_reaches_the_scheduler(tmp_path: Path) -> None:
    growth = GrowthCallback("net", **GROWTH)
    trainer(tmp_path, growth, num_sanity_val_steps=1, max_epochs=1).fit(Lit(), loader(), loader())

    assert [step for step, _ in growth.grower.progress.metrics["loss"]] == [12]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"wen": "never"}, "did you mean 'when'"),
        ({}, "needs when="),
        ({"model": 1, "when": "never"}, "no option 'model'"),
    ],
)
def test_options_that_there_are_not_are_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        GrowthCallback(**options)


def test_a_part_that_there_is_not_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="network 'nett' is no part of Lit: it has net"):
        trainer(tmp_path, GrowthCallback("nett", **GROWTH)).fit(Lit(), loader())


def test_several_processes_are_refused() -> None:
    with pytest.raises(InputError, match="one process, this training has 2"):
        core.require_one_process(2, "Lightning")


def test_a_loss_scaler_goes_on(tmp_path: Path) -> None:
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**40, growth_interval=2)  # the first steps overflow
    growth, module = GrowthCallback("net", **GROWTH), Lit()
    mixed = pl.plugins.MixedPrecision("16-mixed", "cpu", scaler)
    fitting = trainer(tmp_path, growth, plugins=[mixed], gradient_clip_val=0.5, max_steps=40, max_epochs=10)
    fitting.fit(module, loader())

    assert len(growth.events) == 2 and scaler.get_scale() < 2.0**40
    assert trains_all_of(fitting.optimizers[0], module)
