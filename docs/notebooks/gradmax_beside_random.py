# %% [markdown]
# # What does GradMax do that random units do not?
#
# Both leave the function as it is; the gradient at the new units tells them apart.

# %%
import copy

import torch
from torch import nn

import growsearch

torch.manual_seed(0)
seed = nn.Sequential(nn.Linear(10, 4), nn.Tanh(), nn.Linear(4, 5))
inputs = torch.randn(256, 10)
batch = (inputs, torch.sin(inputs @ torch.randn(10, 5)))


def objective(model, batch):
    return nn.functional.mse_loss(model(batch[0]), batch[1])


norms = {}
for how in ("random", "gradmax"):
    model = copy.deepcopy(seed)
    growsearch.grow(model, inputs, {"0": 3}, how=how, objective=objective, batches=[batch], report=None)
    objective(model, batch).backward()
    norms[how] = model[0].weight.grad[4:].norm().item()
    print(f"{how}: gradient norm at the new units {norms[how]:.4f}, loss {objective(model, batch).item():.4f}")
assert norms["gradmax"] > norms["random"]
