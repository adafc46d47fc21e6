"""The examples run as they stand: networks grow, what trains them follows, and what was saved goes on."""

from __future__ import annotations

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import growsearch

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "examples"
GROWER = growsearch.Grower
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def example(name: str) -> Any:
    spec = spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Recorded(GROWER):
    """What an example gave to its grower."""

    made: list[tuple[Any, Any, Any]] = []

    def __init__(self, model: nn.Module, optimizer: Any, *args: Any, **known: Any) -> None:
        Recorded.made.append((model, optimizer, known.get("companions", ())))
        super().__init__(model, optimizer, *args, **known)


class Deaf(Recorded):
    """Forgets the optimizer."""

    def __init__(self, model: nn.Module, optimizer: Any, *args: Any, **known: Any) -> None:
        GROWER.__init__(self, model, None, *args, **known)
        Recorded.made.append((model, optimizer, ()))


def followed(model: nn.Module, optimizer: torch.optim.Optimizer) -> bool:
    """Whether the optimizer trains the network's very parameters, with states of their shapes."""
    held = [p for group in optimizer.param_groups for p in group["params"]]
    states = [(p, v) for p in held for v in optimizer.state[p].values() if isinstance(v, Tensor) and v.ndim]
    return {id(p) for p in held} == {id(p) for p in model.parameters()} and all(p.shape == v.shape for p, v in states)


@pytest.mark.parametrize(
    ("name", "library", "settings"),
    [("plain_loop", "torch", {}), ("nanogpt_like", "torch", {}), ("timm_like_loop", "timm", {"epochs": 1})],
)
def test_a_loop_grows_and_what_trains_it_follows(
    name: str,
    library: str,
    settings: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip(library)
    module = example(name)
    monkeypatch.setattr(growsearch, "Grower", Recorded)
    grower = module.train(**settings)

    model, optimizer, companions = Recorded.made.pop()
    assert len(grower.progress.events) >= 2 and "parameters" in capsys.readouterr().out
    assert followed(model, optimizer)
    sizes = [sum(p.numel() for p in each.parameters()) for each in (model, *companions)]
    assert len(set(sizes)) == 1


def test_a_loop_whose_grower_forgets_the_optimizer_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control."""
    module = example("nanogpt_like")
    monkeypatch.setattr(growsearch, "Grower", Deaf)
    monkeypatch.setattr(module, "STEPS", 35)
    module.train()

    model, optimizer, _ = Recorded.made.pop()
    assert not followed(model, optimizer)


@pytest.mark.parametrize(
    ("name", "library"),
    [("lightning_callback", "lightning"), ("hf_trainer", "transformers"), ("accelerate_loop", "accelerate")],
)
def test_a_library_trains_saves_and_goes_on(name: str, library: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip(library)
    first, second = example(name).train()

    growths = [getattr(each, "grower", None) if name == "accelerate_loop" else each for each in (first, second)]
    one, other = ([event.step for event in each.events] for each in growths)
    assert len(one) >= 2 and 0 < len(other) < len(one) and one[-len(other) :] == other
    assert "resumed" in capsys.readouterr().out
