"""A control of a growing policy's run: it begins when that run has finished."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from growsearch.comparison.arm_job import ArmJob, chosen_factor
from growsearch.comparison.controls import RETRAINED, Control
from growsearch.config import RunConfig
from growsearch.config.models import GrowthConfig
from growsearch.execution.job import Job
from growsearch.execution.trial import estimated_flops
from growsearch.training import Architecture, require_retrainable
from growsearch.training.setup import set_up
from growsearch.training.several_devices import require_shared


@dataclass(frozen=True, kw_only=True)
class ControlJob(ArmJob):
    """A control's run; `config` is without growth.

    `origins` are the run of the growing policy with the same seed; for a pilot run all pilot runs of that policy, of
    which the one at the chosen learning rate and with the same seed counts.
    """

    control: Control
    origins: tuple[ArmJob, ...]

    @property
    def retrains(self) -> bool:
        """Whether it trains the architecture that the origin ended with."""
        return self.control.retrains

    @property
    def after(self) -> tuple[Job, ...]:
        """See `Job.after`."""
        return (*self.origins, *self.pilots)

    def preflight(self) -> float:
        """It costs as much as its origin; a network that is trained anew has to be one that can be initialised anew."""
        setup = set_up(self.origins[0].config, self.seed, "cpu")
        self.require_validation(setup)
        require_shared(setup, self.devices)
        if self.retrains:
            require_retrainable(self.config, setup.data.input_shape, setup.data.outputs)
        if self.control.size:
            set_up(self.config, self.seed, "cpu", data=setup.data)
        return estimated_flops(setup)

    def resolved(self) -> RunConfig | None:
        """See `ArmJob.resolved`; at equal compute with the FLOPs that the origin has used."""
        config, origin = super().resolved(), self._origin()
        result = origin.finished() if origin is not None else None
        if config is None or result is None:
            return None
        if self.control.kind == RETRAINED:
            return config
        length = {"epochs": None, "steps": None, "flops": float(result.training_flops)}
        return config.model_copy(update={"training": config.training.model_copy(update=length)})

    def architecture(self) -> Architecture | None:
        """See `ArmJob.architecture`; that of the origin where the control retrains it."""
        origin = self._origin() if self.retrains else None
        return None if origin is None else Architecture.of(origin.folder)

    def _origin(self) -> ArmJob | None:
        """The run that it is the control of; None while that is not known."""
        if not self.pilot:
            return self.origins[0]
        factor = chosen_factor(self.origins)
        return next((one for one in self.origins if one.factor == factor and one.seed == self.seed), None)


def control_config(control: Control, configs: Mapping[str, RunConfig]) -> RunConfig:
    """Return what a control trains, but for how long; `configs` are the policies'."""
    config = configs[control.network]
    network = {**config.network, **control.size}
    return config.model_copy(update={"network": network, "growth": GrowthConfig()})
