"""How policies differ on the same seeds: the statistics behind the verdict."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from growsearch.comparison import Conclusions
from growsearch.comparison.metric import Metric
from growsearch.comparison.pairs import Pair
from growsearch.comparison.wording import NOTHING_TESTED
from growsearch.report.markup import stacked
from growsearch.report.tables import Table

_TITLES = ("mean difference", "95 % interval", "p", "p, corrected", "better on")
_DRAWN = (220, 22)  # width and height of an interval


def differences_table(found: Conclusions) -> Table:
    """Show every policy against the reference: how far apart, how sure, and the significant direction."""
    reference, pairs = found.reference, _furthest_first(found)
    tested = (
        f"p is of the exact paired permutation test; corrected for "
        f"all {len(pairs)} by Holm's method, a difference is significant where it is {found.level:g} or less. The "
        "interval is of each difference alone, not corrected: among many, some exclude 0 by chance."
    )
    if pairs and all(pair.alone for pair in pairs):
        tested = f"{NOTHING_TESTED}."
    caption = (
        f"Each policy minus {reference} on the same seeds. {tested} Better on: the seeds on which the policy is better "
        f"than {reference}."
    )
    rows = tuple((pair.policy, *difference_cells(found.ranked_by, pair), pair.direction or "") for pair in pairs)
    return Table("differences", f"Differences from {reference}", caption, ("policy", *_TITLES, "verdict"), rows)


def differences_html(found: Conclusions) -> str:
    """Show the same on the page, with the intervals drawn."""
    shown, pairs = differences_table(found), _furthest_first(found)
    ends = [0.0, *(pair.mean_difference for pair in pairs)]
    ends += [end for pair in pairs for end in pair.interval or ()]
    rows = []
    for pair, (name, *cells) in zip(pairs, shown.rows, strict=True):
        verdict = f'<span class="{pair.direction}">{cells[-1]}</span>' if pair.direction else verdict_word(pair)
        drawn = _interval_svg(pair, min(ends), max(ends))
        rows.append((escape(name), (drawn, *map(escape, cells[:-1]), verdict), False))
    bar = "" if all(pair.alone for pair in pairs) else ", its interval as a bar"
    caption = f"{shown.caption} Drawn: the mean as a dot{bar}; the upright line is no difference."
    return stacked(caption, (shown.titles[0], "mean and interval", *shown.titles[1:]), rows)


def pairs_table(found: Conclusions) -> Table:
    """Show the policies other than the reference among each other."""
    others = [pair for pair in found.pairs if pair.against != found.reference]
    chance = ", and among so many some p below 0.05 come by chance" if any(not pair.alone for pair in others) else ""
    caption = (
        f"For orientation only: these pairs are not tested{chance}. The first policy minus the second, on the same "
        "seeds."
    )
    rows = tuple((f"{pair.policy} − {pair.against}", *difference_cells(found.ranked_by, pair)) for pair in others)
    return Table("pairs", "All other pairs", caption, ("policies", *_TITLES), rows)


def difference_cells(metric: Metric, pair: Pair) -> tuple[str, ...]:
    """Return mean difference, interval, p, corrected p, and on how many seeds the first of the pair is better."""
    adjusted = pair.adjusted_p_value
    return (
        metric.show_change(pair.mean_difference),
        metric.show_interval(pair.interval) if pair.interval else "",
        "" if pair.alone else f"{pair.p_value:.2g}",
        "" if pair.alone or adjusted is None else f"{adjusted:.2g}",
        f"{pair.wins} of {pair.seeds}{_ties(pair)}",
    )


def verdict_word(pair: Pair) -> str:
    """Return the significant direction, or why there is none."""
    return pair.direction or ("not tested" if pair.alone else "not told apart")


def _furthest_first(found: Conclusions) -> Sequence[Pair]:
    """The pairs with the reference, the one that is furthest ahead first."""
    sign = -1 if found.higher_is_better else 1
    return sorted(found.tested, key=lambda pair: sign * pair.mean_difference)


def _ties(pair: Pair) -> str:
    ties = pair.seeds - pair.wins - pair.losses
    return f", {ties} equal" if ties else ""


def _interval_svg(pair: Pair, low: float, high: float) -> str:
    """A decoration: the numbers stand beside it."""
    width, height = _DRAWN

    def position(value: float) -> float:
        return 6 + (width - 12) * ((value - low) / (high - low) if high > low else 0.5)

    zero, mean, middle = position(0.0), position(pair.mean_difference), height / 2
    bar = ""
    if pair.interval:
        start, end = map(position, pair.interval)
        bar = f'<line class="bar" x1="{start:.1f}" x2="{end:.1f}" y1="{middle}" y2="{middle}"/>'
    return (
        f'<svg class="interval {pair.direction or ""}" viewBox="0 0 {width} {height}" aria-hidden="true">'
        f'<line x1="{zero:.1f}" x2="{zero:.1f}" y1="0" y2="{height}"/>{bar}'
        f'<circle cx="{mean:.1f}" cy="{middle}" r="4.5"/></svg>'
    )
