"""A growth is a transaction to its end: an error at any call of an event leaves nothing half changed.

`experiments/reliability` does the same for every function of the events of several initializers.
"""

from __future__ import annotations

from functools import cache

import pytest

from growsearch.testing.faults import Fault, FaultTrials
from growsearch.testing.subjects import SUBJECTS
from growsearch.testing.training import GrowingRun


@cache
def trials() -> FaultTrials:
    return FaultTrials(lambda: GrowingRun(SUBJECTS[0], how="zero", budget={"units": 8}))


def last_calls() -> list[int]:
    """The last call of each function that changes something, or follows a change, from the first edit on."""
    calls = trials().calls
    edited = calls.index("transaction.Transaction.apply")
    modules = ("dropout", "transaction", "journal", "step", "grower", "births", "unit_ages")
    last = {name: call for call, name in enumerate(calls) if call > edited and name.startswith(modules)}
    return sorted(last.values())


@pytest.mark.parametrize("part", range(6))
def test_an_interrupt_at_any_call_behind_the_first_edit_leaves_nothing_half_changed(part: int) -> None:
    wrong = {trials().calls[call]: trials().half_changed(call) for call in last_calls()[part::6]}

    assert len(wrong) > 5
    assert {name: reason for name, reason in wrong.items() if reason is not None} == {}


def test_an_error_that_is_handled_leaves_nothing_half_changed() -> None:
    wrong = {trials().calls[call]: trials().half_changed(call, RuntimeError) for call in last_calls()[::8]}

    assert {name: reason for name, reason in wrong.items() if reason is not None} == {}


def test_a_fault_that_is_not_taken_back_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = trials()  # made by the true code
    call = max(call for call, name in enumerate(fresh.calls) if name == "unit_ages.UnitAges.update")
    monkeypatch.setattr("growsearch.surgery.journal.Journal.undo", lambda self: None)

    assert fresh.half_changed(call, Fault) == "the event is another one than without the fault"
