# %% [markdown]
# # What can grow in my network?
#
# `growsearch.trace` follows one run of the model, changes nothing, and draws what it found.

# %%
import torch
from torch import nn

import growsearch

model = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(512, 10))
graph = growsearch.trace(model, torch.randn(2, 1, 8, 8))
graph

# %% [markdown]
# A site is a channel space that can change size: what writes it, what reads it, and what one more unit costs.

# %%
for site in graph.sites.values():
    print(site.name, site.width, site.kind, site.producers, site.consumers, site.parameters_per_unit)
