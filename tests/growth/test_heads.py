"""Growing heads of attention with initializers that keep the function."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

import growsearch
from tests.graph.attention import FusedAttention, GroupedAttention, Transformer
from tests.graph.conftest import randomise, relative, run

FORMS = {
    "qkv": lambda: FusedAttention(12, 3, by_hand=False),
    "q_proj": lambda: GroupedAttention(12, 4, 2, 6, repeat=False),
}


@pytest.mark.parametrize("how", ["zero", "random", "split"])
@pytest.mark.parametrize("site", FORMS)
def test_growing_heads_keeps_the_outputs(how: str, site: str) -> None:
    model = Transformer(FORMS[site]()).double()
    randomise(model)
    x = torch.randn(4, 7, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    before = [run(model.train(mode), x) for mode in (False, True)]
    heads = model.attention[0].num_heads

    growsearch.grow(
        model,
        x,
        {f"attention.0.{site}": 2},
        how,
        objective=lambda model, batch: F.cross_entropy(model(batch[0]), batch[1]),
        batches=[(x, torch.arange(4) % 3)],
    )

    assert model.attention[0].num_heads > heads
    after = [run(model.train(mode), x) for mode in (False, True)]
    assert all(relative(new, old) < 1e-12 for new, old in zip(after, before, strict=True))
