"""Which weights train: the side of a new unit that starts at zero has to be among them, or it never learns.

The gradient of a unit's incoming weights is proportional to its outgoing ones, and the other way round. A unit with one
zero side learns there first: if nothing trains there, neither side ever has both a gradient and an optimizer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

from torch import nn
from torch.optim import Optimizer

from growsearch.errors import GrowthRefused, InputError
from growsearch.graph import Role, Site
from growsearch.registry import nearest
from growsearch.surgery import optimizers_of, supported_optimizer


def trainable_parameters(model: nn.Module, optimizer: Optimizer | Sequence[Optimizer] | None) -> frozenset[str] | None:
    """Names, aliases included, of the parameters that require gradients and that an optimizer (if given) holds.

    None where it cannot be told: without an optimizer, from a model in which nothing requires gradients (yet).
    """
    named = {n: p for n, p in model.named_parameters(remove_duplicate=False) if p.requires_grad}
    if optimizer is None:
        return frozenset(named) or None
    held = {id(p) for each in optimizers_of(optimizer) for group in each.param_groups for p in group["params"]}
    return frozenset(name for name, parameter in named.items() if id(parameter) in held)


def trains(site: Site, role: Role, trainable: frozenset[str] | None) -> bool:
    """Whether any of the site's weights of one role ("out": incoming, "in": outgoing) trains."""
    return trainable is None or any(use.role == role and use.tensor in trainable for use in site.axes)


def require_trained(site: Site, trainable: frozenset[str] | None) -> None:
    """`GrowthRefused` where neither the incoming nor the outgoing weights of a site's units train."""
    if not trains(site, "out", trainable) and not trains(site, "in", trainable):
        raise GrowthRefused(
            f"site {site.name!r}: none of its weights ({named_weights(site, 'out')}; {named_weights(site, 'in')}) is "
            "trained, so new units would never learn: let one of them require gradients and give it to the optimizer, "
            "or leave the site out"
        )


def require_distinct_copies(site: Site, trainable: frozenset[str] | None) -> None:
    """`GrowthRefused` where plain copies of a unit could never differ in what they compute."""
    makes = (use for use in site.axes if use.role not in ("in", "mean", "variance"))
    if trainable is not None and not any(use.tensor in trainable for use in makes):
        raise GrowthRefused(
            f"site {site.name!r}: nothing of what makes its units ({named_weights(site, 'out')}) is trained, so a copy "
            "would compute the same as its unit for good; use how: zero or random"
        )


def require_untied(site: Site) -> None:
    """`GrowthRefused` where a copy's share of what reads its unit would change what makes it."""
    tied = [use.tensor for use in site.axes if use.tied]
    if tied:
        raise GrowthRefused(
            f"site {site.name!r}: {tied[0]!r} both makes its units and reads them, so a copy's share of the outgoing "
            "weights would change its incoming ones; use how: zero"
        )


def named_weights(site: Site, role: Role) -> str:
    """The site's weights of one role, by name."""
    return ", ".join(dict.fromkeys(repr(use.tensor) for use in site.axes if use.role == role)) or "no weight"


def require_followed(optimizers: Sequence[Optimizer]) -> None:
    """`InputError` where an optimizer's state cannot follow a growth."""
    for optimizer in optimizers:
        if reason := supported_optimizer(optimizer):
            raise InputError(f"the optimizer cannot follow a growth: {reason}")


def require_held(
    model: nn.Module, names: Collection[str], optimizers: Sequence[Optimizer], frozen: Sequence[str]
) -> None:
    """See that no optimizer is left out: it would go on with the parameters that a growth has replaced.

    Args:
        model: the network.
        names: of the parameters that growing may replace.
        optimizers: that were given; none: nothing trains the network.
        frozen: patterns (as in shells) of parameters that no optimizer trains, though they require gradients.

    Raises:
        InputError: one of `names` requires gradients and is neither in an optimizer nor frozen, or a pattern matches no
            parameter.
    """
    parameters = dict(model.named_parameters(remove_duplicate=False))
    for pattern in frozen:
        if not any(fnmatchcase(name, pattern) for name in parameters):
            raise InputError(f"frozen: {pattern!r} matches no parameter{nearest(pattern, list(parameters))}")
    own = {id(parameter) for parameter in parameters.values()}
    held = [{id(p) for group in each.param_groups for p in group["params"]} for each in optimizers]
    known = set[int]().union(*held) | {id(p) for n, p in parameters.items() if any(fnmatchcase(n, f) for f in frozen)}
    missing = [n for n in parameters if n in names and parameters[n].requires_grad and id(parameters[n]) not in known]
    if not optimizers or not missing:
        return
    for optimizer, ids in zip(optimizers, held, strict=True):
        if not ids & own:
            raise InputError(
                f"{type(optimizer).__name__} holds no parameter of this model: it belongs to another model, or to "
                "parameters that were replaced since; make it over model.parameters()"
            )
    more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
    raise InputError(
        f"no optimizer that was given holds {', '.join(map(repr, missing[:5]))}{more}: growing replaces parameters, "
        "and an optimizer that is not given would go on with the old ones. Give all optimizers of the model, "
        "optimizer=[...]; name parameters that are not trained in frozen=[...], or let them not require gradients"
    )
