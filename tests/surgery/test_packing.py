"""Packing keeps everything of a state dict, and a bit for every dormant connection."""

from __future__ import annotations

import torch

from growsearch.surgery.packing import pack, unpack


def test_what_was_packed_comes_back_bit_for_bit() -> None:
    torch.manual_seed(0)
    mask = torch.rand(5, 3, 3, 3) < 0.2
    weight = torch.randn(mask.shape).to(memory_format=torch.channels_last) * mask
    alive = mask.nonzero()[0]
    weight[tuple(alive)] = 0.0  # alive, and 0
    state = {"conv.weight": weight, "conv.weight_mask": mask, "conv.bias": torch.randn(5)}

    packed, shapes = pack(state)
    found = unpack(packed, shapes)

    assert packed["conv.weight"].shape == (int(mask.sum()),)
    assert packed["conv.weight_mask"].nbytes == -(-mask.numel() // 8)
    assert found.keys() == state.keys()
    assert all(found[name].dtype == state[name].dtype and found[name].equal(state[name]) for name in state)


def test_a_buffer_that_only_has_the_name_of_a_mask_is_left_alone() -> None:
    state = {"weight": torch.ones(4), "weight_mask": torch.ones(4), "tokens": torch.ones(2), "tokens_mask": mask(3)}

    packed, shapes = pack(state)

    assert shapes == {}
    assert all(packed[name] is state[name] for name in state)


def mask(size: int) -> torch.Tensor:
    return torch.ones(size, dtype=torch.bool)
