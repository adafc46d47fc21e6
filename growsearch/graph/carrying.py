"""What was found by trial holds after a growth as before it."""

from __future__ import annotations

from dataclasses import replace

from torch import nn

from growsearch.graph.network import NetworkGraph
from growsearch.graph.site import Site


def carried(before: NetworkGraph, after: NetworkGraph, model: nn.Module) -> NetworkGraph | None:
    """`after` with the sites that are frozen, and the attributes that follow, as in `before`.

    None where it has a site that `before` does not know, such as one behind an inserted layer.
    """
    if not after.sites.keys() <= before.sites.keys():
        return None
    return replace(
        after,
        sites={name: _site(before.sites[name], site, model) for name, site in after.sites.items()},
        block_sites={name: site for name, site in after.block_sites.items() if name in before.block_sites},
        no_block_sites=before.no_block_sites,
    )


def _site(known: Site, site: Site, model: nn.Module) -> Site:
    if known.kind == "frozen" and site.kind != "frozen":
        return replace(site, kind="frozen", reason=known.reason, attributes=())
    now = tuple(replace(use, value=getattr(model.get_submodule(use.module), use.name)) for use in known.attributes)
    return replace(site, attributes=now)
