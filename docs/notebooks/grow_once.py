# %% [markdown]
# # How do I make a layer wider without losing what it learned?
#
# `growsearch.grow` changes the model in place; with `how="split"` new units are copies that share outgoing weights.

# %%
import torch
from torch import nn

import growsearch

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 2))
inputs = torch.randn(16, 4)
before = model(inputs)
optimizer = torch.optim.AdamW(model.parameters())
event = growsearch.grow(model, inputs, {"0": 4}, how="split", optimizer=optimizer, report=None)
event

# %%
print(model)
assert torch.allclose(model(inputs), before, atol=1e-5)
