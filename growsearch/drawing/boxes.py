"""The boxes of a graph: calls that are drawn as one."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from growsearch.graph import Call, NetworkGraph, operation


@dataclass(frozen=True)
class CallBox:
    """Calls drawn as one, and the boxes that feed it."""

    calls: tuple[Call, ...]
    sources: tuple[str, ...]


def call_boxes(graph: NetworkGraph) -> dict[str, CallBox]:
    """Return the boxes by the name of their first call, in execution order.

    Parameters and constants are left out; an operation that is drawn as a label joins the box before it, where nothing
    else reads that one.
    """
    calls = graph.calls.items()
    shown = {name: call for name, call in calls if call.kind not in ("parameter", "constant") and call.target != "item"}
    feeding = {name: [source for source in _sources(graph, call) if source in shown] for name, call in shown.items()}
    readers = Counter(source for sources in feeding.values() for source in sources)
    box_of: dict[str, str] = {}
    boxes: dict[str, CallBox] = {}
    for name, call in shown.items():
        sources = feeding[name]
        if operation(call.rule).drawn_as == "label" and len(sources) == 1 and readers[sources[0]] == 1:
            box_of[name] = box_of[sources[0]]
            box = boxes[box_of[name]]
            boxes[box_of[name]] = CallBox((*box.calls, call), box.sources)
        else:
            box_of[name] = name
            boxes[name] = CallBox((call,), tuple(dict.fromkeys(box_of[source] for source in sources)))
    return boxes


def _sources(graph: NetworkGraph, call: Call) -> list[str]:
    """Calls that feed this one, through the items of nested outputs, each once."""
    found = []
    for _, name in call.references():
        while graph.calls[name].target == "item":
            name = next(source for _, source in graph.calls[name].references())
        found.append(name)
    return list(dict.fromkeys(found))
