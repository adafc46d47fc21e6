"""Raise an error at every function that a growth event calls, for several initializers, and count what is half changed.

    python -m experiments.reliability.injected_faults

Every function is made to fail at its last call of the event by an interrupt that nobody catches, and every fifth one by
a RuntimeError too; of the first initializer, every call. Writes `injected_faults.json` beside this file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from growsearch.testing.faults import Fault, FaultTrials
from growsearch.testing.subjects import SUBJECTS
from growsearch.testing.training import GrowingRun

HOWS = ("zero", "split", "identity", "gradmax")


def faults(calls: Sequence[str], every: bool) -> list[tuple[int, type[BaseException]]]:
    """The calls that fail, and by what: every one, or the last one of every function."""
    last = sorted({name: call for call, name in enumerate(calls)}.values())
    interrupted = range(len(calls)) if every else last
    return [*((call, Fault) for call in interrupted), *((call, RuntimeError) for call in last[::5])]


def maker(how: str) -> Callable[[], GrowingRun]:
    """New runs of a small network that grows by one initializer."""
    return lambda: GrowingRun(SUBJECTS[0], how=how, budget={"units": 8})


def main() -> None:
    """Inject all faults and write the counts."""
    torch.set_num_threads(1)
    found: dict[str, dict[str, Any]] = {}
    for how in HOWS:
        trials = FaultTrials(maker(how))
        calls, chosen = trials.calls, faults(trials.calls, how == HOWS[0])
        left = {
            f"{error.__name__} at call {call}, {calls[call]}": trials.half_changed(call, error)
            for call, error in chosen
        }
        wrong = {fault: reason for fault, reason in left.items() if reason is not None}
        found[how] = {
            "functions": len(set(calls)),
            "calls": len(calls),
            "faults": len(chosen),
            "half_changed": len(wrong),
            "which": wrong,
        }
        total = {key: sum(each[key] for each in found.values()) for key in ("faults", "half_changed")}
        record = {"total": total, "initializers": found, "torch": torch.__version__}
        Path(__file__).with_suffix(".json").write_text(json.dumps(record, indent=2) + "\n")
        print(how, found[how], flush=True)


if __name__ == "__main__":
    main()
