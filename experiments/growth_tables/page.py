"""The page "What matters in growing a network" and its pictures, from importance_*.json and replays_*.json.

python -m experiments.growth_tables.page
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from experiments.growth_tables.figures import bars, curves
from experiments.growth_tables.findings import FINDINGS
from growsearch.tables.outcomes import COSTS

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"
PAGE, PICTURES = DOCS / "what-matters.md", DOCS / "figures"
TASKS = {
    "digits": "Digits",
    "cifar10_jpeg": "CIFAR-10 (JPEG), 4,000 images of 16x16",
    "language": "Language: tiny Shakespeare",
}
SHOWN = (
    "accuracy, 2 seeds",
    "loss, 2 seeds",
    "before: accuracy, rungs by FLOPs",
    "before: loss, rungs by FLOPs",
    "loss",
    "loss, rung, race 3 x 3",
    "default: loss, rung, race",
    "loss, rung with promotion, race",
)

HEAD = """# What matters in growing a network

*How much of the result do when, where and how a network grows explain, beside the learning rate?* The answer is read
off [tables of growth](../experiments/growth_tables): random configurations of a search space, each trained with several
seeds, every curve kept. The same tables answer how a search should spend its budget.

"""
USE = """
## Use a table

```python
from growsearch import tables

table = tables.load("digits")  # or the path of an .npz file
table.point(0)  # the parameters of a configuration; table.plain(0) is its run file
table.curves["validation_loss"]  # configurations x seeds x evaluations
table.columns()  # one row a run, as arrays; table.frame() with pandas
```

The arrays are described in the [data sheet](../experiments/growth_tables); a rule of your own is replayed with
`growsearch.tables.replay`, a sampler on a model of the table with `replay_modelled` there;
`docs/notebooks/table_of_growth.py` shows how.
"""


def page() -> str:
    """Return the text of the page."""
    tasks = [name for name in TASKS if (HERE / f"importance_{name}.json").exists()]
    missing = [TASKS[name] for name in TASKS if name not in tasks]
    text = HEAD
    if missing:
        text += f"Missing so far, because their tables are not finished: {'; '.join(missing)}.\n\n"
    return text + "\n".join(_task(name) for name in tasks) + USE


def pictures() -> dict[str, str]:
    """Return the pictures by name."""
    found = {}
    for name in TASKS:
        importance, replays = _read("importance", name), _read("replays", name)
        if importance:
            for kind, word in (("whole", "whole space"), ("better half", "better half")):
                title = f"{name}, {word}: share of the variance, total (light) and alone (dark)"
                key = f"what_matters_{name}_{kind.split()[0]}.svg"
                found[key] = bars(importance["importance"][kind], title)
        if replays:
            scale, unit = (100.0, "points") if replays["measure"].endswith("accuracy") else (1.0, "loss")
            arms = {arm: replays["anytime"][arm] for arm in SHOWN if arm in replays["anytime"]}
            found[f"replays_{name}.svg"] = curves(arms, scale, unit)
    return found


def _task(name: str) -> str:
    importance, replays, sampled = (_read(kind, name) for kind in ("importance", "replays", "samplers"))
    assert importance is not None
    text = f"## {TASKS[name]}\n\n"
    if importance["table"]["configurations"] < importance["wanted"]:
        text += (
            f"**A part of the table: {importance['table']['configurations']} of {importance['wanted']} configurations**"
            " (the beginning of its quasi-random sequence, which is spread over the whole space).\n\n"
        )
    text += FINDINGS[name].strip() + "\n\n"
    text += _importance(name, importance)
    if replays is not None:
        text += _replays(name, replays)
    if sampled is not None:
        text += _samplers(sampled)
    return text


def _importance(name: str, found: Mapping[str, Any]) -> str:
    text = "### What explains the result\n\n"
    text += f"![{TASKS[name]}: what explains the validation loss](figures/what_matters_{name}_whole.svg)\n\n"
    text += f"![{TASKS[name]}: what tells the better half apart](figures/what_matters_{name}_better.svg)\n\n"
    text += "| share of the variance of the log validation loss | alone | total | better half: alone | total |\n"
    text += "|---|---|---|---|---|\n"
    whole, better = found["importance"]["whole"], found["importance"]["better half"]
    for group in sorted(whole, key=lambda one: -whole[one]["total"]["value"]):
        cells = [_share(part[group][kind]) for part in (whole, better) for kind in ("alone", "total")]
        text += f"| {group} | {' | '.join(cells)} |\n"
    text += (
        "\n*Alone* is the part that a group explains by itself, *total* with all interactions that it takes part in; "
    )
    text += "intervals of 95 % by the bootstrap over configurations. The better half has its losses capped at the "
    text += (
        "median, so that only differences among good configurations count. A forest does not see what is far smaller "
    )
    text += "than the noise: 0 % means too little to be seen. "
    told = found["quality"]["validation_loss at the end"]
    text += (
        f"The forest behind it tells configurations that it has not seen with R² {told['r2']:.2f} and rank correlation "
        f"{told['rank']:.2f} ({told['rank_better_half']:.2f} in the better half).\n\n"
    )
    text += _options(found) + _spread(found)
    return text + _made(found)


def _options(found: Mapping[str, Any]) -> str:
    text = "| choice | option | share of all | of the best tenth | mean log loss, all else averaged |\n"
    text += "|---|---|---|---|---|\n"
    for choice, options in found["best tenth"].items():
        for option, shares in options.items():
            mean = found["options"].get(choice, {}).get(option)
            shown = f"{mean['value']:.2f} ({mean['low']:.2f} to {mean['high']:.2f})" if mean else ""
            part = choice.rsplit(".", 1)[-1]
            text += f"| {part} | {option} | {shares['all']:.0%} | {shares['best tenth']:.0%} | {shown} |\n"
    return text + "\nWhere and how are counted among the networks that grow.\n\n"


def _spread(found: Mapping[str, Any]) -> str:
    text = "| | truth, standard deviation over configurations | noise of a run | mean |\n|---|---|---|---|\n"
    for name, row in found["spread"].items():
        digits = 4 if "accuracy" in name else 3
        cells = [f"{row[key]:.{digits}f}" for key in ("truth", "noise", "mean")]
        text += f"| {name.replace('_', ' ')} | {' | '.join(cells)} |\n"
    return text + "\n"


def _replays(name: str, found: Mapping[str, Any]) -> str:
    scale, digits = _scale(found["measure"])
    measure, sign = found["measure"].replace("_", " "), COSTS[found["measure"]] * scale
    text = "### How a search should spend its budget\n\n"
    best = f"{scale * found['best']:.{digits}f}"
    if found.get("modelled"):
        text += (
            f"A race leaves no seed of {found['table']['seeds']} to judge it by, so rules are replayed on a model of "
            f"the table: {_model(found)} The {measure} of what is chosen, without noise; mean ± standard error over "
            f"{found['repeats']:,} replays with random sampling (best of the model {best})."
        )
    else:
        text += (
            f"The {measure} of what is chosen, by seeds that the choice has not seen; mean ± standard error over "
            f"{found['repeats']:,} replays with random sampling (best of the table {best})."
        )
    text += (
        " Searches look at validation samples only, so these are samples that they have not seen either. The unit is "
    )
    text += "the FLOPs of one mean run.\n\n"
    budgets = ("12", "24", "48", "96")
    others = [one for one in ("validation_accuracy", "validation_loss") if one in found["key"]]
    heads = ["trials at 96", "mean rank", *(one.replace("_", " ") for one in others)]
    text += f"| rule | {' | '.join((*budgets, *heads))} |\n|---|{'---|' * (len(budgets) + len(heads))}\n"
    ranks = found["ranks"]["96"]
    for arm, rows in found["rules"].items():
        cells = [
            f"{sign * rows[b]['mean']:.{digits}f} ± {scale * rows[b]['error']:.{digits}f}" if b in rows else "–"
            for b in budgets
        ]
        cells += [f"{rows['96']['trials']:.0f}", f"{ranks['mean'][arm]:.2f}"]
        for other in others:
            factor, places = _scale(other)
            cells.append(f"{factor * rows['96']['beside'][other]:.{places}f}")
        text += f"| {arm} | {' | '.join(cells)} |\n"
    text += f"\nThe last {('three', 'four')[len(others) - 1]} columns are at 96. "
    text += (
        f"Mean ranks differ (Nemenyi, 5 %) from {ranks['critical difference']:.2f} on. Is the default at 24 above what "
    )
    text += f"growsearch did by default before, at 96? {_gains(found)}\n\n"
    text += f"![Regret over FLOPs](figures/replays_{name}.svg)\n\n"
    text += _starts(found, scale, digits) if "starts" in found else ""
    text += _workers(found, sign, scale, digits) if "workers" in found else ""
    return text + _made(found)


def _gains(found: Mapping[str, Any]) -> str:
    """The check of the defaults by every measure, as a sentence."""
    parts = [f"{name.replace('_', ' ')} {_signed(gain, name)}" for name, gain in found["key"].items() if name in COSTS]
    return f"Gain, paired, with its 95 % interval: {'; '.join(parts)}."


def _signed(gain: list[float], measure: str) -> str:
    scale, digits = _scale(measure)
    value, *interval = (f"{scale * one:+.{digits}f}" for one in gain)
    return f"**{value}** ({' to '.join(interval)})" if interval else value


def _scale(measure: str) -> tuple[float, int]:
    return (100.0, 2) if measure.endswith("accuracy") else (1.0, 4)


def _starts(found: Mapping[str, Any], scale: float, digits: int) -> str:
    starts = found["starts"]
    against = {start: _signed(gain, found["measure"]) for start, gain in starts["gain at 24"].items()}
    flops = {start: "more than 48" if used is None else f"{used:.1f}" for start, used in starts["flops to it"].items()}
    return (
        f"**Three configurations to start with.** The regret that a search without them has at 24 runs' FLOPs "
        f"({scale * starts['regret at 24']:.{digits}f}) is reached at {flops['none']} without, {flops['good']} with "
        f"three of the best tenth, {flops['wrong']} with three of the worse half. At 24 the former gain "
        f"{against['good']}, the latter {against['wrong']}, paired.\n\n"
    )


def _workers(found: Mapping[str, Any], sign: float, scale: float, digits: int) -> str:
    text = "| workers | stopping: found | seconds | promotion: found | seconds |\n|---|---|---|---|---|\n"
    for count in ("1", "4", "16"):
        cells = []
        for kind in ("stopping", "promotion"):
            row = found["workers"][f"{kind}, {count}"]
            cells.append(f"{sign * row['mean']:.{digits}f} ± {scale * row['error']:.{digits}f} | {row['seconds']:.0f}")
        text += f"| {count} | {' | '.join(cells)} |\n"
    return text + "\nThe defaults at 96 runs' FLOPs, race included, by the clock of the table's own seconds.\n\n"


def _samplers(found: Mapping[str, Any]) -> str:
    measure = found["measure"]
    scale, digits = _scale(measure)
    text = (
        "### Samplers\n\n"
        f"Samplers choose anywhere in the space, so they are replayed on a model of the table: {_model(found)} "
        f"No race; {found['repeats']} replays each; the truth is the model's.\n\n"
        "| sampler, rung, FLOPs | trials | found | gain over random, paired |\n|---|---|---|---|\n"
    )
    for arm, row in found["arms"].items():
        shown = "" if arm.startswith("random") else _signed(row["gain over random"], measure)
        mean = f"{COSTS[measure] * scale * row['mean']:.{digits}f} ± {scale * row['error']:.{digits}f}"
        text += f"| {arm} | {row['trials']:.0f} | {mean} | {shown} |\n"
    text += (
        "\nHere configurations never run out, as they do in a small table. The default at 24 against the one before at "
    )
    text += f"96, with random sampling: {_signed(found['key'][measure], measure)}.\n\n"
    return text + _made(found)


def _model(found: Mapping[str, Any]) -> str:
    """What a model of a table is, and how good."""
    measure = found["measure"]
    told, seen = (found["quality"][f"{name} at the end"] for name in (measure, "validation_loss"))
    return (
        "a forest for the curves, configurations that are about as good for the noise of the seeds. Of configurations "
        f"left out it tells the {measure.replace('_', ' ')} with R² {told['r2']:.2f} (rank correlation "
        f"{told['rank']:.2f}), the validation loss with {seen['r2']:.2f} ({seen['rank']:.2f})."
    )


def _made(found: Mapping[str, Any]) -> str:
    git, packages = found["git"] or {"commit": "unknown"}, found["packages"]
    return (
        f"`{found['command']}`, commit {git['commit'][:7]}, {found['processor']} ({found['cores']} cores), torch "
        f"{packages['torch']}, scikit-learn {packages['scikit-learn']}; the table has "
        f"{found['table']['configurations']} configurations x {found['table']['seeds']} seeds.\n\n"
    )


def _share(one: Mapping[str, float]) -> str:
    value, low, high = (f"{100 * min(1.0, max(0.0, one[key])):.0f}" for key in ("value", "low", "high"))
    return f"{value} % ({low} to {high})"


def _read(kind: str, name: str) -> dict[str, Any] | None:
    path = HERE / f"{kind}_{name}.json"
    found: dict[str, Any] | None = json.loads(path.read_text()) if path.exists() else None
    return found


def main() -> None:
    PAGE.write_text(page())
    for name, picture in pictures().items():
        (PICTURES / name).write_text(picture)


if __name__ == "__main__":
    main()
