"""Whether a file's policies will run, found without training and without reading all of a large data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from growsearch.config import RunConfig
from growsearch.data import Outline, outline_data
from growsearch.errors import InputError
from growsearch.execution.forecast import forecast_warnings, forecasts
from growsearch.execution.memory import enough_to_set_up
from growsearch.execution.trial import try_growth
from growsearch.training.setup import set_up


@dataclass(frozen=True)
class Readiness:
    """What a check found: the `data` in words, `warnings` of growth that would mislead, what was `not_checked`."""

    data: tuple[str, ...]
    warnings: tuple[str, ...]
    not_checked: tuple[str, ...]


def check_ready(policies: Mapping[str, RunConfig]) -> Readiness:
    """Look at the data of every policy, set it up and grow it by one unit, and walk through its schedule.

    Raises `InputError`, naming the policy where there are several, for what would end a run before its first step.
    """
    outlines: dict[str, Outline] = {}
    warnings: list[str] = []
    for name, config in policies.items():
        key = repr(config.data)
        if key not in outlines:
            outlines[key] = outline_data(config.data, config.allow_import)
        try:
            with enough_to_set_up():
                try_growth(set_up(config, 0, "cpu", data=outlines[key].data))
        except InputError as error:
            raise type(error)(f"policy {name}: {error}" if len(policies) > 1 else str(error)) from error
    for key, outline in outlines.items():
        own = {name: config for name, config in policies.items() if repr(config.data) == key}
        warnings += forecast_warnings(forecasts(own, outline.data))
    return Readiness(
        tuple(map(str, outlines.values())),
        tuple(warnings),
        tuple(part for outline in outlines.values() for part in outline.unseen),
    )
