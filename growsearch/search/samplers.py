"""Optuna's samplers and pruners by the names that a file uses."""

from __future__ import annotations

import warnings

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from growsearch.config import SearchConfig

START = 10  # trials at the start of `tpe` and `gp` that are spread evenly, and not suggested
REDUCTION = 3  # of the trials that reach a rung, one in so many goes on
FIRST = 0.2  # the share of a trial's schedule at the first rung


def make_sampler(search: SearchConfig, seed: int) -> BaseSampler:
    """The sampler of a trial; each has a seed of its own.

    `gp` models the parameters that all trials have; the others, those of options, are left to `tpe`.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        tpe = optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True, n_startup_trials=START)
        if search.sampler in ("random", "qmc", "grid"):
            return optuna.samplers.RandomSampler(seed=seed)
        if search.sampler == "nsga2":
            return optuna.samplers.NSGAIISampler(seed=seed)
        if search.sampler == "cmaes":
            return optuna.samplers.CmaEsSampler(seed=seed, n_startup_trials=START, warn_independent_sampling=False)
        if search.sampler == "gp":
            return optuna.samplers.GPSampler(
                seed=seed, independent_sampler=tpe, n_startup_trials=START, warn_independent_sampling=False
            )
        return tpe


def make_pruner(search: SearchConfig) -> BasePruner:
    """The pruner of a study.

    Trials are compared at rungs: the steps that Optuna sees are those of `rungs`, or the seeds where the pruner is
    Wilcoxon's.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if search.pruned_by == "asha":
            return optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=REDUCTION)
        if search.pruned_by == "hyperband":
            return optuna.pruners.HyperbandPruner(min_resource=1, max_resource=REDUCTION**2, reduction_factor=REDUCTION)
        if search.pruned_by == "median":
            return optuna.pruners.MedianPruner()
        if search.pruned_by == "wilcoxon":
            return optuna.pruners.WilcoxonPruner()
        return optuna.pruners.NopPruner()


def rungs(search: SearchConfig) -> dict[int, float]:
    """Optuna's step of every rung, and the share of a trial's own schedule at which it is.

    Networks at the same place of their schedules rank far better than networks that have used the same FLOPs. For
    `asha` and `hyperband` steps are powers of the reduction factor, as successive halving has them.
    """
    if search.pruned_by == "median":
        return {1: 0.2, 2: 0.4, 3: 0.6, 4: 0.8}
    return {"asha": {1: FIRST}, "hyperband": {1: FIRST, REDUCTION: REDUCTION * FIRST}}.get(search.pruned_by, {})
