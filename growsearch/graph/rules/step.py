"""What a rule sees of one call, and what it can do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from growsearch.graph.call import Call, Ref
from growsearch.graph.kinds import peculiarity, shape_of
from growsearch.graph.recorder import Record
from growsearch.graph.site import Role
from growsearch.graph.spaces import Space, Unsupported, freeze, mark_counted, mark_mixing, space, unify
from growsearch.graph.splits import Split

Axes = tuple[Space, ...]


@dataclass
class AxisSlot:
    """One axis of a parameter or buffer. The same tensor met twice (tying, reuse) is the same slot."""

    tensor: str
    axis: int
    space: Space
    role: Role = "free"
    tied: bool = False

    def assign(self, role: Role) -> None:
        """Give the axis a role; as an input it stays one, because that is what keeps new units silent."""
        self.tied = self.tied or (self.role not in ("free", role) and "in" in (self.role, role))
        if self.role == "free" or role == "in":
            self.role = role


@dataclass(frozen=True)
class Value:
    """A tensor in the analysis: the space of every axis, and its slot where the tensor is a view of a parameter."""

    shape: tuple[int, ...]
    axes: Axes
    slots: tuple[AxisSlot | None, ...] = ()

    def __post_init__(self) -> None:
        if not self.slots:
            object.__setattr__(self, "slots", (None,) * len(self.axes))

    @property
    def rank(self) -> int:
        return len(self.shape)

    def label(self) -> str:
        """Name of the parameter that this is a view of, without ".weight"; empty where it is none."""
        names = [slot.tensor for slot in self.slots if slot is not None]
        return names[0].removesuffix(".weight") if names else ""


@dataclass(frozen=True)
class Use:
    """A call that produces or consumes a space through a weight; `label` names a site after its producer."""

    call: str
    label: str
    space: Space


@dataclass(frozen=True)
class Tie:
    """What an axis of a parameter or buffer is to the call that uses it."""

    tensor: str
    axis: int
    role: Role


@dataclass(frozen=True)
class Cost:
    """FLOPs of a call: `factor` times the product of the sizes of some spaces."""

    call: str
    factor: int
    spaces: tuple[Space, ...]


class Step:
    """One call, with the values of its arguments."""

    def __init__(
        self,
        record: Record,
        values: dict[str, list[Value]],
        tensors: dict[str, Value],
        slots: dict[tuple[str, int], AxisSlot],
        names: dict[int, str],
    ) -> None:
        self.call: Call = record.call
        self.module: nn.Module | None = record.module
        self.shapes = record.shapes
        self.peculiar = record.peculiar
        self.producers: list[Use] = []
        self.consumers: list[Use] = []
        self.costs: list[Cost] = []
        self.ties: list[Tie] = []
        self.splits: list[Split] = []
        self._values = values
        self._tensors = tensors
        self._slots = slots
        self._names = names
        self.inputs: list[Value] = [values[name][0] for _, name in self.call.references() if values[name]]

    @property
    def location(self) -> str:
        """Where it happened, for messages."""
        path = self.call.target if self.module is not None else self.call.scope
        return repr(path) if path else "the model"

    # Arguments

    def argument(self, position: int, name: str, default: Any = None) -> Any:
        """An argument of a function by position or name."""
        if position < len(self.call.args):
            return self.call.args[position]
        return self.call.kwargs.get(name, default)

    def value(self, argument: Any) -> Value | None:
        """The value of an argument, None where it is no tensor."""
        return self._values[argument.call][0] if isinstance(argument, Ref) else None

    def tensor_argument(self, position: int, name: str) -> Value:
        """The value of an argument that must be a tensor."""
        value = self.value(self.argument(position, name))
        if value is None:
            raise Unsupported(f"no tensor as argument {name!r}")
        return value

    @property
    def input(self) -> Value:
        """The first tensor that enters the call."""
        if not self.inputs:
            raise Unsupported("no input tensor")
        return self.inputs[0]

    def parameter(self, attribute: str) -> Value | None:
        """A parameter or buffer of the called module (or, with a dot, of a child), None where it has none."""
        owner, _, name = attribute.rpartition(".")
        tensor = getattr(nn.Module.get_submodule(self.module, owner), name, None) if self.module is not None else None
        if not isinstance(tensor, Tensor):
            return None
        shape = shape_of(tensor)
        known = self._names.get(id(tensor))
        if known is None:
            path = f"{self.call.target}.{attribute}".lstrip(".")
            reason = f"{path} is parametrised (weight norm, spectral norm, a pruning mask or the like)"
            return Value(shape, tuple(space(size, reason) for size in shape))
        value = self.tensor(known, shape)
        peculiar = peculiarity(tensor)
        if peculiar:
            self.freeze_all([value], f"{known} is {peculiar}")
        return value

    def parameters(self) -> list[Value]:
        """All parameters and buffers of the called module and its children."""
        if self.module is None:
            return []
        named = (*self.module.named_parameters(), *self.module.named_buffers())
        return [value for name, _ in named if (value := self.parameter(name)) is not None]

    def tensor(self, name: str, shape: tuple[int, ...]) -> Value:
        """The value of a parameter or buffer by its first name."""
        if name not in self._tensors:
            reason = f"{name} is parametrised" if ".parametrizations." in f".{name}" else ""
            slots = tuple(AxisSlot(name, axis, space(size, reason)) for axis, size in enumerate(shape))
            self._slots.update({(name, slot.axis): slot for slot in slots})
            self._tensors[name] = Value(shape, tuple(slot.space for slot in slots), slots)
        return self._tensors[name]

    # Results

    def output(self, axes: Sequence[Space], slots: Sequence[AxisSlot | None] = ()) -> list[Value]:
        """The one output of the call."""
        return [Value(self.shapes[0], tuple(axes), tuple(slots))]

    def fixed(self, shape: Iterable[int], reason: str) -> Axes:
        """Axes that cannot change."""
        return tuple(space(size, reason) for size in shape)

    # Facts about spaces

    def freeze(self, pieces: Space, reason: str) -> None:
        """Freeze a space because of what this call does with it."""
        freeze(pieces, f"{reason} by {self.call.target} at {self.location}", self.call.name)

    def freeze_inputs(self, reason: str, *, stops: bool = True) -> None:
        """Freeze every axis of every tensor that enters."""
        self.freeze_all(self.inputs, reason, stops=stops)

    def freeze_all(self, values: Iterable[Value], reason: str, *, stops: bool = True) -> None:
        """Freeze every axis of some tensors."""
        for value in values:
            for axis in value.axes:
                freeze(axis, reason, self.call.name if stops else "")

    def count(self, pieces: Space, reason: str) -> None:
        """Note that the call counts the units of a space."""
        mark_counted(pieces, f"{reason} by {self.call.target} at {self.location}")

    def mix(self, pieces: Space) -> None:
        """Note that the call normalises over a space."""
        what = type(self.module).__name__ if self.module is not None else self.call.target
        mark_mixing(pieces, f"{what} at {self.location} normalises over it")

    def produce(self, value: Value, axis: int, pieces: Space) -> None:
        """Axis `axis` of a weight makes the space `pieces`."""
        self._role(value, axis, "out")
        label = self.call.target if self.module is not None else value.label() or self.call.scope or self.call.name
        self.producers.append(Use(self.call.name, label, pieces))

    def consume(self, value: Value, axis: int, pieces: Space) -> None:
        """Axis `axis` of a weight takes in the space `pieces`."""
        unify(pieces, value.axes[axis])
        self._role(value, axis, "in")
        self.consumers.append(Use(self.call.name, "", pieces))

    def follow(self, value: Value | None, axis: int, pieces: Space, role: Role) -> None:
        """Axis `axis` of a bias, scale or the like goes along with `pieces`; None is ignored.

        Args:
            value: a parameter or buffer; None: nothing happens.
            axis: of it.
            pieces: the space that the axis is part of.
            role: what the axis is to that space.
        """
        if value is None:
            return
        unify(pieces, value.axes[axis])
        slot = value.slots[axis]
        if slot is not None:
            slot.assign(role)
            self.ties.append(Tie(slot.tensor, slot.axis, role))

    def cost(self, factor: int, *spaces: Space) -> None:
        """The call takes `factor` FLOPs times the product of the sizes of `spaces`."""
        self.costs.append(Cost(self.call.name, factor, spaces))

    def _role(self, value: Value, axis: int, role: Role) -> None:
        slot = value.slots[axis]
        if slot is not None:
            slot.assign(role)
            self.ties.append(Tie(slot.tensor, slot.axis, role))
            return
        for pieces in value.axes:
            self.freeze(pieces, "a weight that other operations compute is used")


def dimensions(argument: Any, rank: int) -> tuple[int, ...]:
    """Axis numbers from an argument that is a number or a sequence of numbers."""
    numbers = argument if isinstance(argument, (tuple, list)) else (argument,)
    if not all(isinstance(number, int) for number in numbers):
        raise Unsupported("axes that are not plain numbers")
    return tuple(number % rank if rank else 0 for number in numbers)
