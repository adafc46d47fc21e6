# %% [markdown]
# # Which parameters are new, and how do I train only these?
#
# An event knows which elements of which parameters it has made; the others can stay as they were trained.

# %%
import torch
from torch import nn

import growsearch

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
inputs = torch.randn(128, 4)
targets = torch.sin(2 * inputs @ torch.randn(4, 3))
event = growsearch.grow(model, inputs, {"0": 4}, how="random")
print(event)

# %% [markdown]
# `new_weights()` has a mask for each parameter with something new. A hook on the gradient keeps all else still.

# %%
masks = event.new_weights()
for name, parameter in model.named_parameters():
    if name in masks:
        parameter.register_hook(lambda gradient, mask=masks[name]: gradient * mask)
    else:
        parameter.requires_grad_(False)
before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.02, weight_decay=0.0)
for step in range(200):
    loss = nn.functional.mse_loss(model(inputs), targets)
    if step % 50 == 0:
        print(f"step {step}: loss {loss.item():.4f}")
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()

# %%
for name, parameter in model.named_parameters():
    moved = parameter != before[name]
    new = masks.get(name, torch.zeros_like(moved))
    print(f"{name}: {int(moved.sum())} of {moved.numel()} elements moved, {int(new.sum())} are new")
    assert not moved[~new].any()
