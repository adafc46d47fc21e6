"""The tables in docs/methods.md, from what the strategies say of themselves and from what was measured.

uv run python experiments/method_table/table.py
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from growsearch.config.describe import describe_strategy
from growsearch.registry import names

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "methods.md"
WORKS = {"batch_norm": "batch norm", "residual": "residual", "depthwise": "depthwise"}

HEAD = """# Methods

Every way to grow that is installed, by four questions: why, when, where and how. `when` and `where` are those that go
with it in its source; any other combination works too. What it works with and what one growth step costs, in training
steps of a VGG11 of a quarter of its width (batch 128, a quarter of the units added), for methods that copy blocks in
those of a GPT of two blocks that become four, is measured: [experiments/method_table](../experiments/method_table). The
page is made from there and from what `growsearch strategies` prints.

The cost is by the clock. `gradmax`'s ascent behind batch normalisation and ReLU is 16 training steps by
[counted FLOPs](../experiments/gradmax_batch_norm): its convolutions are small, and slower than their FLOPs.
`gradmax_opt` optimises all sites of this event together.

"""

TASK = """
## All of them on one task

    growsearch compare all_policies

Handwritten digits (1,097 training images), a small convolutional network of 482 parameters that grows to those of the
`big` one, 30 epochs, {seeds} seeds; mean and standard deviation; p is of a paired permutation test, corrected for all
comparisons. The file is [search_spaces/all_policies.yaml](../search_spaces/all_policies.yaml), the numbers are in
[experiments/all_policies](../experiments/all_policies) ({cores} cores, {processor}, commit {commit}). One small task,
one budget, untuned defaults: it shows that everything runs and what it costs, not which method is best on yours.
Parameters are those that are not dormant; `growing` is the share of the seconds.

"""


def page() -> str:
    found = json.loads((HERE / "results.json").read_text())
    rows = [_how(name, found["how"][name]) for name in names("how")]
    rows += [_soft(name, found["soft"][name]) for name in names("soft")]
    title = "| method | why | when | where | how | preserves | finds its size itself | works with | cost |"
    machine = found["machine"]
    where = f"Measured on {machine['processor']}, one thread, torch {machine['torch']}, commit {machine['commit']}.\n"
    return HEAD + "\n".join([title, "|" + "---|" * 9, *rows]) + "\n\n" + where + _one_task()


def _one_task() -> str:
    found = json.loads((HERE.parent / "all_policies" / "results.json").read_text())
    machine, reference = found["machine"], found["reference"]
    seeds = max(row["seeds"] for row in found["policies"].values())
    head = TASK.format(
        seeds=seeds, cores=machine["cores"], processor=machine["processor"], commit=machine["git"]["commit"][:7]
    )
    title = f"| policy | test accuracy, % | minus `{reference}` | parameters | training MFLOPs | seconds | growing |"
    ranked = sorted(found["policies"].items(), key=lambda item: -item[1]["accuracy"])
    rows = [_result(name, row) for name, row in ranked]
    return head + "\n".join([title, "|" + "---|" * 7, *rows]) + "\n\n" + found["sentence"] + "\n"


def _result(name: str, row: dict[str, Any]) -> str:
    if row["difference"] is None:
        difference = "-"
    else:
        p = row["adjusted_p_value"]
        difference = f"{row['difference']:+.2f}" + (f", {row['direction']} (p = {p:.2g})" if row["direction"] else "")
    cells = [
        f"`{name}`",
        f"{row['accuracy']:.2f} ± {row['deviation']:.2f}",
        difference,
        f"{row['parameters']:,}",
        f"{row['megaflops']:,}",
        f"{row['seconds']:.1f}",
        f"{100 * row['growth_share']:.0f} %",
    ]
    return "| " + " | ".join(cells) + " |"


def _how(name: str, measured: dict[str, Any]) -> str:
    record = describe_strategy("how", name)
    when, where = record["usual"]
    size = _size(record, describe_strategy("where", where), describe_strategy("when", when))
    cells = [
        f"`{name}`",
        record["why"],
        f"`{when}`",
        f"`{where}`",
        record["summary"],
        record["preserves"],
        size,
        _works(measured["works"]),
        f"{measured['cost']:.1f}",
    ]
    return "| " + " | ".join(cells) + " |"


def _soft(name: str, measured: dict[str, Any]) -> str:
    record = describe_strategy("soft", name)
    cells = [
        f"`{name}`",
        record["why"],
        "always",
        "every site",
        record["summary"],
        record["preserves"],
        record["finds_size"],
        _works(measured["works"]),
        "none: part of every step",
    ]
    return "| " + " | ".join(cells) + " |"


def _size(*records: dict[str, Any]) -> str:
    found = [record["finds_size"] for record in records if not record["finds_size"].startswith("no")]
    return found[0] if found else "no"


def _works(works: dict[str, str]) -> str:
    good = [title for key, title in WORKS.items() if works[key] == "yes"]
    bad = [f"not {title}: {works[key]}" for key, title in WORKS.items() if works[key] != "yes"]
    return "; ".join([", ".join(good), *bad]) if good else "; ".join(bad)


if __name__ == "__main__":
    PAGE.write_text(page())
