"""Streams: sites under layer or RMS normalisation that grow exactly all the same, if all of it changes together.

What new channels would hold is followed through the calls. Every writer gives them what is called `written` here: the
mean of its old channels under layer normalisation, 0 under RMS normalisation. A normalisation that finds just that
gives them 0. Where they hold anything else, no normalisation may find it, and no consumer read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from growsearch.graph.call import CASTS, Call
from growsearch.graph.norm_uses import is_centred, norm_use
from growsearch.graph.rules.step import Tie
from growsearch.graph.site import NormUse, Run, Site, Stream, Writer
from growsearch.graph.sites import Layout

Held = Literal["written", "zero", "other"]

_ALIKE = {"reshape", "mean", "permute", "expand", "getitem", "split", "item", "concat", "stack", "interpolate"}
"""Operations that do the same to every channel, and nothing but move or average its values."""
_SAME_VALUES = frozenset(["clone", "contiguous", "cpu", "cuda", "data", "detach", "neg"]) | CASTS


def with_streams(
    sites: Mapping[str, Site],
    calls: Mapping[str, Call],
    ties: Mapping[str, Sequence[Tie]],
    layouts: Mapping[str, Mapping[str, Layout]],
    modules: Mapping[str, nn.Module],
) -> dict[str, Site]:
    """`sites`, the mixing ones among them that have a stream as exact ones; the others say why they have none.

    Args:
        sites: by name.
        calls: of the graph.
        ties: by call, the tensors that it uses.
        layouts: by call, the sites in its output.
        modules: of the model, by path.
    """
    found = dict(sites)
    for name, site in sites.items():
        if site.kind != "mixing":
            continue
        try:
            stream = _Search(site, calls, ties, layouts, modules).found()
            found[name] = replace(site, kind="exact", reason="", stream=stream)
        except _NoStream as error:
            found[name] = replace(site, reason=f"{site.reason}, and {error}")
    return found


class _NoStream(Exception):
    """Why a site cannot grow exactly."""


class _Search:
    """Looks for the stream of one site."""

    def __init__(
        self,
        site: Site,
        calls: Mapping[str, Call],
        ties: Mapping[str, Sequence[Tie]],
        layouts: Mapping[str, Mapping[str, Layout]],
        modules: Mapping[str, nn.Module],
    ) -> None:
        self._site, self._calls, self._modules = site, calls, modules
        self._layouts = {name: here[site.name] for name, here in layouts.items() if site.name in here}
        axes = {(use.tensor, use.axis) for use in site.axes}
        self._ties = {name: [tie for tie in own if (tie.tensor, tie.axis) in axes] for name, own in ties.items()}
        self._carrying = self._carriers()
        self._held: dict[str, Held] = {}
        self._scales: dict[str, tuple[str, ...]] = {}
        self._norms: dict[NormUse, None] = {}
        self._centred = False

    def found(self) -> Stream:
        """The stream of the site.

        Raises:
            _NoStream: it has none; the message says why.
        """
        norms = [call for call in self._carrying.values() if call.rule in ("layer_norm", "group_norm")]
        if grouped := [call.name for call in norms if call.rule == "group_norm"]:
            raise _NoStream(f"a group of {grouped[0]!r} cannot take in a channel without a change")
        kinds = {is_centred(call, self._modules) for call in norms}
        if len(kinds) != 1:
            raise _NoStream("so does a normalisation of the other kind" if kinds else "how is not known")
        self._centred = kinds.pop()
        for name, call in self._carrying.items():
            self._held[name] = self._held_by(call)
        if self._centred:
            self._follow_scales()
        writers = self._writers()
        written = {(writer.tensor, writer.axis) for writer in writers}
        return Stream(self._centred, tuple(self._norms), writers, self._raw(written), self._shared(written))

    def _carriers(self) -> dict[str, Call]:
        """The calls whose output has the site's channels, in order, and those one of whose outputs may have them."""
        found: dict[str, Call] = {}
        for name, call in self._calls.items():
            nested = call.shape is None and call.kind != "output"
            if name in self._layouts or (nested and any(source in found for _, source in call.references())):
                found[name] = call
        return found

    # What new channels hold

    def _held_by(self, call: Call) -> Held:
        if call.kind == "parameter" or self._makes(call):
            return self._whole_or_other(call, "written" if self._centred else "zero")
        values = self._values(call)
        held = {self._held[name] for name in values}
        if call.rule == "layer_norm":
            self._norms[self._norm(call, held)] = None
            return "zero"
        same = held.pop() if len(held) == 1 else "other"
        match call.rule:
            case "add":
                known = self._adds_alike(call, len(values))
            case "multiply":
                scale = self._scale(call)
                if scale is not None:
                    same = next(self._held[name] for name in values if name != scale)
                known = scale is not None or len(values) == 1
            case _:
                known = self._is_alike(call)
        return self._whole_or_other(call, same) if known else "other"

    def _whole_or_other(self, call: Call, held: Held) -> Held:
        """A mean is one over the whole axis: `written` only where the site has it for itself."""
        return held if held != "written" or call.shape is None or self._is_whole(call) else "other"

    def _is_whole(self, call: Call) -> bool:
        layout = self._layouts.get(call.name)
        return layout is not None and layout[1:] == ((Run(0, 1),), self._site.units)

    def _norm(self, call: Call, held: set[Held]) -> NormUse:
        if held != {"written" if self._centred else "zero"}:
            raise _NoStream(self._culprit(call))
        if not self._is_whole(call):
            raise _NoStream(f"{call.name!r} normalises other channels beside it")
        use = norm_use(call, self._ties[call.name], self._modules)
        if isinstance(use, str):
            raise _NoStream(use)
        return use

    def _culprit(self, reader: Call) -> str:
        """Which call stands between what writes to the stream and a reader that finds something else."""
        for name, held in self._held.items():
            call = self._carrying[name]
            if held != "other":
                continue
            if _drop_rate(call, self._modules):
                return f"{name!r} drops single channels in training, which changes their mean"
            if call.rule == "add" and "zero" in {self._held[value] for value in self._values(call)} and self._centred:
                return f"{name!r} adds to what a layer normalisation has passed already"
            return f"{name!r} ({call.rule or 'no rule'}) stands between what writes to it and {reader.name!r}"
        return f"{reader.name!r} follows another normalisation"

    def _adds_alike(self, call: Call, own: int) -> bool:
        """A number, or a tensor without these channels, is the same for all of them: it moves their mean, and 0."""
        numbers = [value for value in (*call.args, call.kwargs.get("other")) if isinstance(value, int | float)]
        return self._centred or not (any(numbers) or len(list(call.references())) > own)

    def _is_alike(self, call: Call) -> bool:
        module = self._modules.get(call.target) if call.kind == "module" else None
        if (rate := _drop_rate(call, self._modules)) is not None:
            return not (self._centred and rate)
        match call.rule:
            case "pointwise":
                return isinstance(module, nn.Identity) or (module is None and call.target in _SAME_VALUES)
            case "index":
                return call.target == "index_select"
            case "pool":
                return "avg" in (call.target if module is None else type(module).__name__.lower())
        return call.rule in _ALIKE

    # What multiplies the channels of a writer before they meet the stream

    def _follow_scales(self) -> None:
        """From the norms back to the writers: on every way the same parameters have to multiply a value."""
        users: dict[str, list[Call]] = {}
        for call in self._carrying.values():
            for name in self._values(call):
                users.setdefault(name, []).append(call)
        for name in reversed(self._carrying):
            if self._held[name] != "written":
                continue
            ways = {way for user in users.get(name, ()) if (way := self._way(name, user)) is not None}
            if len(ways) > 1:
                raise _NoStream(f"{name!r} is used both with and without a scale of each channel")
            if ways:
                self._scales[name] = ways.pop()

    def _way(self, name: str, user: Call) -> tuple[str, ...] | None:
        """The parameters that multiply a value from `user` on; None where that is of no account."""
        if user.rule == "layer_norm":
            return ()
        scale = self._scale(user)
        if self._held[user.name] != "written" or self._makes(user) or scale == name:
            return None
        own = self._scales.get(user.name)
        return own if own is None or scale is None else (*own, self._calls[scale].target)

    def _scale(self, call: Call) -> str | None:
        """The parameter that multiplies the one other value of a call, by the name of its call."""
        values = self._values(call)
        scales = [name for name in values if self._calls[name].kind == "parameter"]
        return scales[0] if call.target == "mul" and len(values) == 2 and len(scales) == 1 else None

    # Results

    def _writers(self) -> tuple[Writer, ...]:
        written: dict[tuple[str, int], tuple[str, ...]] = {}
        for name, call in self._carrying.items():
            scales = self._scales.get(name, ())
            for key in self._written_by(call):
                if written.setdefault(key, scales) != scales:
                    raise _NoStream(f"{key[0]!r} writes to it both with and without a scale of each channel")
        return tuple(Writer(tensor, axis, scales) for (tensor, axis), scales in written.items())

    def _written_by(self, call: Call) -> Iterator[tuple[str, int]]:
        if self._makes(call):
            yield from ((tie.tensor, tie.axis) for tie in self._ties[call.name] if tie.role in ("out", "bias"))
        elif call.kind == "parameter":
            passed = {name for name in self._carrying if self._parameter(name) == call.target}
            users = [user for user in self._carrying.values() if user.name not in passed]
            if any(passed & {*self._values(user)} - {self._scale(user)} for user in users):  # a position or class token
                yield call.target, self._layouts[call.name][0]

    def _raw(self, written: set[tuple[str, int]]) -> tuple[tuple[str, int], ...]:
        """What consumers read without a normalisation; their new entries have to be 0."""
        raw: dict[tuple[str, int], None] = {}
        for name, call in self._calls.items():
            reading = [(tie.tensor, tie.axis) for tie in self._ties.get(name, ()) if tie.role == "in"]
            held = {self._held[value] for value in self._values(call)} if reading else set()
            if "other" in held:
                raise _NoStream(self._culprit(call))
            if "written" in held and written & set(reading):
                raise _NoStream(f"{name!r} reads it without a normalisation, with a weight that also writes to it")
            raw |= dict.fromkeys(reading if "written" in held else ())
        return tuple(raw)

    def _shared(self, written: set[tuple[str, int]]) -> tuple[tuple[str, int], ...] | None:
        """The weights and biases of the norms behind which only weights read that also write to the stream."""
        before: dict[str, frozenset[str]] = {}
        for name, call in self._carrying.items():
            own = {name} if call.rule == "layer_norm" else set()
            before[name] = frozenset(own).union(*(before[value] for value in ([] if own else self._values(call))))
        tied: set[str] = set()
        others: set[str] = set()
        for name, call in self._calls.items():
            for tie in self._ties.get(name, ()):
                if tie.role != "in":
                    continue
                norms = frozenset[str]().union(*(before[value] for value in self._values(call)))
                if (tie.tensor, tie.axis) not in written:
                    others |= norms
                elif not norms:
                    return None
                else:
                    tied |= norms
        ties = [tie for name in sorted(tied) for tie in self._ties[name] if tie.role in ("scale", "shift")]
        keys = tuple(dict.fromkeys((tie.tensor, tie.axis) for tie in ties))
        elsewhere = {tie.tensor for name in others for tie in self._ties[name]}
        return None if tied & others or elsewhere & {tensor for tensor, _ in keys} else keys

    # Calls

    def _values(self, call: Call) -> list[str]:
        """The calls that give `call` the site's channels, its own weights left out."""
        weights = {tie.tensor for tie in self._ties.get(call.name, ())}
        given = (name for _, name in call.references() if name in self._carrying)
        return [name for name in given if self._parameter(name) not in weights]

    def _parameter(self, name: str) -> str | None:
        """The only thing that a call's output depends on, as that of `weight.T`; None where that is no parameter."""
        call = self._calls[name]
        while call.kind != "parameter":
            sources = {source for _, source in call.references()}
            if len(sources) != 1 or self._ties.get(call.name) or call.name not in self._carrying:
                return None
            call = self._calls[sources.pop()]
        return call.target

    def _makes(self, call: Call) -> bool:
        return any(tie.role == "out" for tie in self._ties.get(call.name, ()))


def _drop_rate(call: Call, modules: Mapping[str, nn.Module]) -> float | None:
    """The rate at which a call drops values in training; None where it is no dropout."""
    if call.kind == "module":
        module = modules.get(call.target)
        return float(module.p) if isinstance(module, _DropoutNd) else None
    if "dropout" not in call.target:
        return None
    return float(call.args[1] if len(call.args) > 1 else call.kwargs.get("p", 0.5))
