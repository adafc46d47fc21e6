# %% [markdown]
# # How do I make a GPT deeper without a jump of the loss?
#
# Copies of trained blocks whose output projections start at zero: twice as deep, and the same function.

# %%
import torch

import growsearch
from growsearch.networks.gpt import GPT

torch.manual_seed(0)
model = GPT(depth=2, embedding=32, heads=2).build((16,), 64)
tokens = torch.randint(64, (2, 16))
graph = growsearch.trace(model, tokens)
print({name: site.blocks for name, site in graph.block_sites.items()})

# %%
for how in ("identity_blocks", "stack"):
    before = model(tokens)
    event = growsearch.grow(model, tokens, {"blocks": 2}, how=how, report=None)
    print(f"{how}: {len(model.blocks)} blocks, logits moved by {(model(tokens) - before).abs().max().item():.1e}")
assert len(model.blocks) == 6
