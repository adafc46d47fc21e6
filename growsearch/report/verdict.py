"""What a comparison concludes, as HTML for the page and as lines for the terminal and Markdown."""

from __future__ import annotations

from html import escape

from growsearch.comparison import Conclusions
from growsearch.comparison.sizes import SizeChoice
from growsearch.report.markup import details, stacked_table
from growsearch.report.tables import Table


def verdict_html(found: Conclusions) -> str:
    """Show the advice, the numbers that it rests on as a table, and closed why, with the verdict in full."""
    advice = found.advice
    headline = f'<p class="headline">{escape(advice.headline)}</p>' if advice.reasons else escape(advice.headline)
    reasons = "".join(f"<li>{_unbroken(reason)}</li>" for reason in advice.reasons)
    why = f"<ul>{reasons}</ul>" if reasons else ""
    shown = stacked_table(_sizes_table(found)) if advice.sizes else ""
    if advice.policy is None:
        closed = details("The verdict in full", f"<p>{escape(found.sentence)}</p>") if reasons else ""
        return f'<div class="verdict">{headline}{why}</div>{shown}{closed}'
    closed = details("Why, and the verdict in full", f"{why}<p>{escape(found.sentence)}</p>")
    return f'<div class="verdict">{headline}</div>{shown}{closed}'


def verdict_lines(found: Conclusions) -> list[str]:
    """Return the advice as paragraphs of text, the headline first; the verdict in full is in `results.json`."""
    advice = found.advice
    if not advice.reasons:
        return [advice.headline]
    sizes = "\n".join(f"- {one.text()}" for one in advice.sizes)
    listed = [f"{_sizes_title(found)}:\n\n{sizes}"] if sizes else []
    return [advice.headline, *listed, *advice.reasons]


def control_lines(found: Conclusions) -> list[str]:
    """Return a sentence on each control that the file asked for, and one on those that lack."""
    controls = found.controls
    return [*controls.sentences, *([controls.lacking_sentence] if controls.lacking_sentence else [])]


def _sizes_title(found: Conclusions) -> str:
    start = "Going by the means alone," if found.advice.undecided else "What to take,"
    return f"{start} by the size of the network at the end"


def _sizes_table(found: Conclusions) -> Table:
    """Every size with what to take there, a row for each of its comparisons."""
    compared = ("difference", "mean", "95 % interval", "FLOPs", "seconds")
    titles = ("size at the end", "take", found.metric_words, *compared)
    caption = (
        f"{_sizes_title(found)}. A fixed network is taken, unless what grows or prunes is better beyond the interval. "
        "FLOPs and seconds are multiples of those of what it is compared with."
    )
    rows = tuple(row for one in found.advice.sizes for row in _rows(one))
    return Table("sizes", "What to take", caption, titles, rows)


def _rows(one: SizeChoice) -> list[tuple[str, ...]]:
    start = (one.size, one.policy or "a smaller one", one.reached)
    compared = [
        (f"{each.policy} \N{MINUS SIGN} {each.to}", each.difference, each.interval, each.flops, each.seconds)
        for each in one.comparisons
    ]
    return [(*start, *cells) for cells in compared] or [(*start, "", "", "", "", "")]


def _unbroken(text: str) -> str:
    """As HTML, with numbers and their per cent signs on one line."""
    return escape(text).replace(" %", "&nbsp;%")
