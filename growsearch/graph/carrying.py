"""What was found by trial holds after a growth as before it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from torch import nn

from growsearch.graph.network import NetworkGraph
from growsearch.graph.site import AttributeUse, Site

Origin = Callable[[str], str | None]
"""By a module's or site's name after a growth, its name before, or that of which it is a copy; None for a new one."""


def carried(before: NetworkGraph, after: NetworkGraph, model: nn.Module, origin: Origin) -> NetworkGraph | None:
    """Return `after` with the sites that are frozen, and the attributes that follow, as in `before`.

    None where it has a site that `before` does not know, such as one behind an inserted layer.

    Args:
        before: the graph before the growth.
        after: that of the grown network, from its operations alone.
        model: the grown network.
        origin: what copied blocks come from.
    """
    known = {name: before.sites.get(origin(name) or "") for name in after.sites}
    paths: dict[str, list[str]] = {}
    for path, _ in model.named_modules():
        paths.setdefault(origin(path) or "", []).append(path)
    sites: dict[str, Site] = {}
    for name, site in after.sites.items():
        old = known[name]
        if old is None:
            return None
        if old.kind == "frozen" and site.kind != "frozen":
            sites[name] = replace(site, kind="frozen", reason=old.reason, attributes=())
        else:
            sites[name] = replace(site, attributes=_attributes(old, name, after, model, paths))
    return replace(
        after,
        sites=sites,
        block_sites={n: site for n, site in after.block_sites.items() if (origin(n) or "") in before.block_sites},
        no_block_sites=before.no_block_sites,
    )


def _attributes(
    old: Site, name: str, after: NetworkGraph, model: nn.Module, paths: dict[str, list[str]]
) -> tuple[AttributeUse, ...]:
    """Those of before, in all copies of their modules that handle the site's units."""
    found: list[AttributeUse] = []
    scopes = scopes_of(after, name) if old.attributes else {}
    for use in old.attributes:
        copies = paths.get(use.module, [])
        for path in copies if len(copies) == 1 else [each for each in copies if each in scopes]:
            value = getattr(model.get_submodule(path), use.name)
            found.append(replace(use, module=path, value=value))
    return tuple(found)


def scopes_of(graph: NetworkGraph, site: str) -> dict[str, None]:
    """Return the paths of the modules whose code handles a site's units, in order."""
    return {graph.calls[call].scope: None for call, layouts in graph.layouts.items() if site in layouts}
