"""What one trial, or run of a race, may use of the budget of its search."""

from __future__ import annotations

import time

from growsearch.search.budget import account_of
from growsearch.search.journal import locked
from growsearch.search.study import COST, Study

_SLACK = 1e-6  # of a cost, below which it is as foreseen


class Allowance:
    """The time until which a trial may run, and the FLOPs that are booked for it."""

    def __init__(self, search: Study, home: Study, trial_id: int) -> None:
        """Look at what is left.

        Args:
            search: whose budget it is.
            home: the study that has the trial: the search, or its race.
            trial_id: of the trial.
        """
        self._search, self._home, self._trial_id = search, home, trial_id
        account = account_of(search)
        hours = account.hours_left() if home is search else account.race_hours_left()
        self.until = time.monotonic() + 3600 * hours
        self.counts_flops = account.budget.flops is not None
        self._booked = float(home.storage.get_trial(trial_id).user_attrs.get(COST, 0.0))

    def book(self, cost: float, used: float = 0.0) -> bool:
        """Book the FLOPs that the trial is going to cost with all its seeds, those used by now included.

        Returns:
            Whether they are left.
        """
        self._booked = cost
        with locked(self._home.claims):
            self._home.storage.set_trial_user_attr(self._trial_id, COST, cost)
            trial, account = self._home.storage.get_trial(self._trial_id), account_of(self._search)
            if self._home is self._search:
                return account.affords(trial, used)
            return account.race_has_room(trial.number, cost)

    def covers(self, cost: float, used: float) -> bool:
        """Whether so many FLOPs, of which some are used, are booked, or can still be."""
        return not self.counts_flops or cost <= self._booked * (1 + _SLACK) or self.book(cost, used)
