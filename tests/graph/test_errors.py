"""What cannot be traced is refused with a message that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

from growsearch.errors import TraceError
from growsearch.graph import trace


def test_a_failing_run_tells_the_error_and_what_to_check() -> None:
    with pytest.raises(TraceError, match=r"running Linear .*shapes \(2, 5\).*mat1 and mat2.*Check that"):
        trace(nn.Linear(4, 2), torch.ones(2, 5))


@pytest.mark.parametrize("inputs", ["text", None, (), {}, [], (1, 2), [(1,)]])
def test_example_inputs_without_a_tensor_are_refused(inputs: object) -> None:
    with pytest.raises(TraceError, match="example_inputs"):
        trace(nn.Linear(4, 2), inputs)


def test_something_else_than_a_module_is_refused() -> None:
    with pytest.raises(TraceError, match="cannot trace a function: give a torch.nn.Module"):
        trace(lambda x: x, torch.ones(1))


class OptimizedModule(nn.Sequential):
    """Stands for what `torch.compile` returns (importing the compiler takes seconds)."""


OptimizedModule.__module__ = "torch._dynamo.eval_frame"


@pytest.mark.parametrize(("wrapper", "inner"), [(nn.DataParallel, "module"), (OptimizedModule, "_orig_mod")])
def test_wrapped_models_are_refused(wrapper: type[nn.Module], inner: str) -> None:
    model = wrapper(nn.Linear(4, 2))

    with pytest.raises(TraceError, match=f"wrapped in {wrapper.__name__}.*the inner module, its attribute '{inner}'"):
        trace(model, torch.ones(2, 4))


def test_sharded_tensors_are_refused(tmp_path: Path) -> None:
    dist.init_process_group("gloo", store=dist.FileStore(str(tmp_path / "store"), 1), rank=0, world_size=1)
    try:
        model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
        fully_shard(model, mesh=init_device_mesh("cpu", (1,)))

        with pytest.raises(TraceError, match=r"'weight' is a DTensor.* Grow before fully_shard or .* train with"):
            trace(model, torch.randn(2, 4))
    finally:
        dist.destroy_process_group()


def test_a_wrapped_part_is_refused_by_its_path() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.DataParallel(nn.Linear(4, 2)))

    with pytest.raises(TraceError, match="the module '1' is wrapped in DataParallel"):
        trace(model, torch.ones(2, 4))


@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_lazy_modules_are_refused() -> None:
    with pytest.raises(TraceError, match="'weight' has no shape yet; run the model once"):
        trace(nn.Sequential(nn.LazyLinear(3)), torch.ones(2, 4))
