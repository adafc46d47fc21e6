"""Running a copy of a model with sites one unit wider: what the operations alone do not tell shows there."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from torch import nn

from growsearch.errors import GrowsearchError, TraceWarning
from growsearch.graph.copying import meta_model
from growsearch.graph.network import NetworkGraph
from growsearch.graph.running import is_small
from growsearch.graph.site import Site

if TYPE_CHECKING:
    from growsearch.surgery import Edit

Traced = Callable[[nn.Module, Any, bool], tuple[NetworkGraph, dict[str, str]]]


class Trials:
    """Trials of one model, on copies (on the meta device unless they are small, or need values to run).

    `graph` is what is known of it so far.
    """

    def __init__(self, model: nn.Module, example_inputs: Any, graph: NetworkGraph, traced: Traced) -> None:
        self.model, self.graph = model, graph
        self._inputs, self._traced = example_inputs, traced
        self._real = is_small(model)
        self._meta_runs: bool | None = None
        self._unused: nn.Module | None = None

    def can_copy(self) -> bool:
        """Whether trials are possible; a module may hold what cannot be copied."""
        try:
            self._unused = self._copy()
        except Exception:  # whatever a module's own __deepcopy__ raises
            return False
        return True

    def failure(self, sites: Sequence[Site]) -> str | None:
        """Why the model does not run with one unit more at each of `sites`, or becomes another one; None where it does.

        The sites may have other attributes than in the graph.
        """
        return self.failure_of(wider_edits(sites), lambda after: self.difference(after, sites))

    def failure_of(self, edits: Sequence[Edit], wrong: Callable[[NetworkGraph], str | None]) -> str | None:
        """Why the model does not run after `edits`, or what is `wrong` with its graph then; None where nothing is."""
        found = self._failure(edits, wrong)
        if found is None or self._real or self._runs_on_meta():
            return found
        self._real, self._unused = True, None
        return self._failure(edits, wrong)

    def _failure(self, edits: Sequence[Edit], wrong: Callable[[NetworkGraph], str | None]) -> str | None:
        from growsearch.surgery import apply_edits

        changed = self._copy()
        try:
            apply_edits(changed, edits)
            after = self._trace(changed)
        except GrowsearchError as error:
            return str(error)
        return wrong(after)

    def difference(self, after: NetworkGraph, sites: Sequence[Site]) -> str | None:
        """What is not as with one unit more at each of `sites`, and all others as they were; None where nothing is."""
        wider = {site.name for site in sites}
        for name, site in self.graph.sites.items():
            if site.kind == "frozen" and name not in wider:
                continue
            other = after.sites.get(name)
            if other is None or other.kind == "frozen":
                return f"site {name!r} is {'gone' if other is None else f'frozen: {other.reason}'} then"
            expected = site.units + (name in wider)
            if (other.units, other.granularity) != (expected, site.granularity):
                return f"site {name!r} has {other.units} units of {other.granularity} then, not {expected}"
        return None

    def _copy(self) -> nn.Module:
        """A copy that nobody else holds."""
        duplicate, self._unused = self._unused, None
        if duplicate is None:
            duplicate = (copy.deepcopy if self._real else meta_model)(self.model)
        return duplicate

    def _trace(self, model: nn.Module) -> NetworkGraph:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TraceWarning)  # the user was warned of the model itself
            return self._traced(model, self._inputs, True)[0]

    def _runs_on_meta(self) -> bool:
        if self._meta_runs is None:
            try:
                self._trace(self._copy())
                self._meta_runs = True
            except GrowsearchError:
                self._meta_runs = False
        return self._meta_runs


def wider_edits(sites: Sequence[Site]) -> list[Edit]:
    """One unit more at each of `sites`."""
    from growsearch.surgery import site_edits  # the surgery is built on this package

    return [edit for site in sites for edit in site_edits(site, (*range(site.units), -1))]
