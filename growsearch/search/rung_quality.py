"""Whether a rung tells how trials end: the rank correlation of their values there with those at their ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial, TrialState
from scipy.stats import spearmanr

from growsearch.search.study import SPARED, counts

ENOUGH = 8  # finished trials, before which a rung is trusted: at a fifth of a schedule they mostly are good
TRUSTED = 0.5  # rank correlation from which on a rung may end trials


@dataclass(frozen=True)
class RungQuality:
    """A rung, at a `share` of a trial's schedule, and what it was worth in a study by now.

    `correlation` is Spearman's over the `finished` trials that were at the rung, None where it is not defined, or where
    the rung's value is that of the end, at which they were first evaluated.
    `pruned` trials ended there, `spared` ones would have, but for a low correlation.
    """

    share: float
    finished: int
    correlation: float | None
    pruned: int = 0
    spared: int = 0

    @property
    def holds_back(self) -> bool:
        """Whether enough trials say that the rung does not tell how they end."""
        return self.finished >= ENOUGH and self.correlation is not None and self.correlation < TRUSTED


def rung_quality(rungs: Mapping[int, float], trials: Sequence[FrozenTrial]) -> dict[int, RungQuality]:
    """What every rung was worth, by its step."""
    own = [trial for trial in trials if counts(trial) and "duplicate_of" not in trial.user_attrs]
    return {step: _quality(step, share, own) for step, share in rungs.items()}


def _quality(step: int, share: float, trials: Sequence[FrozenTrial]) -> RungQuality:
    there = [trial for trial in trials if step in trial.intermediate_values]
    done = [trial for trial in there if trial.state == TrialState.COMPLETE]
    pruned = [one for one in there if one.state == TrialState.PRUNED and max(one.intermediate_values) == step]
    spared = [one for one in there if step in one.user_attrs.get(SPARED, [])]
    ends = [trial.values[0] for trial in done]
    found = _spearman([trial.intermediate_values[step] for trial in done], ends)
    return RungQuality(share, len(done), found, len(pruned), len(spared))


def _spearman(there: Sequence[float], ends: Sequence[float]) -> float | None:
    """None where there is nothing to tell: all end alike, or there; values that are alike at the rung tell nothing."""
    if len(there) < 3 or len(set(ends)) == 1 or list(there) == list(ends):
        return None
    return float(spearmanr(there, ends).statistic) if len(set(there)) > 1 else 0.0
