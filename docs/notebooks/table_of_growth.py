# %% [markdown]
# # How would my search have done?
#
# A table of growth has many configurations of a search space, trained with several seeds each, with every curve. A
# search over it can be replayed in milliseconds.

# %%
from statistics import fmean

from growsearch import tables
from growsearch.tables.outcomes import Pool
from growsearch.tables.replay import Arm, replay
from growsearch.tables.rules import BEFORE, Rule

table = tables.load("digits")
print(f"{len(table)} configurations, {len(table.seeds)} seeds, {len(table.shares)} evaluations")
table.point(0)

# %% [markdown]
# Losses of the first configuration: one row a seed, at a fifth of the schedule and at its end.

# %%
fifth = int(abs(table.shares - 0.2).argmin())
table.curves["validation_loss"][0][:, [fifth, -1]]

# %% [markdown]
# Searches of 24 runs' FLOPs, each repeated 40 times: what they choose is judged by seeds that the choice has not seen.

# %%
pool = Pool(table)
arms = {"by accuracy, stopped at equal FLOPs": Arm(BEFORE), "by loss, a rung at a fifth, a race": Arm(Rule())}
for name, arm in arms.items():
    truth = fmean(-replay(pool, arm, budget=24, repeat=repeat).truth for repeat in range(40))
    print(f"{name}: {100 * truth:.2f} % test accuracy")
