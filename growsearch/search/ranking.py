"""Which of a study's trials may be chosen, and the order in which they would be."""

from __future__ import annotations

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from growsearch.search.study import Study, configuration_of


def best_trials(study: Study, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The best trial that keeps the constraints, or the Pareto front where there are several objectives.

    Of equal ones the first. Those that reused another's result are left out, and those from elsewhere of which no run
    file of this space can be made.
    """
    own, signs, costs = _own_trials(study, trials)
    if len(signs) == 1:
        return ranked(study, trials)[:1]
    return [
        trial
        for trial in own
        if not any(_dominates(costs[other.number], costs[trial.number]) for other in own if other is not trial)
    ]


def ranked(study: Study, trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials that may be chosen, the best first by the first objective."""
    own, _, costs = _own_trials(study, trials)
    return sorted(own, key=lambda trial: (costs[trial.number], trial.number))


def _own_trials(
    study: Study, trials: Sequence[FrozenTrial]
) -> tuple[list[FrozenTrial], list[int], dict[int, list[float]]]:
    """Those that may be chosen, the sign that makes each objective a cost, and the costs by trial."""
    search = study.plan.search
    done = [trial for trial in trials if trial.state == TrialState.COMPLETE and is_feasible(trial)]
    single = [trial for trial in done if "duplicate_of" not in trial.user_attrs]
    own = [trial for trial in single if "measures" in trial.user_attrs or configuration_of(study, trial)]
    signs = [1 if direction == "minimize" else -1 for direction, _ in search.aims]
    costs = {trial.number: [sign * value for sign, value in zip(signs, trial.values, strict=True)] for trial in own}
    return own, signs, costs


def is_feasible(trial: FrozenTrial) -> bool:
    """Whether a finished trial keeps all constraints."""
    return all(excess <= 0 for excess in trial.constraints.values())


def _dominates(one: list[float], other: list[float]) -> bool:
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))
