"""What growing needs inside a loop that makes the optimizers, the checkpoints and their order itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from growsearch.errors import GrowsearchError, InputError
from growsearch.growth import Grower, GrowthEvent
from growsearch.integrations.batches import OwnBatches, example_of
from growsearch.registry import nearest
from growsearch.training.optimizers import parameter_order, restore_order
from growsearch.training.regrowing import fits, regrow

_GIVEN_BY_THE_LOOP = ("self", "model", "optimizer")
_OPTIONS = [name for name in inspect.signature(Grower.__init__).parameters if name not in _GIVEN_BY_THE_LOOP]


class Growth:
    """A `Grower` that is made once its optimizers exist, and its part of a checkpoint.

    `options` are those of `Grower`. Raises `InputError` for one that it does not have, and without `when`.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        for name in options:
            if name not in _OPTIONS:
                known = f"{', '.join(_OPTIONS)}{nearest(name, _OPTIONS)}"
                raise InputError(f"growth has no option {name!r}: it has {known}")
        if "when" not in options:
            raise InputError('growth needs when=, such as when={"interval": {"every": 100, "count": 8}}')
        self.options = dict(options)
        self.events: list[GrowthEvent] = []
        """All that happened since this object was made."""
        self._grower: Grower | None = None
        self._whole: nn.Module | None = None
        self._optimizers: list[Optimizer] = []
        self._saved: Mapping[str, Any] | None = None

    @property
    def grower(self) -> Grower:
        """The grower. Raises `GrowsearchError` before training has begun."""
        if self._grower is None:
            raise GrowsearchError("growing begins with the training: there is no grower yet")
        return self._grower

    @property
    def begun(self) -> bool:
        """Whether there is a grower."""
        return self._grower is not None

    def begin(
        self,
        whole: nn.Module,
        network: nn.Module,
        optimizers: Sequence[Optimizer],
        loader: Any,
        place: Callable[[Any], Any],
        companions: Sequence[nn.Module] = (),
        **defaults: Any,
    ) -> None:
        """Make the grower; it goes on where a checkpoint, or the training before, has left off.

        Args:
            whole: the module whose parameters the optimizers hold.
            network: the part of it that grows.
            optimizers: torch's own, without wrappers.
            loader: what the loop iterates over: `batches` are drawn from its data, where they are not given.
            place: brings a batch to the device.
            companions: beside those that were given.
            defaults: options that were not given.
        """
        given = {name: value for name, value in self.options.items() if value is not None}
        known = {**defaults, **given, "companions": [*given.get("companions", ()), *companions]}
        if "batches" not in known:
            known["batches"] = OwnBatches(loader, place)
        if known.get("example_inputs") is None:
            with torch.random.fork_rng(devices=[]):  # looking must not change what the loop draws
                known["example_inputs"] = example_of(known["batches"])
        going_on = self._saved if self._saved is not None else (self.state_dict() if self.begun else None)
        self._whole, self._optimizers, self._saved = whole, list(optimizers), None
        self._grower = Grower(network, self._optimizers, **known)
        if going_on is not None:
            self._grower.load_state_dict(going_on["grower"])

    def restore_orders(self, optimizers: Sequence[Optimizer], whole: nn.Module) -> None:
        """Before the states of new optimizers are loaded, put their parameters into the order of the checkpoint.

        Raises `InputError` where it has other optimizers.
        """
        if self._saved is None:
            return
        orders = self._saved["orders"]
        saved, found = [len(order) for order in orders], [len(each.param_groups) for each in optimizers]
        if saved != found:
            raise InputError(
                f"the checkpoint has optimizers of {saved} parameter groups, this training of {found}: resume with the "
                "same"
            )
        for optimizer, order in zip(optimizers, orders, strict=True):
            restore_order(optimizer, whole, order)

    def restore_loaded_orders(self, optimizers: Sequence[Optimizer], whole: nn.Module) -> None:
        """The same behind the loading, which gave every state to the parameter at its position."""
        positions = [_parameters(each) for each in optimizers]
        self.restore_orders(optimizers, whole)
        for optimizer, before in zip(optimizers, positions, strict=True):
            states = [optimizer.state.pop(parameter, None) for parameter in before]
            for parameter, state in zip(_parameters(optimizer), states, strict=True):
                if state is not None:
                    optimizer.state[parameter] = state

    def step(self) -> GrowthEvent | None:
        """Count one optimizer step, and grow if it is time."""
        event = self.grower.step()
        if event is not None:
            self.events.append(event)
        return event

    def report(self, metrics: Mapping[str, Any]) -> None:
        """Tell schedulers that watch a metric about those of these that are numbers."""
        if self.begun:
            self.grower.report(**{name: float(value) for name, value in metrics.items() if _is_number(value)})

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain data; empty before training has begun."""
        if self._grower is None or self._whole is None:
            return {}
        whole = self._whole
        return {
            "grower": self._grower.state_dict(),
            "orders": [parameter_order(each, whole) for each in self._optimizers],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next `begin`, or `go_on`, go on from such a state."""
        self._saved = state or None

    def go_on(self) -> None:
        """Bring the grower that there is to the loaded state, which the network has already."""
        if self._saved is not None:
            self.grower.load_state_dict(self._saved["grower"])
        self._saved = None


class Growing:
    """What every integration shows of its `Growth`."""

    _growth: Growth

    @property
    def grower(self) -> Grower:
        """The grower, once training has begun."""
        return self._growth.grower

    @property
    def events(self) -> Sequence[GrowthEvent]:
        """What has grown."""
        return self._growth.events


def regrow_all(modules: Iterable[nn.Module], state: Mapping[str, Any], weights: Mapping[str, Tensor]) -> None:
    """Bring modules of one architecture to the size of saved weights.

    Args:
        modules: the network and those that follow it.
        state: of a `Growth`, from the same checkpoint.
        weights: by name, of the network.

    Raises:
        InputError: they do not belong to this network.
    """
    for module in modules:
        if not fits(module, weights):
            try:
                regrow(module, state["grower"], weights)
            except GrowsearchError as error:
                raise InputError(f"the checkpoint does not belong to this network: {error}") from error


def require_one_process(processes: int, library: str) -> None:
    """Raise `InputError` where a foreign loop trains in several processes."""
    if processes > 1:
        raise InputError(
            f"growing inside {library} works in one process, this training has {processes}: use one device, or a loop "
            "of your own in which Grower gets the DistributedDataParallel"
        )


def _parameters(optimizer: Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) or (isinstance(value, Tensor) and value.numel() == 1)
