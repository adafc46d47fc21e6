"""What works on this machine, and what to do about what does not."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path
from typing import Literal

from growsearch.errors import GrowsearchError
from growsearch.installing import command_for_extra

State = Literal["ok", "note", "problem"]
_PACKAGE = re.compile(r"^(?P<name>[\w.-]+).*;.*extra\s*==\s*['\"](?P<extra>[\w-]+)['\"]")
_LITTLE_DISK, _LITTLE_MEMORY = 1e9, 2e9


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what was found and, where something is to be done, what."""

    what: str
    state: State
    found: str
    advice: str = ""


def diagnose(storage: str | None = None) -> Iterator[Finding]:
    """Look at Python, torch, GPUs, memory, disk, plugins, extras, and a storage of searches where one is named."""
    yield Finding("growsearch", "ok", f"{version('growsearch')}, Python {platform.python_version()}, {sys.platform}")
    yield from _torch()
    yield _memory()
    yield from _disk(Path.cwd())
    yield from _plugins()
    yield from _extras()
    if storage is not None:
        yield _storage(storage)


def _torch() -> Iterator[Finding]:
    import torch

    built = f"built for CUDA {torch.version.cuda}" if torch.version.cuda else "built for CPUs only"
    yield Finding("torch", "ok", f"{torch.__version__}, {built}")
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            free, whole = torch.cuda.mem_get_info(index)
            name = torch.cuda.get_device_name(index)
            yield Finding(f"GPU {index}", "ok", f"{name}, {free / 1e9:.1f} of {whole / 1e9:.1f} GB free")
    elif torch.version.cuda:
        advice = "is its driver installed (nvidia-smi)? Without a GPU the CPU build of torch is several GB smaller"
        yield Finding("GPU", "note", "none that torch can use: runs compute on the CPU", advice)
    else:
        yield Finding("GPU", "note", "this torch uses none: runs compute on the CPU")


def _memory() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not a POSIX system
        return Finding("CPU", "ok", f"{cores} cores")
    state: State = "note" if whole < _LITTLE_MEMORY else "ok"
    advice = "run one worker at a time: --workers 1" if state == "note" else ""
    return Finding("CPU", state, f"{cores} cores, {whole / 1e9:.1f} GB of memory", advice)


def _disk(folder: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(folder).free
    state: State = "problem" if free < _LITTLE_DISK else "ok"
    yield Finding("disk", state, f"{free / 1e9:.1f} GB free at {folder}", "free some" if state == "problem" else "")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        found = f"{folder} cannot be written: {error.strerror or error}"
        yield Finding("run folders", "problem", found, "go to another folder, or name one with --out")


def _plugins() -> Iterator[Finding]:
    from growsearch.registry import GROUPS, lookup, names

    counts = []
    for group in GROUPS:
        failed = 0
        for name in names(group):
            try:
                lookup(group, name)
            except GrowsearchError as error:
                failed += 1
                advice = "repair or uninstall the package that registered it"
                yield Finding(f"{group} {name}", "problem", str(error), advice)
        counts.append(f"{len(names(group)) - failed} {group}")
    yield Finding("registered", "ok", ", ".join(counts))


def _extras() -> Iterator[Finding]:
    found: dict[str, list[str]] = {extra: [] for extra in metadata("growsearch").get_all("Provides-Extra") or []}
    for requirement in requires("growsearch") or []:
        if (named := _PACKAGE.match(requirement)) is not None:
            found[named["extra"]].append(named["name"])
    for extra, packages in found.items():
        missing = [package for package in packages if not _installed(package)]
        if missing:
            advice = command_for_extra(extra)
            yield Finding(f"extra {extra}", "note", f"{', '.join(missing)} not installed", advice)
        else:
            yield Finding(f"extra {extra}", "ok", ", ".join(packages))


def _installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def _storage(storage: str) -> Finding:
    from growsearch.search.storage import open_storage

    if "://" not in storage and not Path(storage).is_file():
        return Finding("storage", "problem", f"{storage}: there is no such journal", "growsearch search makes one")
    try:
        studies = len(open_storage(storage).get_all_studies())
    except Exception as error:  # of whatever database it is
        said = next(iter(str(error).splitlines()), "")
        advice = "is the server up, and the address right?"
        return Finding("storage", "problem", f"{type(error).__name__}: {said}", advice)
    return Finding("storage", "ok", f"{studies} studies")
