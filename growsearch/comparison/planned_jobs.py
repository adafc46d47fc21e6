"""All runs of a comparison: every policy and control with every seed, and the pilot runs that tune them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from growsearch.comparison.arm_job import ArmJob
from growsearch.comparison.control_job import ControlJob, control_config
from growsearch.comparison.controls import Control, planned_controls
from growsearch.config import RunConfig
from growsearch.config.models import TuneConfig
from growsearch.runs.layout import pilot_folder, run_of


@dataclass(frozen=True)
class _Place:
    """Where runs are, and on what."""

    folder: Path
    device: str
    loggers: tuple[str, ...]
    devices: int


def planned_jobs(
    config: RunConfig, folder: Path, device: str, loggers: Sequence[str], devices: int = 1
) -> list[ArmJob]:
    """Return all runs, those first that others wait for; raises `InputError` where a control cannot be had.

    Args:
        config: with policies and seeds.
        folder: of the comparison.
        device: "cpu" or "cuda".
        loggers: names; pilot runs are not logged.
        devices: that train each run together.
    """
    policies, place = config.policy_configs(), _Place(folder, device, tuple(loggers), devices)
    arms = {name: _policy_jobs(name, one, config, place) for name, one in policies.items()}
    controls = planned_controls(policies, config.control_kinds, config.envelope_sizes)
    for control in controls:
        arms[control.name] = _control_jobs(control, control_config(control, policies), arms[control.of], config, place)
    pilots = [pilot for jobs in arms.values() for pilot in jobs[0].pilots]
    return [*pilots, *(job for jobs in arms.values() for job in jobs)]


def _policy_jobs(name: str, own: RunConfig, config: RunConfig, place: _Place) -> list[ArmJob]:
    pilots = tuple(
        ArmJob(
            _pilot_name(name, factor),
            seed,
            own,
            pilot_folder(place.folder, name, factor, seed),
            place.device,
            devices=place.devices,
            of_arm=name,
            factor=factor,
            pilot=True,
        )
        for factor, seed in _grid(config.tune)
    )
    return [
        ArmJob(
            name,
            seed,
            own,
            run_of(place.folder, name, seed),
            place.device,
            devices=place.devices,
            loggers=place.loggers,
            of_arm=name,
            pilots=pilots,
            shared=place.folder,
        )
        for seed in range(config.seeds)
    ]


def _control_jobs(
    control: Control, own: RunConfig, origins: Sequence[ArmJob], config: RunConfig, place: _Place
) -> list[ArmJob]:
    """A job for every seed of the control's policy, whose jobs are `origins`."""
    pilots = tuple(
        ControlJob(
            _pilot_name(control.name, factor),
            seed,
            own,
            pilot_folder(place.folder, control.name, factor, seed),
            place.device,
            devices=place.devices,
            of_arm=control.name,
            factor=factor,
            pilot=True,
            control=control,
            origins=origins[0].pilots,
        )
        for factor, seed in _grid(config.tune)
    )
    return [
        ControlJob(
            control.name,
            origin.seed,
            own,
            run_of(place.folder, control.name, origin.seed),
            place.device,
            devices=place.devices,
            loggers=place.loggers,
            of_arm=control.name,
            pilots=pilots,
            control=control,
            origins=(origin,),
        )
        for origin in origins
    ]


def _grid(tune: TuneConfig | None) -> list[tuple[float, int]]:
    return [(factor, seed) for factor in tune.learning_rates for seed in tune.pilot_seeds] if tune else []


def _pilot_name(arm: str, factor: float) -> str:
    return f"{arm}, lr x {factor:g}"
