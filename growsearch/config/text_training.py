"""How long a first file trains on a text of one's own, and in which batches: by the text's size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Any

_PASSES = 40  # through a small text, which gains little by more
_MOST = 2.0e12  # training FLOPs of a run
_STEPS = 1000  # at least, in smaller batches where the FLOPs are few
_BATCHES = (32, 16, 8)
_BYTES = 256  # outputs of a network that reads bytes


@dataclass(frozen=True)
class TextTraining:
    """What the text changes of the section `training`, and how often the largest network sees it, about."""

    changes: Mapping[str, Any]
    passes: float


def text_training(
    text: Path, data: Mapping[str, Any], network: Mapping[str, Any], training: Mapping[str, Any]
) -> TextTraining | None:
    """Return how to train on a file; None where it cannot be read.

    Args:
        text: the file.
        data: the section, with its context and shares.
        network: of the final size, the most expensive one.
        training: the section, whose learning rate is for the largest batches.
    """
    try:
        size = text.expanduser().stat().st_size
    except OSError:
        return None
    context = data["context"]
    windows = max(1, int(size * (1 - data["validation"] - data["test"])) // context)
    cost = _flops_of_a_window(network, context)
    flops = min(_MOST, _PASSES * windows * cost)
    seen = flops / cost
    batch = next((one for one in _BATCHES if seen / one >= _STEPS), _BATCHES[-1])
    optimizer = training["optimizer"]
    rate = float(f"{optimizer['lr'] * sqrt(batch / _BATCHES[0]):.1g}")
    changes = {"flops": float(f"{flops:.1e}"), "batch_size": batch, "optimizer": {**optimizer, "lr": rate}}
    return TextTraining(changes if batch < _BATCHES[0] else {"flops": changes["flops"]}, seen / windows)


def _flops_of_a_window(network: Mapping[str, Any], context: int) -> int:
    import torch

    from growsearch.networks import build_network
    from growsearch.training.compute import training_flops_per_sample

    model = build_network(dict(network), (context,), _BYTES)
    return training_flops_per_sample(model, torch.zeros(2, context, dtype=torch.long))
