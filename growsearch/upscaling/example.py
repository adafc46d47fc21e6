"""Inputs on which a model of `transformers` is traced and compared."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from growsearch.errors import InputError

SAMPLES, TOKENS = 2, 16


def example_of(model: nn.Module, config: Any) -> dict[str, Tensor]:
    """Return random inputs that `model` takes: token ids, or images; always the same ones.

    Raises `InputError` where it takes something else.
    """
    generator = torch.Generator().manual_seed(0)
    name = str(getattr(model, "main_input_name", "input_ids"))
    if name == "input_ids":
        length = min(TOKENS, getattr(config, "max_position_embeddings", None) or TOKENS)
        ids = torch.randint(0, config.vocab_size, (SAMPLES, length), generator=generator)
        pad = getattr(config, "pad_token_id", None)
        if pad is not None:  # some networks count no position for it
            ids = torch.where(ids == pad, (ids + 1) % config.vocab_size, ids)
        return {name: ids}
    if name == "pixel_values" and hasattr(config, "image_size"):
        size = config.image_size
        sides = (size, size) if isinstance(size, int) else tuple(size)
        return {name: torch.randn(SAMPLES, config.num_channels, *sides, generator=generator)}
    raise InputError(f"a {config.model_type} takes {name}: known are networks that take input_ids or pixel_values")
