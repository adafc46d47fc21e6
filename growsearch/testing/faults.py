"""Raise an error at a call inside growsearch, to see what it leaves behind."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from inspect import CO_GENERATOR
from pathlib import Path
from types import FrameType
from typing import Any

import growsearch
from growsearch.graph import trace
from growsearch.testing.training import GrowingRun, same

_PACKAGES = (str(Path(growsearch.__file__).parent), "growsearch_strategies")


class Fault(BaseException):
    """What nobody catches, like an interrupt."""


def calls_in(action: Callable[[], object]) -> list[str]:
    """Names of all functions of growsearch and its strategies that `action` calls, in order, with repetitions."""
    found: list[str] = []
    with _watched(lambda frame: found.append(_name(frame))):
        action()
    return found


@contextmanager
def fault_at(call: int, error: type[BaseException] = Fault) -> Iterator[list[str]]:
    """Inside, the call of this number, counted as in `calls_in`, raises `error` in place of running, once.

    The list that is given has the function's name as soon as it has.
    """
    raised: list[str] = []
    left = call

    def count(frame: FrameType) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raised.append(_name(frame))
            raise error(f"injected at {_name(frame)}")  # which ends the watching, too

    with _watched(count):
        yield raised


@contextmanager
def _watched(see: Callable[[FrameType], None]) -> Iterator[None]:
    def profile(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and _is_ours(frame):
            see(frame)

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        yield
    finally:
        sys.setprofile(before)


def _is_ours(frame: FrameType) -> bool:
    """Whether a function of ours begins; a generator that goes on does not."""
    code = frame.f_code
    own = code.co_filename != __file__ and any(package in code.co_filename for package in _PACKAGES)
    start = 2 * (len(code.co_cellvars) + 2)  # before the first instruction of its own, its cells are made
    return own and code.co_name != "<module>" and (not code.co_flags & CO_GENERATOR or frame.f_lasti <= start)


def _name(frame: FrameType) -> str:
    return f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_qualname}"


class FaultTrials:
    """The first event of a run, with an error raised at one of its calls; `make` gives new runs.

    `calls` are the names of the functions that the event calls.
    """

    def __init__(self, make: Callable[[], GrowingRun]) -> None:
        self._make = make
        self._begun().grower.step()  # what is remembered for good is not called again
        self.calls = calls_in(self._begun().grower.step)
        run = self._begun()
        self._before = deepcopy(run.state())
        run.grower.step()
        self._grown = deepcopy(run.state())
        run.train(2)
        self._ended = deepcopy(run.state())

    def half_changed(self, call: int, error: type[BaseException] = Fault) -> str | None:
        """What the event leaves half changed where this call raises, in words; None: nothing.

        A `Fault` leaves network, optimizer and grower as they were, or grown as they would have been, bit for bit, and
        the run ends like one without it. An error that growing handles may refuse the event: network, optimizer and
        grower fit each other then, and growing goes on.
        """
        run = self._begun()
        with suppress(error), fault_at(call, error) as raised:
            run.grower.step()
        if raised != [self.calls[call]]:
            return f"the fault came at {raised}"
        if error is Fault:
            if not run.grower.progress.events:
                counted = self._before["grower"]["progress"]
                run.grower.progress.step, run.grower.progress.flops = counted["step"], counted["flops"]
                if not same(self._before, run.state()):
                    return "an event that did not happen left something changed"
                run.grower.step()
            if not same(self._grown, run.state()):
                return "the event is another one than without the fault"
        if reason := _unfit(run):
            return reason
        run.train(2)
        if error is Fault and not same(self._ended, run.state()):
            return "training went on otherwise than without the fault"
        return _unfit(run) or (None if run.grower.progress.events else "it never grew again")

    def _begun(self) -> GrowingRun:
        run = self._make()
        run.train(1)
        run.advance()
        return run


def _unfit(run: GrowingRun) -> str | None:
    """Where network, optimizer and grower do not fit each other."""
    parameters = list(run.model.parameters())
    held = [p for group in run.optimizer.param_groups for p in group["params"]]
    if {id(p) for p in held} != {id(p) for p in parameters}:
        return "the optimizer holds other parameters than the network"
    shapes = {id(p): p.shape for p in parameters}
    for parameter, state in run.optimizer.state.items():
        buffer = state.get("momentum_buffer")
        if buffer is not None and buffer.shape != shapes.get(id(parameter)):
            return "the optimizer's state has other shapes than the network"
    now = trace(run.model, run.subject.batch()[0])
    widths = {name: site.width for name, site in now.sites.items()}
    known = {name: site.width for name, site in run.grower.graph.sites.items()}
    common = known.keys() & widths.keys()  # where a rule of the graph raises, one of the two has frozen sites besides
    agree = common and all(known[name] == widths[name] for name in common)
    return None if agree else f"the grower knows {known}, the network has {widths}"
