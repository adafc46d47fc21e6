"""What was run, and on what."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

from growsearch.comparison import ComparisonResults
from growsearch.number_format import human, plural
from growsearch.report.markup import details, table
from growsearch.report.tables import Table


def title_of(results: ComparisonResults, config: dict[str, Any]) -> str:
    """`5 policies on digits, network vgg11`."""
    policies = list(results.policies)
    network = config["network"].get("name", "layers")
    what = f"{len(policies)} policies" if len(policies) > 1 else "One training run"
    return f"{what} on {_data(config['data'])}, network {network}"


def _data(data: dict[str, Any]) -> str:
    """The data set's name; for a folder of images that of the folder."""
    return f"images of {Path(data['root']).name}" if data["name"] == "image_folder" else str(data["name"])


def about(name: str, results: ComparisonResults, config: dict[str, Any], environment: dict[str, Any]) -> str:
    """Length, seeds and machine, in a sentence.

    Args:
        name: of the file.
        results: of the run.
        config: of the run.
        environment: that it ran in.
    """
    training = config["training"]
    length = length_of(training)
    seeds = max((len(rows["seeds"]) for rows in results.policies.values()), default=0)
    optimizer = training["optimizer"]["name"]
    data = _samples(results.samples)
    return f"{name}: {length} with {optimizer}, {plural(seeds, 'seed')} per policy{data}, {where(environment)}."


def _samples(samples: dict[str, int] | None) -> str:
    """`, 1,097 training, 300 validation and 400 test samples`; nothing where a run did not say."""
    if not samples:
        return ""
    *first, last = [f"{count:,} {split}" for split, count in samples.items() if count]
    return f", {', '.join(first)} and {last} samples"


def length_of(training: dict[str, Any]) -> str:
    """`30 epochs`, `500 steps` or `1 T training FLOPs`."""
    for key, one in (("epochs", "epoch"), ("steps", "step")):
        if training.get(key):
            return plural(training[key], one)
    return f"{human(training['flops'])} training FLOPs"


def where(environment: dict[str, Any]) -> str:
    """The machine, in words."""
    machine = environment["accelerator"] if environment["device"].startswith("cuda") else environment["processor"]
    return f"on {machine} with torch {environment['packages']['torch']}"


def provenance(config: str, environment: dict[str, Any], what: str = "Configuration") -> str:
    """The whole configuration, and the environment, closed at first."""
    written = f'<pre tabindex="0" role="region" aria-label="{what}">{escape(config)}</pre>'
    return f"{details(what, written)}\n{details('Environment', table(environment_table(environment)))}"


def environment_table(environment: dict[str, Any]) -> Table:
    """Versions, hardware and the command."""
    flat = {key: value for key, value in environment.items() if not isinstance(value, dict)}
    flat |= environment["packages"]
    flat |= {f"git {key}": value for key, value in (environment.get("git") or {}).items()}
    flat["command"] = " ".join(environment["command"])
    rows = tuple((key, _shown(value)) for key, value in flat.items() if value is not None)
    caption = "The machine, the versions and the command. Git: the folder that the command was started in."
    return Table("environment", "Environment", caption, ("what", "value"), rows)


def failure_list(failures: list[dict[str, Any]], what: str = "run") -> str:
    """What did not finish, with the reasons; `what` says whether runs or trials."""
    if not failures:
        return ""
    items = "".join(f"<li>{escape(_failed(failure))}: {escape(failure['reason'])}</li>" for failure in failures)
    return f'<div class="failures"><strong>{plural(len(failures), what)} failed</strong><ul>{items}</ul></div>'


def _failed(failure: dict[str, Any]) -> str:
    return f"trial {failure['trial']}" if "trial" in failure else f"{failure['policy']}, seed {failure['seed']}"


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
