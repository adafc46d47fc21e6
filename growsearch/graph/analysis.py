"""From recorded calls to channel spaces: every call's rule in order, over one set of spaces for all runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from torch import nn
from torch.overrides import resolve_name

from growsearch.graph.call import Call
from growsearch.graph.module_call import ModuleCall
from growsearch.graph.recorder import Record
from growsearch.graph.rules import find_rule
from growsearch.graph.rules.step import AxisSlot, Cost, Step, Use, Value
from growsearch.graph.spaces import Unsupported, freeze
from growsearch.graph.splits import Split, settle


class Analysis:
    """Applies the rules to one run after another; a parameter's axes are the same slots in all of them."""

    def __init__(self) -> None:
        self.calls: dict[str, Call] = {}
        self.modules: dict[str, nn.Module] = {}
        self.module_calls: list[ModuleCall] = []
        self.values: dict[str, Value] = {}
        self.slots: dict[tuple[str, int], AxisSlot] = {}
        self.producers: list[Use] = []
        self.consumers: list[Use] = []
        self.costs: list[Cost] = []
        self.splits: list[Split] = []
        self._tensors: dict[str, Value] = {}

    def run(self, records: Sequence[Record], names: dict[int, str]) -> None:
        """Follow the spaces through one run; a call that an earlier run had keeps its description."""
        first = not self.calls
        values: dict[str, list[Value]] = {}
        items: dict[str, int] = {}
        for record in records:
            step = Step(record, values, self._tensors, self.slots, names)
            if record.call.target == "item" and record.call.kind == "function":
                parent = record.call.args[0].call
                outputs, rule = [values[parent][items.get(parent, 0)]], "item"
                items[parent] = items.get(parent, 0) + 1
            else:
                outputs, rule = _apply(step)
            values[record.call.name] = outputs
            self.producers += step.producers
            self.consumers += step.consumers
            self.splits += step.splits
            if first:
                self.costs += step.costs
            if record.call.name not in self.calls:
                self._keep(record, outputs, rule)

    def freeze(self, unreached: str, siblings: Iterable[str]) -> None:
        """Freeze all that the code may use together with a parameter that no run reached: its module's own tensors."""
        for tensor in siblings:
            for pieces in self._tensors[tensor].axes if tensor in self._tensors else ():
                freeze(pieces, f"no run reached {unreached}, which may go with {tensor}")

    def settle(self) -> None:
        """After the last run, decide the reshapes whose reading was left open."""
        settle(self.splits)
        self.splits = []

    def _keep(self, record: Record, outputs: list[Value], rule: str) -> None:
        name = record.call.name
        self.calls[name] = replace(record.call, rule=rule or None)
        if record.module is not None:
            self.modules[name] = record.module
        if record.call.shape is not None:
            self.values[name] = outputs[0]


def _apply(step: Step) -> tuple[list[Value], str]:
    """The output values of a call, and the name of the rule that gave them (empty where there is none)."""
    call = step.call
    if call.kind == "input":
        return _fixed(step, "model input"), "input"
    if call.kind == "constant" or (call.kind == "function" and not step.inputs):
        return _fixed(step, f"{call.target} in the model's code has a fixed size"), "constant"
    if call.kind == "parameter":
        value = step.tensor(call.target, step.shapes[0])
        if step.peculiar:
            step.freeze_all([value], f"{call.target} is {step.peculiar}")
        return [value], "parameter"
    if call.kind == "output":
        step.freeze_inputs("model output", stops=False)
        return [], "output"
    if step.peculiar:
        return _stop(step, f"{step.peculiar} tensors in {call.target} at {step.location}"), ""
    found = find_rule(call, step.module)
    if found is None:
        what = type(step.module).__name__ if step.module is not None else _full_name(call)
        return _stop(step, f"no rule for {what} at {step.location}"), ""
    name, joins = found
    try:
        outputs = joins(step)
    except Unsupported as error:
        return _stop(step, f"{error}, in {call.target} at {step.location}"), name
    except Exception as error:  # a use of the operation that the rule does not foresee: the rest can grow all the same
        why = f"the rule {name!r} failed with {type(error).__name__}: {error}"
        return _stop(step, f"{why}, in {call.target} at {step.location}"), name
    if [value.shape for value in outputs] != list(step.shapes) or any(len(v.axes) != v.rank for v in outputs):
        return _stop(step, f"unexpected output shapes of {call.target} at {step.location}"), name
    return outputs, name


def _fixed(step: Step, reason: str) -> list[Value]:
    return [Value(shape, step.fixed(shape, reason)) for shape in step.shapes]


def _stop(step: Step, reason: str) -> list[Value]:
    """Freeze all that enters a call, its parameters, and all that leaves; a module with parameters makes features."""
    step.freeze_inputs(reason)
    step.freeze_all(step.parameters(), reason)
    outputs = _fixed(step, reason)
    if step.module is not None and next(step.module.parameters(), None) is not None:
        made = [value.axes[-1] for value in outputs if value.axes] or [step.parameters()[0].axes[0]]
        step.producers += [Use(step.call.name, step.call.target, pieces) for pieces in made]
    return outputs


def _full_name(call: Call) -> str:
    name = resolve_name(call.function) if call.function is not None else None
    return name or call.target
