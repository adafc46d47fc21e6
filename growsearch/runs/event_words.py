"""A growth event in words: the same for progress, loggers, audits and reports."""

from __future__ import annotations

from collections.abc import Mapping

from growsearch.runs.records import GrowthLine

_SITES = 4  # that are named


def event_words(line: GrowthLine) -> str:
    """Return what an event did, as `+12 units in conv3, 3 units removed (482 to 560 parameters)`; or why it did not.

    Where it raised the loss, `, loss 1.2 to 1.6` is behind.
    """
    if line.refused:
        return f"growth refused: {line.refused}"
    jump = ""
    if line.recovered_steps != 0 and line.loss_before is not None and line.loss_after is not None:
        jump = f", loss {line.loss_before:.3g} to {line.loss_after:.3g}"
    sizes = f"{line.parameters_before:,} to {line.parameters_after:,} parameters"
    if line.active_after not in (None, line.parameters_after):
        sizes = f"{line.active_before:,} to {line.active_after:,} active parameters"
    return f"{change_words(line.sites, line.removed, line.regrown, line.pruned, line.kinds)} ({sizes}){jump}"


def change_words(
    sites: Mapping[str, int],
    removed: Mapping[str, int],
    regrown: int = 0,
    pruned: int = 0,
    kinds: Mapping[str, str] | None = None,
) -> str:
    """Return a change of a network, as `+12 units in conv3, +1 in conv4, 5 connections pruned`.

    Args:
        sites: What was added, by site.
        removed: Units removed, by site.
        regrown: Connections regrown.
        pruned: Connections pruned.
        kinds: By site, `layers` or `blocks` where these were added instead of units.
    """
    parts: list[str] = []
    said = ""
    for name, count in sites.items():
        kind = (kinds or {}).get(name, "units")
        what = "" if kind == said else f" {kind[:-1] if count == 1 else kind}"
        parts.append(f"+{count}{what} {'in' if kind == 'units' else 'at'} {name}")
        said = kind
    if len(parts) > _SITES:
        parts = [*parts[:_SITES], f"more in {len(parts) - _SITES} others"]
    return ", ".join([*parts, *lost_words(sum(removed.values()), regrown, pruned)])


def lost_words(removed: int, regrown: int, pruned: int) -> list[str]:
    """Return how many units were removed, and connections regrown and pruned, each where there are any."""
    counts = ((removed, "units removed"), (regrown, "connections regrown"), (pruned, "connections pruned"))
    return [f"{count:,} {words}" for count, words in counts if count]
