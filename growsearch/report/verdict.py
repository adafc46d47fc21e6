"""What a comparison concludes, as HTML for the page and as lines for the terminal and Markdown."""

from __future__ import annotations

from html import escape

from growsearch.comparison import Conclusions
from growsearch.comparison.sizes import SizeChoice
from growsearch.report.markup import details


def verdict_html(found: Conclusions) -> str:
    """Show the advice with its reasons, and closed the verdict in full."""
    advice = found.advice
    if not advice.reasons:
        return f'<div class="verdict"><p>{escape(advice.headline)}</p></div>'
    sizes = "".join(map(_choice, advice.sizes))
    listed = f"<p>{_sizes_title(found)}</p><dl>{sizes}</dl>" if sizes else ""
    reasons = "".join(f"<li>{_unbroken(reason)}</li>" for reason in advice.reasons)
    whole = details("The verdict in full", f"<p>{escape(found.sentence)}</p>")
    headline = f'<p class="headline">{escape(advice.headline)}</p>'
    return f'<div class="verdict">{headline}{listed}<ul>{reasons}</ul></div>{whole}'


def verdict_lines(found: Conclusions) -> list[str]:
    """Return the same as paragraphs of text: the headline first, and the verdict in full last."""
    advice = found.advice
    if not advice.reasons:
        return [advice.headline]
    sizes = "\n".join(f"- {one.text()}" for one in advice.sizes)
    listed = [f"{_sizes_title(found)}\n\n{sizes}"] if sizes else []
    return [advice.headline, *listed, *advice.reasons, f"In full: {found.sentence}"]


def control_lines(found: Conclusions) -> list[str]:
    """Return a sentence on each control that the file asked for, and one on those that lack."""
    controls = found.controls
    return [*controls.sentences, *([controls.lacking_sentence] if controls.lacking_sentence else [])]


def _sizes_title(found: Conclusions) -> str:
    start = "Going by the means alone," if found.advice.undecided else "What to take,"
    return f"{start} by the size of the network at the end:"


def _choice(one: SizeChoice) -> str:
    policy = f"<strong>{escape(one.policy)}</strong>" if one.policy else ""
    return f"<dt>{escape(one.size)}</dt><dd>{policy}{_unbroken(one.words)}</dd>"


def _unbroken(text: str) -> str:
    """As HTML, with numbers and their per cent signs on one line."""
    return escape(text).replace(" %", "&nbsp;%")
