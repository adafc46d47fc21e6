# %% [markdown]
# # Was it worth growing, or was it luck?
#
# `growsearch.compare` trains every policy with the same seeds, and its verdict says what the differences are worth.
# Here a student learns from a teacher of 12 units: `small` stays at 3, `big` has 12 at once, others grow to 12.

# %%
import tempfile

import growsearch

space = {
    "data": {"name": "teacher_student", "inputs": 6, "hidden": 12, "outputs": 4, "samples": 200},
    "network": {"name": "mlp", "hidden": [12], "width": 0.25},
    "training": {"steps": 40, "batch_size": 0, "optimizer": {"name": "sgd", "lr": 0.2}, "rows": 6},
    "growth": {"when": {"interval": {"every": 8, "count": 3}}, "how": "zero", "budget": {"width": 1.0}},
    "policies": {
        "small": {"growth": {"when": "never"}},
        "big": {"network": {"width": 1.0}, "growth": {"when": "never"}},
        "random": {"growth": {"how": "random"}},
        "gradmax": {"growth": {"how": {"gradmax": {"scale": 0.5}}}},
    },
    "reference": "small",
    "seeds": 8,
}
folder = tempfile.mkdtemp()
results = growsearch.compare(space, folder, device="cpu", quiet=True)
results

# %% [markdown]
# The sentence is what to act on. Behind it are paired differences, of the same seed with one policy and the other, with
# their 95 % intervals.

# %%
for pair in results.conclusions.pairs:
    if pair.against == "small":
        low, high = pair.interval
        print(f"{pair.policy} minus small: {pair.mean_difference:+.3f} ({low:+.3f} to {high:+.3f}): {pair.direction}")
