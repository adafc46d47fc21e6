from __future__ import annotations

import pytest
import torch

from growsearch.errors import InputError
from growsearch.training import precision
from growsearch.training.precision import resolve_device, resolve_precision

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("shape", "hardware", "expected"),
    [
        ((3, 32, 32), True, torch.bfloat16),
        ((3, 32, 32), False, torch.float32),
        ((1, 8, 8), True, torch.float32),
        ((4096,), True, torch.float32),
    ],
)
def test_auto_takes_bfloat16_for_real_images_where_the_hardware_has_it(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, ...], hardware: bool, expected: torch.dtype
) -> None:
    monkeypatch.setattr(precision, "has_bfloat16", lambda device: hardware)

    assert resolve_precision("auto", CPU, shape) == expected


def test_a_named_precision_is_taken() -> None:
    assert resolve_precision("bfloat16", CPU, (4,)) == torch.bfloat16
    assert resolve_precision("float32", CPU, (3, 64, 64)) == torch.float32


def test_auto_is_the_cpu_where_there_is_no_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    assert resolve_device("auto").type == "cpu"
    with pytest.raises(InputError, match="no CUDA device"):
        resolve_device("cuda")


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(InputError, match="allowed are auto, cpu, cuda"):
        resolve_device("gpu")
