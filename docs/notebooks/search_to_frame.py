# %% [markdown]
# # How do I get a search into a table of my own?
#
# `growsearch.run_search` tries values for the ranges of a file, or of a mapping as here, and returns typed results.

# %%
import tempfile

import growsearch

space = {
    "data": {"name": "digits"},
    "network": {"name": "mlp", "hidden": [16], "width": 0.5},
    "training": {
        "steps": 20,
        "batch_size": 128,
        "optimizer": {"name": "sgd", "lr": {"type": "float", "low": 0.02, "high": 0.5, "log": True}, "momentum": 0.9},
    },
    "growth": {
        "when": {"interval": {"every": {"type": "int", "low": 2, "high": 6}, "count": 2}},
        "how": {"type": "choice", "options": {"zero": {}, "random": {}}},
        "budget": {"width": 1.0},
    },
    "search": {"pruner": "none", "baselines": False, "race": "none"},
}
folder = tempfile.mkdtemp()
results = growsearch.run_search(space, folder, budget={"trials": 8}, device="cpu", workers=1, quiet=True)
results

# %% [markdown]
# `records()` is a list of plain dictionaries, `frame()` the same as a `pandas.DataFrame`: sort it, plot it, join it
# with others. `growsearch.read_search(folder)` gives both again later; those of `growsearch.compare` have them too.

# %%
table = results.frame().sort_values("value.validation_loss")
table[["number", "value.validation_loss", "parameter.training.optimizer.lr", "parameter.growth.how"]].head(5).round(4)

# %%
[best] = results.best_trials()
print(best.number, best.measures["parameters"], best.parameters)
print(f"repeat it with: growsearch run {results.files[0].rpartition('/')[2]}")
