"""A whole search in a run folder: the study made or continued, trials run, results written."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from growsearch.config import SearchConfig, Space
from growsearch.errors import InputError
from growsearch.execution.cluster import Cluster
from growsearch.execution.executor import ground
from growsearch.runs.environment import write_environment
from growsearch.runs.files import write_atomically, write_json
from growsearch.runs.layout import CONFIG, JOURNAL, SEARCH
from growsearch.runs.lock import held
from growsearch.runs.reading import read_json, record_of
from growsearch.search.baselines import baselines
from growsearch.search.crews import Here, OnNodes
from growsearch.search.drawing import needs_of
from growsearch.search.imports import read_import
from growsearch.search.preflight import check_space
from growsearch.search.queue import Baselines, fill
from growsearch.search.results import write_results
from growsearch.search.samplers import rungs
from growsearch.search.snapshot import Snapshot, snapshot
from growsearch.search.space import SECTIONS, distributions
from growsearch.search.starts import starts
from growsearch.search.storage import open_storage, shown
from growsearch.search.study import Plan, Reference, Study, create_study, find_study, open_study, require_same
from growsearch.search.trial import Train, train_for_search

_REFRESH = 0.5  # seconds between two looks of the watcher

Watcher = Callable[[Snapshot], None]


def search(
    space: Space,
    folder: Path,
    device: str = "auto",
    workers: int | None = None,
    watch: Watcher | None = None,
    storage: str | None = None,
    name: str | None = None,
    slots: int | None = None,
    train: Train = train_for_search,
    cluster: Cluster | None = None,
    imports: Sequence[Path] = (),
    said: Callable[[str], None] = lambda sentence: None,
) -> dict[str, Any]:
    """Run a file's study in `folder` until it has as many trials as the file says; the content of `results.json`.

    A study that the folder holds is continued: finished trials are kept, interrupted ones go on from their
    checkpoints. On the CPU there are as many workers as cores unless `workers` says otherwise, on GPUs `slots` for
    each; one worker means this process. On a `cluster` they are on its nodes, one for each core, or `slots` for each
    GPU. `storage` is as `open_storage` takes it, by default a journal file in the
    folder, and `name` the study's name there, by default the file's. `watch` is given a snapshot of the study about
    twice a second. `train` trains one seed (for tests).

    Raises `InputError` where the file has nothing to search, cannot be trained at some end of its ranges, or is not the
    one that the folder's study was made from, and where the folder is in use; `GrowsearchError` where the workers
    cannot work. Scripts that call this with several workers need the `if __name__ == "__main__":` guard.

    Args:
        space: a checked file.
        folder: of the run.
        device: that trials compute on.
        workers: how many in all.
        watch: is given a snapshot of the study.
        storage: where the study is kept.
        name: of the study there.
        slots: workers for each GPU.
        train: trains one seed.
        cluster: on whose nodes the workers are; None for this machine.
        imports: folders of older searches, whose trials a new one takes over.
        said: is told in a sentence what was taken over, of each.
    """
    settings = settings_of(space)
    with ExitStack() as stack:
        connection, where = stack.enter_context(ground(cluster, device))
        folder = folder if connection is None else folder.resolve()  # nodes may work elsewhere
        crew = OnNodes(connection, where, workers, slots) if connection else Here(device, workers, slots, settings)
        older = [read_import(study_plan(space, settings), one) for one in imports]  # before anything is written
        study, reference = _open(space, settings, folder, storage, name, stack)
        if older and study.trials():
            raise InputError(
                f"--import: the search in {study.folder} has begun: older trials are taken over when a search is new: "
                "leave --import out to go on, or choose another folder with --out"
            )
        for one in older:
            said(one.sentence)
        named, first = baselines_of(space, settings), partial(starts_of, space, settings)
        fill(study, settings.whole, named, settings.stop, first, older)
        write_environment(folder, crew.environment(settings.seeds))
        tell = _throttled(study, watch)
        tell(True)
        try:
            crew.run(study, reference, train, tell)
        finally:
            results = write_results(study)
            tell(True)
        if crew.used:
            write_environment(folder, crew.environment(settings.seeds))
        return results


def settings_of(space: Space) -> SearchConfig:
    """The file's `search` section, with its defaults; `InputError` where the file has no ranges."""
    if not distributions(_sections(space)):  # a range may also stand under policies, which are not searched
        raise InputError(
            f"{space.path}: there is nothing to search: no value is a range; write one, such as "
            "{type: float, low: 1e-3, high: 1.0, log: true}, or train the file with: growsearch run"
        )
    settings = space.first().search or SearchConfig()
    if (reason := needs_of(settings, _sections(space))) is not None:
        raise InputError(f"{space.path}: search.sampler: {reason}")
    return settings


def study_plan(space: Space, settings: SearchConfig) -> Plan:
    """What a study of a file has to know."""
    return Plan(_sections(space), settings, rungs(settings), space.allow_import)


def check(space: Space, goes_on: Callable[[int, int], bool] = lambda done, ends: True) -> None:
    """See that a file can be searched, as `search` does; `goes_on(done, ends)` may end it early: see `check_space`."""
    settings = settings_of(space)
    starts_of(space, settings)
    named = baselines_of(space, settings).values()
    least, _ = check_space(_sections(space), settings, named, space.allow_import, goes_on)
    flops = settings.whole.flops
    if flops is not None and least * settings.seeds > flops:
        raise InputError(
            f"{space.path}: search.budget.flops: the cheapest trial costs about {least * settings.seeds:.2g} training "
            f"FLOPs (found {flops:.2g}): give more, or make trials cheaper: fewer training.epochs, a smaller network"
        )


def _sections(space: Space) -> dict[str, Any]:
    """What the file says about a trial, as plain data that JSON keeps as it is."""
    plain: dict[str, Any] = json.loads(json.dumps({key: space.data[key] for key in SECTIONS if key in space.data}))
    return {key: value for key, value in plain.items() if value is not None}


def is_search(folder: Path) -> bool:
    """Whether a folder holds a search."""
    return (folder / SEARCH).is_file()


def open_folder(folder: Path) -> Study:
    """The study of a run folder; `InputError` where it holds none."""
    if not is_search(folder):
        raise InputError(f"{folder} holds no search: name the folder of one (--out)")
    kept = _kept(folder)
    return open_study(Reference(kept.where(folder), kept.study, folder))


@dataclass(frozen=True)
class KeptStudy:
    """The content of `search.json`: which study a folder belongs to, and where that is kept."""

    study: str
    storage: str

    def where(self, folder: Path) -> str:
        """Return the storage; a journal of the folder's own moves with the folder."""
        return str(folder / JOURNAL) if self.storage == JOURNAL else self.storage


def _kept(folder: Path) -> KeptStudy:
    path = folder / SEARCH
    return record_of(KeptStudy, read_json(path), str(path))


def _open(
    space: Space, settings: SearchConfig, folder: Path, storage: str | None, name: str | None, stack: ExitStack
) -> tuple[Study, Reference]:
    """The study of a folder, continued or new; a new one is checked before anything is written.

    From before the first file is written `stack` holds the folder.
    """
    kept = _kept(folder) if is_search(folder) else None
    if kept is None and (folder / CONFIG).exists():
        raise InputError(f"{folder} holds the runs of another command: choose another folder with --out")
    if kept is not None and name not in (None, kept.study):
        raise InputError(
            f"{folder} holds the study {kept.study!r}: go on with it without --study, or choose another folder for "
            f"{name!r} with --out"
        )
    name = name or (kept.study if kept else space.path.stem)
    url = storage or (kept.where(folder) if kept else str(folder / JOURNAL))
    study = find_study(open_storage(url), name) if kept or storage or Path(url).exists() else None
    if study is not None:
        own = url == str(folder / JOURNAL)
        if not own and study.folder.exists() and not _same_folder(study.folder, folder):
            raise InputError(
                f"storage {shown(url)} has a study {name!r} already, whose run folder is {study.folder}: go on with it "
                "there (--out), or give this one another name (--study)"
            )
        study = replace(study, folder=folder)
        require_same(study, study_plan(space, settings))
    if study is None:
        check(space)
    stack.enter_context(held(folder))
    study = study or create_study(open_storage(url), name, study_plan(space, settings), folder)
    own = url == str(folder / JOURNAL)
    write_json(folder / SEARCH, asdict(KeptStudy(name, JOURNAL if own else shown(url))))
    text = yaml.safe_dump({**space.data, "search": _plain(settings)}, sort_keys=False)
    write_atomically(folder / CONFIG, lambda file: file.write(text.encode()))
    return study, Reference(url, name, folder)


def _plain(settings: SearchConfig) -> dict[str, Any]:
    """The section as it is kept: its budget written out."""
    plain = settings.model_dump(mode="json", exclude={"trials"}, exclude_none=True)
    return {**plain, "budget": settings.whole.model_dump(exclude_none=True)}


def _same_folder(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve() or (one.exists() and other.exists() and one.samefile(other))


def starts_of(space: Space, settings: SearchConfig) -> dict[str, dict[str, Any]]:
    """What the file's search tries first, by name; `InputError` where an entry cannot be had."""

    def where(number: int) -> str:
        return f"{space.overridden.where(('search', 'start', number))}: search.start.{number}"

    return starts(_sections(space), settings.start, space.allow_import, where)


def baselines_of(space: Space, settings: SearchConfig) -> Baselines:
    """The plain files that a search begins with; none where the file leaves them out."""
    return baselines(_sections(space), space.allow_import) if settings.baselines else {}


def _throttled(study: Study, watch: Watcher | None) -> Callable[..., None]:
    """Give the watcher a snapshot, but not more often than it can be looked at."""
    last = 0.0

    def tell(always: bool = False) -> None:
        nonlocal last
        now = time.monotonic()
        if watch is not None and (always or now - last >= _REFRESH):
            last = now
            watch(snapshot(study))

    return tell
