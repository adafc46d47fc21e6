"""A checked configuration: what training and comparison are given."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import Field

from growsearch.config.check import check_sections, grown_width
from growsearch.config.merge import merge
from growsearch.config.models import (
    ControlKind,
    EnvelopeControl,
    GrowthConfig,
    Section,
    TrainingConfig,
    TuneConfig,
)
from growsearch.config.problems import Problem
from growsearch.config.search_config import SearchConfig
from growsearch.errors import ConfigError


class RunConfig(Section):
    """A file without ranges, checked, with every default filled in.

    `data`, `network` and `task` (None: the data's own) are `{"name": ..., parameter: value}` (or `{"layers": [...]}`),
    `policies` the overrides as the file gives them, `reference` the policy that the others are tested against,
    `controls` what is trained beside the policies that grow, `tune` the learning rates that all are tried with. `path`
    is the file that it came from; `allow_import` whether a network may be made by any importable callable. Both are not
    part of the configuration itself.
    """

    data: dict[str, Any]
    network: dict[str, Any]
    training: TrainingConfig
    growth: GrowthConfig = GrowthConfig()
    task: dict[str, Any] | None = None
    search: SearchConfig | None = None
    policies: dict[str, dict[str, Any]] = {}
    seeds: int = Field(1, ge=1)
    reference: str | None = None
    controls: tuple[ControlKind | EnvelopeControl, ...] = ()
    tune: TuneConfig | None = None
    path: Path | None = Field(None, exclude=True)
    allow_import: bool = Field(False, exclude=True)

    @property
    def name(self) -> str:
        """What the file is called, without folder and suffix."""
        return self.path.stem if self.path else "run"

    def policy_configs(self) -> dict[str, RunConfig]:
        """One configuration without policies for every policy; the file itself as `run` where it has none."""
        base = self.to_dict()
        for key in ("reference", "controls", "tune"):
            base.pop(key, None)
        policies = base.pop("policies", None) or {"run": {}}
        return {
            name: normalized(merge(base, overrides), self.allow_import).model_copy(update={"path": self.path})
            for name, overrides in policies.items()
        }

    def only(self, policy: str) -> RunConfig:
        """The same without the other policies, and without what is said of all of them together."""
        alone = {"policies": {policy: self.policies[policy]}, "reference": None, "controls": (), "tune": None}
        return self.model_copy(update=alone)

    @property
    def control_kinds(self) -> tuple[ControlKind, ...]:
        """The kinds of controls, without their options."""
        return tuple("envelope" if isinstance(one, EnvelopeControl) else one for one in self.controls)

    @property
    def envelope_sizes(self) -> tuple[float, ...]:
        """The sizes that the control `envelope` names."""
        return next((one.envelope.sizes for one in self.controls if isinstance(one, EnvelopeControl)), ())

    def grown_width(self) -> float | None:
        """The budget's width as a multiple of the seed network's widths; None where the budget is no width."""
        return grown_width(self.growth, self.network)

    def to_dict(self) -> dict[str, Any]:
        """Plain data that, written as YAML and loaded, gives this configuration again."""
        plain = self.model_dump(mode="json", exclude_none=True, exclude={"policies"})
        schedule = self.training.schedule
        plain["training"]["schedule"] = schedule.model_dump(mode="json", exclude_unset=True) | {"name": schedule.name}
        if self.policies:
            plain["policies"] = self.policies
        if not self.controls:
            del plain["controls"]
        return plain


def check(data: Mapping[str, Any], allow_import: bool = False) -> tuple[RunConfig | None, list[Problem]]:
    """The configuration that plain data gives, or all that is wrong with it; see `check_sections`."""
    sections, problems = check_sections(data, allow_import)
    return (None, problems) if problems else (RunConfig(**sections), [])


def normalized(data: Mapping[str, Any], allow_import: bool = False) -> RunConfig:
    """The configuration that plain data gives; `ConfigError` lists all problems, by path."""
    config, problems = check(data, allow_import)
    if config is None:
        raise ConfigError("\n".join(f"{'.'.join(map(str, one.path))}: {one.message}" for one in problems))
    return config
