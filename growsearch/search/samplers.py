"""Optuna's samplers and pruners by the names that a file uses."""

from __future__ import annotations

import warnings

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler

from growsearch.config import SearchConfig

START = 10  # trials at the start of `tpe` and `gp` that are spread evenly, and not suggested
REDUCTION = 3  # of the trials that reach a rung, one in so many goes on
RUNGS = 2  # before the end of the most expensive trial: at a ninth and at a third of its training FLOPs


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

    Trials are compared at rungs, which are training FLOPs and not epochs: the steps that Optuna sees are `rung_steps`,
    or the seeds where the pruner is Wilcoxon's.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        if search.pruned_by == "asha":
            return optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=REDUCTION)
        if search.pruned_by == "hyperband":
            return optuna.pruners.HyperbandPruner(
                min_resource=1, max_resource=REDUCTION**RUNGS, reduction_factor=REDUCTION
            )
        if search.pruned_by == "median":
            return optuna.pruners.MedianPruner()
        if search.pruned_by == "wilcoxon":
            return optuna.pruners.WilcoxonPruner()
        return optuna.pruners.NopPruner()


def rungs(most_flops: float) -> dict[int, int]:
    """Optuna's step and the training FLOPs of every rung, where the most expensive trial takes `most_flops`.

    Steps are powers of the reduction factor, as successive halving has them, and small: a database keeps 32 bits.
    """
    return {REDUCTION**rung: round(most_flops / REDUCTION ** (RUNGS - rung)) for rung in range(RUNGS)}
