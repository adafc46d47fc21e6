"""Networks that several processes train: equal in all of them, and to one process on the same global batches."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import fp16_compress_hook
from torch.distributed.algorithms.ddp_comm_hooks.powerSGD_hook import PowerSGDState, powerSGD_hook
from torch.nn.parallel import DistributedDataParallel

import growsearch
from growsearch import GrowsearchError, InputError, SoftGrower
from growsearch.growth import NewUnitSettings
from growsearch.testing.training import same
from tests.growth.ranks import STEPS, Training, batch, network, ranks, trained

POLICIES: dict[str, dict[str, Any]] = {
    "zero": {"how": "zero"},
    "gradmax": {"how": "gradmax", "where": "singular_value"},
    "trained candidates": {"how": {"firefly": {"steps": 3, "samples": 1}}, "where": "firefly"},
    "depth": {"how": "identity", "budget": {"units": 2}},
    "masks": {"how": "nest", "where": "nest"},
    "new rates": {"how": "split", "new_units": NewUnitSettings(boost=2.0, steps=3)},
}


@pytest.mark.parametrize("name", POLICIES)
def test_two_processes_train_and_grow_what_one_does_on_their_batches_together(name: str, tmp_path: Path) -> None:
    one = Training(**POLICIES[name]).train().outcome()
    first, second = ranks(2, trained, tmp_path, POLICIES[name])

    assert len(first["events"]) > 1 and all(event["refused"] is None for event in first["events"])
    assert same(first, second)
    assert [event["sites"] for event in first["events"]] == [event["sites"] for event in one["events"]]
    torch.testing.assert_close(first["network"], one["network"], rtol=1e-9, atol=1e-12)


def test_four_processes_do_too(tmp_path: Path) -> None:
    outcomes = ranks(4, trained, tmp_path, POLICIES["gradmax"])
    one = Training(**POLICIES["gradmax"]).train().outcome()

    assert all(same(outcomes[0], other) for other in outcomes[1:])
    torch.testing.assert_close(outcomes[0]["network"], one["network"], rtol=1e-9, atol=1e-12)


def without_rewrapping(rank: int, size: int) -> dict[str, Any]:
    import growsearch.growth.ranks.replicas as replicas

    replicas.rewrap = lambda wrapper: None
    return trained(rank, size, POLICIES["gradmax"])


def test_a_wrapper_that_is_not_made_anew_would_miss_the_gradients_of_what_has_grown(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="Expected to have finished reduction in the prior iteration"):
        ranks(2, without_rewrapping, tmp_path)


def compiled(rank: int, size: int, inside: bool) -> dict[str, Any]:
    def wrap(model: nn.Module) -> Any:
        if inside:
            return DistributedDataParallel(torch.compile(model, backend="eager"))
        return torch.compile(DistributedDataParallel(model), backend="eager")

    return Training(rank, size, wrap, **POLICIES["gradmax"]).train().outcome()


@pytest.mark.parametrize("inside", [True, False])
def test_a_compiled_network_may_be_inside_or_outside(inside: bool, tmp_path: Path) -> None:
    one = Training(wrap=lambda model: torch.compile(model, backend="eager"), **POLICIES["gradmax"]).train().outcome()
    first, second = ranks(2, compiled, tmp_path, inside)

    assert same(first, second)
    torch.testing.assert_close(first["network"], one["network"], rtol=1e-9, atol=1e-12)


def with_other_reports(rank: int, size: int) -> Any:
    training = Training(rank, size, DistributedDataParallel, when={"plateau": {"patience": 1}})
    return training.train(validation_accuracy=0.5 if rank == 0 else float(rank * torch.rand(()))).outcome()


def test_the_first_process_decides_when(tmp_path: Path) -> None:
    first, second = ranks(2, with_other_reports, tmp_path)

    assert first["events"] == second["events"] != []
    assert same(first["network"], second["network"])


def kept_wrapper(rank: int, size: int) -> Any:
    def wrap(model: nn.Module) -> Any:
        wrapper = DistributedDataParallel(
            model, bucket_cap_mb=3, gradient_as_bucket_view=True, find_unused_parameters=True
        )
        wrapper.register_comm_hook(None, fp16_compress_hook)
        wrapper.register_forward_hook(lambda *_: calls.append(1))
        return wrapper.eval()

    calls: list[int] = []
    training = Training(rank, size, wrap)
    before = training.model
    training.train()
    wrapper = training.model
    hook, _ = wrapper._comm_hooks[0]
    return {
        "same": wrapper is before and wrapper.module is training.network,
        "calls": len(calls),
        "settings": (wrapper.bucket_bytes_cap, wrapper.gradient_as_bucket_view, wrapper.find_unused_parameters),
        "hook": hook is fp16_compress_hook,
        "mode": wrapper.training,
    }


def test_the_wrapper_stays_the_same_object_with_its_settings_and_hooks(tmp_path: Path) -> None:
    found = ranks(2, kept_wrapper, tmp_path)[0]

    assert found == {
        "same": True,
        "calls": STEPS,
        "settings": (3 * 2**20, True, True),
        "hook": True,
        "mode": False,
    }


def failing(rank: int, size: int) -> str:
    def objective(model: nn.Module, own: Any) -> Any:
        raise ValueError("no loss today")

    training = Training(rank, size, DistributedDataParallel, objective=objective)
    with pytest.raises((ValueError, GrowsearchError)) as caught:
        training.train()
    return f"{caught.type.__name__}: {caught.value}"


def test_an_error_of_the_first_process_is_raised_in_all(tmp_path: Path) -> None:
    assert ranks(2, failing, tmp_path) == [
        "ValueError: no loss today",
        "GrowsearchError: the first process has failed: ValueError: no loss today",
    ]


class Dying:
    """Batches of a process that dies when it is asked for them."""

    def __iter__(self) -> Any:
        os._exit(3)


def left_alone(rank: int, size: int, folder: str) -> None:
    more = {"batches": Dying()} if rank == 1 else {}
    try:
        Training(rank, size, DistributedDataParallel, **more).train()
    except GrowsearchError as error:
        Path(folder, "told").write_text(str(error))
        raise


def test_a_process_that_dies_in_an_event_ends_the_others_with_one_message(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="exit code 3|another process of this training has ended"):
        ranks(2, left_alone, tmp_path, str(tmp_path))

    told = tmp_path / "told"
    if told.exists():  # it may have been ended before it could say so
        assert told.read_text().startswith("another process of this training has ended, and so does this one: ")


def saved(rank: int, size: int, file: str) -> None:
    training = Training(rank, size, DistributedDataParallel, **POLICIES["gradmax"]).train(3)
    if rank == 0:
        growsearch.save(file, training.network, training.optimizer, training.grower)


def resumed(rank: int, size: int, file: str) -> dict[str, Any]:
    training = Training(rank, size, DistributedDataParallel if size > 1 else None, **POLICIES["gradmax"])
    growsearch.load(file, training.network, training.optimizer, training.grower)
    return training.train(STEPS - 3).outcome()


def test_training_goes_on_with_another_number_of_processes(tmp_path: Path) -> None:
    for name in ("saving", "resuming"):
        (tmp_path / name).mkdir()
    file = str(tmp_path / "two.pt")
    ranks(2, saved, tmp_path / "saving", file)

    found = [resumed(0, 1, file), *ranks(3, resumed, tmp_path / "resuming", file)]

    one = Training(**POLICIES["gradmax"]).train().outcome()
    assert same(found[1], found[2]) and same(found[1], found[3])
    for each in found:
        torch.testing.assert_close(each["network"], one["network"], rtol=1e-9, atol=1e-12)


def refusals(rank: int, size: int) -> list[str]:
    def told(make: Any) -> str:
        with pytest.raises(InputError) as caught:
            make()
        return str(caught.value)

    def with_hook(model: nn.Module) -> Any:
        wrapper = DistributedDataParallel(model)
        wrapper.register_comm_hook(PowerSGDState(None), powerSGD_hook)
        return wrapper

    def with_sync(model: nn.Module) -> Any:
        wrapper = DistributedDataParallel(model)
        model.act1 = nn.SyncBatchNorm(4)
        return wrapper

    wrapper = DistributedDataParallel(network())
    inputs = batch(0)[0]
    return [
        told(lambda: Training(rank, size, with_hook)),
        told(lambda: Training(rank, size, with_sync)),
        told(lambda: growsearch.grow(wrapper, inputs, {"first": 1})),
        told(lambda: SoftGrower(wrapper, torch.optim.SGD(wrapper.parameters()), inputs)),
    ]


def test_what_cannot_follow_is_refused_at_construction(tmp_path: Path) -> None:
    hook, sync, once, soft = ranks(1, refusals, tmp_path)[0]

    assert hook.startswith("the communication hook powerSGD_hook keeps a state") and "fp16_compress_hook" in hook
    assert sync.startswith("'act1' is a SyncBatchNorm, which waits for all processes")
    assert "wrapped in DistributedDataParallel" in once and "wrapped in DistributedDataParallel" in soft
