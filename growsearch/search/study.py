"""A study: what is searched and how, and its trials, in a storage that all workers share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from growsearch.config import RunConfig, SearchBudget, SearchConfig, SearchStop
from growsearch.config.run_config import normalized
from growsearch.config.search_config import WITHOUT_BUDGET, RaceConfig
from growsearch.errors import InputError
from growsearch.runs.layout import CLAIMS, JOURNAL, SEARCH, trial_folder
from growsearch.runs.reading import read_json
from growsearch.search.finite import points
from growsearch.search.space import SECTIONS, plain_of
from growsearch.search.storage import open_storage, shown

optuna.logging.set_verbosity(optuna.logging.WARNING)

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
COST = "cost"  # training FLOPs that a trial is going to have, all seeds
DRAWN = "drawn"  # all parameters of a trial, as Optuna keeps them: it writes them down one by one
ENDS = "ends"  # of a study: its budget and what stops it before, which may be changed
IDENTITY = "identity"  # of the configuration of a trial
IMPORTED = "imported"  # of a trial that was taken over: the folder of its search
ORIGIN = "origin"  # and the folder with its runs, which that search may have taken over itself
LEASE = "lease"  # what the worker of a trial said last
LOST = "lost"  # of a trial whose worker died
ORDINAL = "ordinal"  # how many trials had been drawn before this one
PASSED = "passed"  # rungs at which it is settled that a trial goes on
PRIOR = "prior"  # of a trial in which the file's defaults had a part
RACE = "race"  # which trial a run of the race is of, and its seed; the folder of the runs
RACE_SUFFIX = "#race"
FIRST_SEED = 1000  # of the race: neither a search nor a comparison is likely to have used these
SIZE = "size"  # of the race that was begun last
USED = "flops"  # training FLOPs of a trial by now, all seeds; in its lease while it runs
SPARED = "spared"  # rungs at which a trial was not ended because they tell too little
TRAINS = "trains"  # which configuration a trial is the one to train


@dataclass(frozen=True)
class Plan:
    """What a study searches: the file's sections with their ranges, its settings, and the rungs (step to share of a
    trial's own schedule)."""

    data: dict[str, Any]
    search: SearchConfig
    rungs: dict[int, float]
    allow_import: bool = False

    def to_json(self) -> dict[str, Any]:
        """Plain data from which `of` makes the same plan."""
        return {
            "data": {key: self.data[key] for key in SECTIONS if self.data.get(key) is not None},
            "search": self.search.model_dump(mode="json", exclude={"trials", "budget", "stop"}, exclude_none=True),
            "rungs": [[step, share] for step, share in self.rungs.items()],
            "allow_import": self.allow_import,
        }

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Plan:
        """The plan that `to_json` wrote."""
        search = SearchConfig.model_validate_json(json.dumps(plain["search"]), context=WITHOUT_BUDGET)
        return cls(plain["data"], search, {step: share for step, share in plain["rungs"]}, plain["allow_import"])

    def config(self, plain: Mapping[str, Any]) -> RunConfig:
        """The checked configuration of one trial, without ranges."""
        return normalized({**plain, "seeds": self.search.seeds}, self.allow_import)

    @cached_property
    def points(self) -> tuple[tuple[dict[str, Any], str], ...] | None:
        """All points of a small finite space with the identity of their configurations; None where it is not small."""
        found = points(self.data)
        if not found or not found[0]:
            return None
        return tuple((point, identity(self.config(plain_of(self.data, point)))) for point in found)

    def exhausted_by(self, trials: Sequence[FrozenTrial]) -> bool:
        """Whether no configuration of the space is left that none of these trials trains, or may yet turn out to."""
        if self.points is None:
            return False
        tried = {trial.user_attrs.get(TRAINS) for trial in trials}
        unsettled = sum(not trial.state.is_finished() and TRAINS not in trial.user_attrs for trial in trials)
        return len({identity for _, identity in self.points} - tried) <= unsettled


@dataclass(frozen=True)
class Reference:
    """Where a study is: a storage and a name, and the run folder as this machine sees it (None: as the study says)."""

    storage: str
    name: str
    folder: Path | None = None


@dataclass(frozen=True)
class Study:
    """An open study."""

    storage: BaseStorage
    id: int
    name: str
    plan: Plan
    folder: Path

    def trials(self, states: Sequence[TrialState] | None = None) -> list[FrozenTrial]:
        """The trials by number, not to be changed."""
        return self.storage.get_all_trials(self.id, deepcopy=False, states=states)

    def optuna(self, sampler: BaseSampler | None = None, pruner: BasePruner | None = None) -> optuna.Study:
        """The same study as Optuna's own object."""
        return optuna.load_study(study_name=self.name, storage=self.storage, sampler=sampler, pruner=pruner)

    def trial_folder(self, number: int) -> Path:
        """Where a trial's runs are."""
        return trial_folder(self.folder, number)

    def ends(self) -> tuple[SearchBudget, SearchStop | None]:
        """What the search may use in all, and what stops it before: all workers read it anew for every trial."""
        ends = self.storage.get_study_user_attrs(self.id)[ENDS]
        stop = SearchStop.model_validate(ends["stop"]) if ends["stop"] else None
        return SearchBudget.model_validate(ends["budget"]), stop

    def end_by(self, budget: SearchBudget, stop: SearchStop | None = None) -> None:
        """Say what the search may use in all, and what stops it before."""
        plain = {"budget": budget.model_dump(), "stop": stop.model_dump() if stop else None}
        self.storage.set_study_user_attr(self.id, ENDS, plain)

    def race(self) -> Study | None:
        """The study of the runs of the race at the end; None where it has not begun."""
        for one in self.storage.get_all_studies():
            if one.study_name == self.name + RACE_SUFFIX:
                return Study(self.storage, one._study_id, one.study_name, self.plan, self.folder / RACE)
        return None

    def size(self) -> RaceConfig | None:
        """Of the study of a race, how large the one that was begun last is; None where none was."""
        told = self.storage.get_study_user_attrs(self.id).get(SIZE)
        return RaceConfig.model_validate(told) if told else None

    @property
    def claims(self) -> Path:
        """The file whose lock is held while it is decided who trains what."""
        return self.folder / CLAIMS


def create_study(storage: BaseStorage, name: str, plan: Plan, folder: Path) -> Study:
    """A new study, or one whose making was interrupted; the plan and the folder are kept with it.

    Args:
        storage: where it is kept.
        name: of the study.
        plan: what is searched, as plain data.
        folder: of the run.
    """
    directions = [StudyDirection[direction.upper()] for direction, _ in plan.search.aims]
    begun = [one._study_id for one in storage.get_all_studies() if one.study_name == name]
    created = begun[0] if begun else storage.create_new_study(directions, name)
    storage.set_study_user_attr(created, "plan", plan.to_json())
    study = Study(storage, created, name, plan, folder)
    study.end_by(plan.search.whole, plan.search.stop)
    storage.set_study_user_attr(created, "folder", str(folder.resolve()))  # the last: workers find it from now on
    return study


def find_study(storage: BaseStorage, name: str, folder: Path | None = None) -> Study | None:
    """The study of that name; None where there is none, or one whose making was interrupted."""
    for one in storage.get_all_studies():
        if one.study_name == name and "folder" in one.user_attrs:
            own = folder or Path(one.user_attrs["folder"])
            return Study(storage, one._study_id, name, Plan.of(one.user_attrs["plan"]), own)
    return None


def open_study(reference: Reference) -> Study:
    """An existing study; `InputError` where there is none."""
    journal = Path(reference.storage)
    if "://" not in reference.storage and journal.parent.is_dir() and not journal.exists():
        raise InputError(f"storage {reference.storage}: there is no such file; growsearch search makes one")
    storage = open_storage(reference.storage)
    study = find_study(storage, reference.name, reference.folder or _around(reference))
    if study is None:
        known = [one.study_name for one in storage.get_all_studies()]
        allowed = f"allowed {', '.join(known)}" if known else "it has no studies; growsearch search makes one"
        raise InputError(f"storage {shown(reference.storage)}: there is no study {reference.name!r} ({allowed})")
    return study


def _around(reference: Reference) -> Path | None:
    """The run folder that holds a journal of its own: it may be a copy, and its study names the original."""
    path = Path(reference.storage)
    if path.name != JOURNAL or not (path.parent / SEARCH).is_file():
        return None
    kept = read_json(path.parent / SEARCH)
    return path.parent if (kept.get("study"), kept.get("storage")) == (reference.name, JOURNAL) else None


def require_same(study: Study, plan: Plan) -> None:
    """See that a file is the one that a study was made from; `InputError` names what differs."""
    before, now = study.plan.to_json(), plan.to_json()
    differing = [*differences(before["data"], now["data"]), *differences(before["search"], now["search"], "search.")]
    if differing:
        raise InputError(
            f"{study.folder}: the study {study.name!r} is of another space: {', '.join(differing[:6])} differ"
            f"{'' if len(differing) > 1 else 's'} (only search.budget and search.stop may change): choose another "
            f"folder with --out, or continue with the file as it was: growsearch resume {study.folder}"
        )


def differences(one: Any, other: Any, path: str = "") -> list[str]:
    """Paths at which two plain trees differ."""
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [*one, *(key for key in other if key not in one)]
        return [found for key in keys for found in differences(one.get(key), other.get(key), f"{path}{key}.")]
    return [] if one == other else [path.rstrip(".")]


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial is one of those that were asked for: not one that another goes on with."""
    return trial.state != TrialState.FAIL or "reason" in trial.user_attrs or LEASE not in trial.user_attrs


def configuration_of(study: Study, trial: FrozenTrial) -> RunConfig | None:
    """The configuration of a trial that has one, from what the study knows; None where it is not of this space."""
    try:
        return study.plan.config(trial.user_attrs.get("plain") or plain_of(study.plan.data, trial.params))
    except (LookupError, InputError):
        return None


def identity(config: RunConfig) -> str:
    """Equal for configurations whose training is the same: growth counts only where the network grows."""
    plain = {key: value for key, value in config.to_dict().items() if key in (*SECTIONS, "seeds")}
    if not config.growth.grows and config.growth.soft is None:
        plain.pop("growth", None)
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]
