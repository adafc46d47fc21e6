"""Workers on the CPU, and several on every GPU with a share of its memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from growsearch.errors import InputError
from growsearch.search.device_slots import DeviceSlot, device_slots


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Pretend that this machine has so many GPUs, by the names in `CUDA_VISIBLE_DEVICES` where there are some."""

    def pretend(count: int, names: str | None = None) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        if names is None:
            monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        else:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", names)

    return pretend


def test_the_cpu_has_a_worker_a_core_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("growsearch.search.device_slots.core_count", lambda: 3)

    assert device_slots("cpu", None, None) == [DeviceSlot("cpu")] * 3
    assert device_slots("cpu", None, None, on_cpu=1) == [DeviceSlot("cpu")]
    assert device_slots("cpu", 5, None) == [DeviceSlot("cpu")] * 5


def test_every_gpu_has_one_worker_that_may_use_all_of_it(gpus: Callable[..., None]) -> None:
    gpus(2)

    assert device_slots("auto", None, None) == [DeviceSlot("cuda", "0"), DeviceSlot("cuda", "1")]


def test_slots_share_the_memory_of_each_gpu(gpus: Callable[..., None]) -> None:
    gpus(2, "GPU-a, GPU-b")

    found = device_slots("cuda", None, 3)

    assert [slot.gpu for slot in found] == ["GPU-a", "GPU-b"] * 3
    assert {slot.share for slot in found} == {1 / 3}


def test_workers_are_spread_over_the_gpus_and_share_the_fullest(gpus: Callable[..., None]) -> None:
    gpus(2)

    assert device_slots("cuda", 3, None) == [
        DeviceSlot("cuda", "0", 0.5),
        DeviceSlot("cuda", "1", 0.5),
        DeviceSlot("cuda", "0", 0.5),
    ]


def test_a_gpu_that_is_named_is_the_only_one(gpus: Callable[..., None]) -> None:
    gpus(4, "4,5,6,7")

    assert device_slots("cuda:2", None, 2) == [DeviceSlot("cuda", "6", 0.5)] * 2


def test_a_worker_sees_its_gpu_only_and_its_share_of_the_memory(
    gpus: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    gpus(2)
    shares: list[float] = []
    monkeypatch.setattr(torch.cuda, "set_per_process_memory_fraction", shares.append)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")

    DeviceSlot("cuda", "1", 0.25).enter()

    assert os.environ["CUDA_VISIBLE_DEVICES"] == "1"
    assert shares == [0.25]


def test_numbers_that_contradict_each_other_are_refused(gpus: Callable[..., None]) -> None:
    with pytest.raises(InputError, match="--slots are of GPUs"):
        device_slots("cpu", None, 2)
    gpus(1)
    with pytest.raises(InputError, match="give one of them"):
        device_slots("cuda", 2, 2)
