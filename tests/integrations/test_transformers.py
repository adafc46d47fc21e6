"""A training by Hugging Face's `Trainer` grows: optimizer, schedule, clipping, accumulation and checkpoints follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from growsearch.errors import InputError
from growsearch.integrations import growth as core
from tests.integrations.networks import GROWTH, points, same_weights, small_network, trains_all_of

transformers: Any = pytest.importorskip("transformers", reason="needs the extra trainer")
pytest.importorskip("accelerate", reason="needs the extra trainer")

from growsearch.integrations.transformers import GrowthCallback  # noqa: E402  # where it is installed

pytestmark = pytest.mark.filterwarnings("ignore")
OPTIONS = {name: value for name, value in GROWTH.items() if name != "objective"}


class Rows(Dataset[dict[str, Tensor]]):
    def __len__(self) -> int:
        return len(points())

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        inputs, labels = points()[index]
        return {"inputs": inputs, "labels": labels}


class Classifier(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = small_network()

    def forward(self, inputs: Tensor, labels: Tensor | None = None) -> dict[str, Tensor]:
        logits = self.net(inputs)
        return (
            {"logits": logits}
            if labels is None
            else {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}
        )


def train(
    model: nn.Module, folder: Path, growth: GrowthCallback, resume: Any = None, data: Any = None, **settings: Any
) -> Any:
    arguments = {
        "max_steps": 12, "per_device_train_batch_size": 4, "learning_rate": 0.01, "save_strategy": "no", 
        "report_to": [],
        "use_cpu": True, "disable_tqdm": True, "logging_strategy": "no", "lr_scheduler_type": "cosine",
    }  # fmt: skip
    trainer = transformers.Trainer(
        model, transformers.TrainingArguments(str(folder), **{**arguments, **settings}), train_dataset=data or Rows(),
        eval_dataset=data or Rows(), callbacks=[growth],
    )  # fmt: skip
    trainer.train(resume_from_checkpoint=resume)
    return trainer


@pytest.mark.parametrize("settings", [{}, {"bf16": True}, {"gradient_accumulation_steps": 2}], ids=str)
def test_the_model_grows_and_its_optimizer_and_schedule_follow(settings: dict[str, Any], tmp_path: Path) -> None:
    growth, model = GrowthCallback(**OPTIONS), Classifier()
    trainer = train(model, tmp_path, growth, **settings)

    assert [event.step for event in growth.events] == [3, 6]
    assert [layer.out_features for layer in model.net if isinstance(layer, nn.Linear)] == [12, 10, 3]
    assert trains_all_of(trainer.optimizer.optimizer, model)
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(0, abs=1e-8)
    assert growth.grower.progress.total_steps == 12
    assert all(event.measured_change is not None for event in growth.events)  # the objective is the model's own loss


def test_without_the_optimizer_it_goes_on_with_the_old_parameters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control."""
    growth, model, make = GrowthCallback(**OPTIONS), Classifier(), core.Grower
    monkeypatch.setattr(core, "Grower", lambda network, optimizers, **known: make(network, None, **known))
    trainer = train(model, tmp_path, growth)

    assert growth.events and not trains_all_of(trainer.optimizer.optimizer, model)


@pytest.mark.parametrize("how", ["gradmax", "identity"])
def test_a_checkpoint_in_the_middle_goes_on_bit_for_bit(how: str, tmp_path: Path) -> None:
    options = {**OPTIONS, "how": how, "budget": {"width": 2.0} if how == "gradmax" else None}
    whole, resumed = Classifier(), Classifier()
    train(whole, tmp_path, GrowthCallback(**options), save_steps=4, save_strategy="steps")
    growth = GrowthCallback(**options)
    trainer = train(resumed, tmp_path, growth, str(tmp_path / "checkpoint-4"))

    assert [event.step for event in growth.events] == [6]
    assert same_weights(resumed, whole)
    assert trains_all_of(trainer.optimizer.optimizer, resumed)


def test_a_checkpoint_from_elsewhere_is_named_once(tmp_path: Path) -> None:
    whole, resumed, refused = Classifier(), Classifier(), Classifier()
    train(whole, tmp_path / "one", GrowthCallback(**OPTIONS), save_steps=4, save_strategy="steps")
    checkpoint = tmp_path / "one" / "checkpoint-4"

    with pytest.raises(InputError, match=r"call GrowthCallback.regrow\(model, folder\)"):
        train(refused, tmp_path / "two", GrowthCallback(**OPTIONS), str(checkpoint))
    growth = GrowthCallback(**OPTIONS)
    train(resumed, tmp_path / "two", growth, growth.regrow(resumed, checkpoint))

    assert same_weights(resumed, whole)


def test_the_best_model_may_be_a_smaller_one(tmp_path: Path) -> None:
    settings = {"save_strategy": "steps", "eval_strategy": "steps", "eval_steps": 4, "save_steps": 4}
    growth, model = GrowthCallback(**OPTIONS), Classifier()
    trainer = train(
        model,
        tmp_path,
        growth,
        load_best_model_at_end=True,
        learning_rate=3.0,
        metric_for_best_model="loss",
        greater_is_better=True,
        **settings,
    )  # the first one is kept

    assert trainer.state.best_model_checkpoint.endswith("checkpoint-4")
    assert model.net[0].out_features == 9
    assert [step for step, _ in growth.grower.progress.metrics["eval_loss"]] == [4, 8, 12]


def test_a_model_of_the_library_grows_and_resumes(tmp_path: Path) -> None:
    class Tokens(Dataset[dict[str, Tensor]]):
        def __len__(self) -> int:
            return 32

        def __getitem__(self, index: int) -> dict[str, Tensor]:
            tokens = (torch.arange(8) * (index + 1)) % 16
            return {"input_ids": tokens, "labels": tokens}

    def make() -> Any:
        torch.manual_seed(0)
        known = {"vocab_size": 16, "n_positions": 8, "n_embd": 8, "n_layer": 1, "n_head": 2, "use_cache": False}
        return transformers.GPT2LMHeadModel(transformers.GPT2Config(**known, bos_token_id=0, eos_token_id=0))

    options = {**OPTIONS, "how": "zero", "where": "uniform", "when": {"interval": {"every": 2, "count": 2}}}
    whole, resumed = make(), make()
    train(whole, tmp_path, GrowthCallback(**options), max_steps=6, save_steps=3, save_strategy="steps", data=Tokens())
    growth = GrowthCallback(**options)
    train(resumed, tmp_path, growth, str(tmp_path / "checkpoint-3"), max_steps=6, data=Tokens())

    assert len(growth.events) == 1 and whole.transformer.h[0].mlp.c_fc.weight.shape == (8, 64)
    assert same_weights(resumed, whole)


def test_options_and_folders_that_there_are_not_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'when'"):
        GrowthCallback(wen="never")
    with pytest.raises(InputError, match="has no growsearch.pt"):
        GrowthCallback(**OPTIONS).regrow(Classifier(), tmp_path)
