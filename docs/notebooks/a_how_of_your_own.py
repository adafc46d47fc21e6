# %% [markdown]
# # How do I try an idea of my own for how new units start?
#
# A strategy is a class with a `propose`. This one lets new units begin with random directions of the length that
# the old ones have on average, and with outgoing weights of zero, so that the function stays as it is.

# %%
import torch
from pydantic import Field
from torch import nn

import growsearch
from growsearch.growth import Initializer, SiteEnds


class SameLength(Initializer):
    """Random directions as long as the old units' weights, outgoing weights zero."""

    summary = "random directions as long as the old units' weights, outgoing ones zero"
    source = "this notebook"
    preserves = "the function, exactly"

    scale: float = Field(1.0, gt=0, description="length, as a multiple of the old units' mean length")

    def propose(self, plan, context):
        """Return candidates for plan[site] units at each site."""
        found = []
        for site, units in plan.items():
            ends = SiteEnds(context.model, context.graph, context.sites[site], context.trainable)
            rows = []
            for channel in range(len(ends.producers)):
                drawn = torch.randn(units, ends.length("incoming", channel), generator=context.generator)
                length = self.scale * ends.mean_norm("incoming", channel)
                rows.append(length * nn.functional.normalize(drawn))
            found += ends.candidates("outgoing", rows)
        return found


# %% [markdown]
# It goes wherever a name does, in `growsearch.grow` and in a `Grower`, and every growth is checked: had the outputs
# changed, the event would have been taken back.

# %%
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3))
inputs = torch.randn(64, 4)
before = model(inputs)
event = growsearch.grow(model, inputs, {"0": 4}, how=SameLength(scale=0.5))
print(event)
assert torch.allclose(model(inputs), before, atol=1e-6)
print("lengths:", model[0].weight.norm(dim=1).detach().round(decimals=2).tolist())

# %% [markdown]
# To name it in files, and compare it with seeds and a verdict, it needs a package with an entry point:
# `growsearch new strategy NAME` writes one, with a test that runs the laws which every strategy here has to keep.
