"""Ranges become Optuna's parameters, and parameters plain files."""

from __future__ import annotations

from typing import Any

import optuna
import pytest

from growsearch.config.run_config import normalized
from growsearch.search.space import centre, distribution_of, distributions, parameters_of, suggested
from tests.search.conftest import MakeSpace

EVERY = {"type": "int", "low": 2, "high": 8}
DATA: dict[str, Any] = {
    "data": {"name": "digits"},
    "network": {
        "type": "choice",
        "options": {
            "mlp": {"hidden": {"type": "choice", "values": [[8], [8, 8]]}},
            "small_cnn": {"width": {"type": "float", "low": 0.25, "high": 1.0, "step": 0.25}},
        },
    },
    "training": {
        "epochs": {"type": "int", "low": 1, "high": 10, "step": 4},
        "optimizer": {"name": "sgd", "lr": {"type": "float", "low": 1e-3, "high": 1e-1, "log": True}},
    },
    "growth": {
        "when": {
            "type": "choice",
            "options": {"never": None, "interval": {"every": EVERY}},
        },
        "how": {"type": "choice", "values": ["zero", "gradmax"]},
    },
}


def drawn(seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    trial = study.ask()
    plain = suggested(DATA, trial)
    return plain, trial.params


def test_a_parameter_is_named_by_its_path_and_by_the_option_that_it_belongs_to() -> None:
    assert list(distributions(DATA)) == [
        "network",
        "network.mlp.hidden",
        "network.small_cnn.width",
        "training.epochs",
        "training.optimizer.lr",
        "growth.when",
        "growth.when.interval.every",
        "growth.how",
    ]


@pytest.mark.parametrize("seed", range(12))
def test_a_trial_has_the_parameters_of_the_options_it_chose_and_no_others(seed: int) -> None:
    plain, parameters = drawn(seed)

    assert ("network.mlp.hidden" in parameters) == (plain["network"]["name"] == "mlp")
    assert ("growth.when.interval.every" in parameters) == ("interval" in plain["growth"]["when"])
    assert plain["training"]["epochs"] in (1, 5, 9)
    normalized(plain)


@pytest.mark.parametrize("seed", range(12))
def test_a_plain_file_leads_back_to_the_parameters_that_made_it(seed: int) -> None:
    plain, parameters = drawn(seed)

    assert parameters_of(DATA, plain) == parameters


def test_a_plain_file_outside_of_the_space_has_no_parameters() -> None:
    plain = centre(DATA)

    assert parameters_of(DATA, plain) is not None
    assert parameters_of(DATA, {**plain, "network": {"name": "lenet5"}}) is None
    assert parameters_of(DATA, {**plain, "data": {"name": "cifar10"}}) is None
    assert parameters_of(DATA, {**plain, "training": {**plain["training"], "epochs": 4}}) is None


def test_the_centre_is_in_the_middle_of_every_range_and_grows() -> None:
    plain = centre(DATA)

    assert plain["training"]["optimizer"]["lr"] == pytest.approx(1e-2)
    assert plain["growth"]["when"] == {"interval": {"every": 5}}
    assert plain["training"]["epochs"] == 5
    assert centre(DATA, {"growth.when": "never"})["growth"]["when"] == {"never": {}}


def test_a_step_ends_at_the_last_value_that_it_reaches() -> None:
    whole = distribution_of({"type": "int", "low": 1, "high": 10, "step": 4})
    part = distribution_of({"type": "float", "low": 0.0, "high": 1.0, "step": 0.3})

    assert (whole.high, part.high) == (9, pytest.approx(0.9))  # type: ignore[attr-defined]


def test_every_file_of_the_space_can_be_loaded_again_as_it_was(space: MakeSpace) -> None:
    config = normalized(centre(space().data))

    assert normalized(config.to_dict()) == config
