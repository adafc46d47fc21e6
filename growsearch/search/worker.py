"""A worker: takes trials from a study until there are none; it keeps nothing itself."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable

import optuna

from growsearch.search.leases import Lease, Watch, worker_name
from growsearch.search.queue import is_done, take
from growsearch.search.race import begin_race, is_raced, take_run
from growsearch.search.samplers import make_pruner
from growsearch.search.study import Study
from growsearch.search.trial import Train, TrialRunner, train_for_search

_PAUSE = 0.5  # seconds before the second look for work, while others have the last trials; doubled from look to look
_LONGEST = 4  # pauses in a lease, at least


def work(
    study: Study,
    device: str,
    stop: threading.Event,
    train: Train = train_for_search,
    watch: Callable[[], None] = lambda: None,
) -> None:
    """Run trials until none is queued or running, then runs of the race, or until `stop`.

    While others run the last trials it waits for them: it goes on with one whose worker dies.

    Args:
        study: with its run folder.
        device: that trials compute on.
        stop: is set when the worker is to end.
        train: trains one seed.
        watch: is called now and then.
    """
    name, watching = worker_name(), Watch(study)
    pruner = make_pruner(study.plan.search)
    home, racing = study, False
    pause = _PAUSE
    while not stop.is_set():
        watching.look_now_and_then()
        trial_id = take_run(study, home, name) if racing else take(study, name)
        if trial_id is None:
            if not racing and is_done(study):
                race = begin_race(study)
                if race is None:
                    break
                home, racing, watching = race, True, Watch(race)
                continue
            if racing and is_raced(study, home):
                break
            watch()
            stop.wait(pause)
            pause = min(2 * pause, study.plan.search.lease / _LONGEST)
            continue
        pause = _PAUSE
        with Lease(home, trial_id, name) as lease, warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
            warnings.filterwarnings("ignore", module="optuna")
            runner = TrialRunner(home, study, device, stop, train, watch)
            runner.run(optuna.Trial(home.optuna(optuna.samplers.RandomSampler(), pruner), trial_id), lease)
        watch()
