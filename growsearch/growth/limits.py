"""How wide single sites, and how long single chains of blocks, may become."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from growsearch.arguments import require_mapping, require_whole
from growsearch.errors import InputError
from growsearch.graph import NetworkGraph
from growsearch.growth.allowance import UNLIMITED
from growsearch.growth.policy import Policy
from growsearch.registry import nearest


def resolved_limits(limits: Mapping[str, int] | None, graph: NetworkGraph, policy: Policy) -> dict[str, int]:
    """Return by site the most channels, or by block site the most blocks, that patterns as in shells allow it.

    Of several patterns that match, the smallest limit holds. Raises `InputError` for a limit that is no whole number of
    at least 1, a pattern that matches nothing, and beside an initializer that inserts single layers.
    """
    if not limits:
        return {}
    require_mapping("limits", limits, "{'layer1.*': 64}")
    how = policy.how
    if how.deepens() and not how.stacks():
        raise InputError(
            f"limits: how {policy.names.how} inserts layers, which have no width to limit: name the places in sites"
        )
    names = list(graph.block_sites if how.stacks() else graph.sites)
    found: dict[str, int] = {}
    for pattern, most in limits.items():
        require_whole(f"limits: {pattern!r}", most, 1)
        matching = [name for name in names if fnmatchcase(name, pattern)]
        if not matching:
            known = ", ".join(names) or "none"
            raise InputError(f"limits: {pattern!r} matches none of {known}{nearest(pattern, names)}")
        found |= {name: min(most, found.get(name, most)) for name in matching}
    return found


def left_to(names: Iterable[str], sizes: Mapping[str, int], most: Mapping[str, int]) -> dict[str, int]:
    """Return how much larger each of `names` may still become; one without a limit as large as anything.

    Args:
        names: of sites or block sites.
        sizes: what they are now.
        most: what they may be.
    """
    return {name: max(0, most[name] - sizes[name]) if name in most else UNLIMITED for name in names}
