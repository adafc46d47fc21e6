"""One trial: its configuration, its training in a folder of its own, what it reports, and how it ends."""

from __future__ import annotations

import shutil
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import optuna
import torch
import yaml
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from growsearch.config import RunConfig
from growsearch.errors import CannotWrite, GrowsearchError
from growsearch.execution.memory import is_out_of_memory
from growsearch.runs.events import Progress
from growsearch.runs.files import write_atomically
from growsearch.runs.layout import CHECKPOINT, CONFIG, FAILURE, LOCK, RESULT, in_seed_folders, seed_folder
from growsearch.runs.records import RunResult
from growsearch.search.allowance import Allowance
from growsearch.search.budget import foreseen_flops
from growsearch.search.claims import DIVERGED, LIMITS, MEMORY, REFUSED, claim
from growsearch.search.drawing import Drawn, draw, drawn_before, record, untried
from growsearch.search.foreseen import BreaksLimits, require_within_limits
from growsearch.search.leases import Lease, Watch, requeue
from growsearch.search.measures import measured, objective_values, violations
from growsearch.search.monitor import Lost, Monitor
from growsearch.search.patience import StorageLost
from growsearch.search.space import plain_of
from growsearch.search.study import COST, PRIOR, RACE, USED, Study, identity
from growsearch.training import Interrupted, TrainingDiverged, run_one
from growsearch.training.checkpoint import remove_checkpoint
from growsearch.writing import cannot_write, is_full, make_folder

Train = Callable[[RunConfig, int, Path, str, Progress], RunResult]

_PATIENCE = 0.2  # seconds between looks at a trial that trains the same
_DRAWS = 16  # of a trial, in search of a configuration that was not tried


def train_for_search(
    config: RunConfig, seed: int, folder: Path, device: str, progress: Progress, loggers: Sequence[str] = ()
) -> RunResult:
    """Train one seed of a trial; the test set is not read.

    Args:
        config: of the trial.
        seed: of the run.
        folder: of the run.
        device: that it computes on.
        progress: is told what happens.
        loggers: names.
    """
    return run_one(config, seed, folder, device, progress, test=False, loggers=loggers)


@dataclass(frozen=True)
class TrialRunner:
    """What a worker needs to run trials: the study, and how and where it trains.

    Runs of a race are trials of a study of their own; `search` is the one whose budget all of them share.
    """

    study: Study
    search: Study
    device: str
    stop: threading.Event
    train: Train = train_for_search
    watch: Callable[[], None] = lambda: None

    def run(self, trial: optuna.Trial, lease: Lease) -> None:
        """Bring a trial to its end: complete, pruned, failed, or requeued where this worker is to stop.

        Raises `CannotWrite` where the folder cannot be written, and `StorageLost` where the study cannot be reached
        any more.
        """
        allowance = Allowance(self.search, self.study, trial._trial_id)
        try:
            config, original = self._settle(trial, lease)
            if original is None:
                if not {RACE, "baseline"} & set(trial.user_attrs):
                    require_within_limits(config, self.study.plan.search)
                self._require_paid(trial, config, allowance)
                self._finish(trial, *self._train(trial, config, lease, allowance))
            else:
                _repeat(trial, original)
        except BreaksLimits as broken:
            self._tell_untrained(trial, broken)
        except optuna.TrialPruned:
            _book(trial, lease)
            self._tell_pruned(trial)
            self._remove_checkpoints(trial)
        except Interrupted:
            _book(trial, lease)
            self._requeue(trial)
        except (Lost, UpdateFinishedTrialError):
            return
        except StorageLost:
            raise
        except Exception as error:
            if isinstance(error, CannotWrite) or is_full(error, self.study.folder):  # not the trial's fault
                with suppress(OSError):
                    self._requeue(trial)
                raise cannot_write(self.study.folder, error) from error
            _book(trial, lease)
            self._fail(trial, *_why(error))

    def _requeue(self, trial: optuna.Trial) -> None:
        requeue(self.study, self.study.storage.get_trial(trial._trial_id), died=False)

    def _settle(self, trial: optuna.Trial, lease: Lease) -> tuple[RunConfig, FrozenTrial | None]:
        """Decide what a trial tries, written as a plain run file in its folder.

        What was tried before is drawn again, as long as there is something else. With the finished trial of the same
        configuration where it has to be a duplicate, None where this one trains.
        """
        frozen, plan = self.study.storage.get_trial(trial._trial_id), self.study.plan
        if "plain" in frozen.user_attrs:
            config = plan.config(frozen.user_attrs["plain"])
            if RACE in frozen.user_attrs:
                return self._written(trial, config), None
            return self._written(trial, config), self._duplicate_of(trial, config, lease)
        before = drawn_before(self.study, frozen)
        fixed = bool(before) or "fixed_params" in frozen.system_attrs
        drawn = Drawn(before)
        for attempt in range(_DRAWS + 1):
            if not before:
                left = untried(self.study) if attempt == _DRAWS else None
                drawn = Drawn(left) if left else draw(self.study, frozen, attempt)
            config = plan.config(plain_of(plan.data, drawn.parameters))
            if fixed or claim(self.study, trial._trial_id, identity(config)) is None:
                break
        if drawn.prior:
            trial.set_user_attr(PRIOR, True)
        record(self.study, frozen, drawn.parameters)
        return self._written(trial, config), self._duplicate_of(trial, config, lease)

    def _require_paid(self, trial: optuna.Trial, config: RunConfig, allowance: Allowance) -> None:
        """Set a new trial aside that the budget has no room for; it begins where the budget is raised."""
        if not allowance.counts_flops or COST in trial.user_attrs:
            return
        if not allowance.book(foreseen_flops(config) * self.study.plan.search.seeds):
            raise Interrupted

    def _written(self, trial: optuna.Trial, config: RunConfig) -> RunConfig:
        """The configuration, which is then also in the trial's folder."""
        folder = self.study.trial_folder(trial.number)
        make_folder(folder)
        text = yaml.safe_dump(config.to_dict(), sort_keys=False).encode()
        write_atomically(folder / CONFIG, lambda file: file.write(text))
        return config

    def _duplicate_of(self, trial: optuna.Trial, config: RunConfig, lease: Lease) -> FrozenTrial | None:
        """The finished trial of the same configuration, waited for where it is running; None where this one trains."""
        watch = Watch(self.study)
        while True:
            original = claim(self.study, trial._trial_id, identity(config))
            if original is None or original.state.is_finished():
                return original
            if (
                self.stop.is_set() or original.state == TrialState.WAITING
            ):  # nobody may be there to take it but this worker
                raise Interrupted
            if lease.lost.is_set():
                raise Lost
            watch.look_now_and_then()
            self.watch()
            time.sleep(_PATIENCE)

    def _train(
        self, trial: optuna.Trial, config: RunConfig, lease: Lease, allowance: Allowance
    ) -> tuple[list[RunResult], float]:
        """Results of all seeds, and the seconds that they took here.

        Args:
            trial: that is told.
            config: of the trial.
            lease: that is kept.
            allowance: of the trial.
        """
        folder, search = self.study.trial_folder(trial.number), self.study.plan.search
        self._adopt(trial)
        started = time.perf_counter()
        results: list[RunResult] = []
        race = trial.user_attrs.get(RACE)
        for seed in (race["seed"],) if race else range(search.seeds):
            before = sum(result.training_flops for result in results)
            report = Monitor(self, trial, lease, seed, config.training.flops, allowance, before)
            results.append(self.train(config, seed, seed_folder(folder, seed), self.device, report))
            if search.pruned_by == "wilcoxon" and not race:
                report.value(objective_values(search, measured(results[-1:]))[0], seed, last=seed == search.seeds - 1)
        return results, time.perf_counter() - started

    def _tell_pruned(self, trial: optuna.Trial) -> None:
        """End a pruned trial: its value is the last that was reported, of one compared by seeds the mean of these."""
        reported = self.study.storage.get_trial(trial._trial_id).intermediate_values
        if self.study.plan.search.pruned_by != "wilcoxon" or not reported:
            _tell(trial, TrialState.PRUNED)
            return
        if not self.study.storage.set_trial_state_values(
            trial._trial_id, TrialState.PRUNED, [fmean(reported.values())]
        ):
            raise Lost

    def _tell_untrained(self, trial: optuna.Trial, limits: BreaksLimits) -> None:
        """End a trial that is sure to break a limit: pruned, with its excess, which samplers learn from."""
        trial.set_user_attr("kind", LIMITS)
        trial.set_user_attr("reason", str(limits))
        for name, share in limits.broken.items():
            trial.set_constraint(name, share)
        _tell(trial, TrialState.PRUNED)

    def _finish(self, trial: optuna.Trial, results: list[RunResult], seconds: float) -> None:
        search = self.study.plan.search
        means = measured(results)
        values = objective_values(search, means)
        trial.set_user_attr("measures", means)
        trial.set_user_attr(USED, sum(result.training_flops for result in results))
        trial.set_user_attr("seconds", seconds)
        trial.set_user_attr("threads", torch.get_num_threads())
        for name, excess in violations(search, results).items():
            trial.set_constraint(name, excess)
        _tell(trial, TrialState.COMPLETE, values)
        self._remove_checkpoints(trial)

    def _origins(self, trial: optuna.Trial | FrozenTrial) -> list[int]:
        """The trials that a trial goes on with, the latest first."""
        found: list[int] = []
        while (origin := trial.user_attrs.get("resume_of")) is not None:
            found.append(origin)
            trial = self.study.trials()[origin]
        return found

    def _adopt(self, trial: optuna.Trial) -> None:
        """Go on with what the latest of the trials that this one resumes has left."""
        for origin in self._origins(trial):
            home = self.study.trial_folder(origin)
            folders = [path.parent for name in (CHECKPOINT, RESULT) for path in in_seed_folders(home, name)]
            for folder in folders:
                _copy_whole(folder, self.study.trial_folder(trial.number) / folder.name)
            if folders:
                return

    def _fail(self, trial: optuna.Trial, kind: str, reason: str) -> None:
        """Record why a trial failed, with the traceback in its folder; the study goes on."""
        note = self.study.trial_folder(trial.number) / FAILURE
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text(traceback.format_exc())
        with suppress(Lost, UpdateFinishedTrialError):
            trial.set_user_attr("kind", kind)
            trial.set_user_attr("reason", reason)
            _tell(trial, TrialState.FAIL)
        self._remove_checkpoints(trial)

    def _remove_checkpoints(self, trial: optuna.Trial) -> None:
        """Checkpoints of a trial that is over, and of those that it went on with, are of no use any more."""
        for one in (trial.number, *self._origins(trial)):
            for path in in_seed_folders(self.study.trial_folder(one), CHECKPOINT):
                remove_checkpoint(path)


def _book(trial: optuna.Trial, lease: Lease) -> None:
    """Keep the FLOPs of a trial that ends before its last step; one that another has by now is not this one's."""
    used = max(lease.note.get(USED, 0.0), trial.user_attrs.get(USED, 0.0))
    with suppress(UpdateFinishedTrialError):
        trial.set_user_attr(USED, used)


def _repeat(trial: optuna.Trial, original: FrozenTrial) -> None:
    """End a trial as the one of the same configuration ended."""
    trial.set_user_attr("duplicate_of", original.number)
    for key in ("measures", "kind", "reason"):
        if key in original.user_attrs:
            trial.set_user_attr(key, original.user_attrs[key])
    if len(trial.study.directions) == 1:
        for step, value in original.intermediate_values.items():
            trial.report(value, step)
    for name, excess in original.constraints.items():
        trial.set_constraint(name, excess)
    _tell(trial, original.state, original.values if original.state == TrialState.COMPLETE else None)


def _tell(trial: optuna.Trial, state: TrialState, values: list[float] | None = None) -> None:
    """End a trial; raises `Lost` where another worker has it."""
    try:
        trial.study.tell(trial, values, state)
    except ValueError:
        if trial.storage.get_trial(trial._trial_id).state.is_finished():
            raise Lost from None
        raise


def _why(error: Exception) -> tuple[str, str]:
    """The kind of a failure, and its reason in words."""
    first = str(error).splitlines()[0] if str(error) else ""
    if isinstance(error, TrainingDiverged):
        return DIVERGED, str(error)
    if is_out_of_memory(error):
        torch.cuda.empty_cache()
        return MEMORY, f"out of memory: {first}"
    if isinstance(error, GrowsearchError):
        return REFUSED, str(error)
    return "error", f"{type(error).__name__}: {first}"


def _copy_whole(origin: Path, folder: Path) -> None:
    """Copy a seed's folder, whole or not at all.

    The worker before may only have stalled and still write there. The checkpoint, which is only ever replaced, is
    copied first: the logs, which are appended to, are then at least as long as it knows.
    """
    if folder.exists():
        return
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for path in sorted(origin.iterdir(), key=lambda path: path.name != CHECKPOINT):
        if path.is_file() and not path.name.endswith(".partial") and path.name != LOCK:
            shutil.copyfile(path, partial / path.name)
    partial.rename(folder)
