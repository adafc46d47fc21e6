# %% [markdown]
# # How do I grow a network on my own arrays, and use it afterwards?
#
# Inputs and targets in an `.npz` file are enough; integers as targets are classes. Here are two half moons.

# %%
import tempfile
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import make_moons

import growsearch

folder = Path(tempfile.mkdtemp())
points, moon = make_moons(400, noise=0.15, random_state=0)
np.savez(folder / "moons.npz", inputs=points.astype("float32"), targets=moon)

# %%
space = {
    "data": {"name": "arrays", "file": str(folder / "moons.npz"), "test": 0.25, "validation": 0.1},
    "network": {"name": "mlp", "hidden": [16], "width": 0.125},
    "training": {"epochs": 10, "batch_size": 32, "optimizer": {"name": "adamw", "lr": 0.05}, "evaluate_every": 10},
    "growth": {"when": {"interval": {"every": 15, "count": 4}}, "how": "gradmax", "budget": {"width": 1.0}},
    "policies": {"grown": {}, "small": {"growth": {"when": "never"}}},
    "seeds": 6,
}
results = growsearch.compare(space, folder / "run", device="cpu", quiet=True)
results

# %% [markdown]
# The folder has every trained network, grown as it is. Its inputs were standardised, and `network.json` says by what.

# %%
import json

home = folder / "run" / "grown" / "seed-0"
network = growsearch.load(home)
scale = json.loads((home / "network.json").read_text())["normalisation"]["inputs"]
new = (torch.tensor([[0.0, 1.0], [1.0, -0.5]]) - torch.tensor(scale["mean"])) / torch.tensor(scale["std"])
with torch.no_grad():
    print("which moon:", network(new).argmax(1).tolist())
network
