"""Checking a plain file (one without ranges): every section by its model, every strategy by its own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from growsearch.config.models import (
    CONTROL_KINDS,
    BudgetConfig,
    EnvelopeControl,
    GrowthConfig,
    TrainingConfig,
    TuneConfig,
)
from growsearch.config.problems import Problem, check_model, problem
from growsearch.config.search_config import SearchConfig
from growsearch.errors import InputError
from growsearch.pydantic_words import show
from growsearch.registry import NOUNS, STRATEGY_GROUPS, lookup, names
from growsearch.yaml_source import KeyPath

KEYS = ("data", "network", "training", "growth", "task", "search", "policies", "seeds", "reference", "controls", "tune")
POLICY_KEYS = ("data", "network", "training", "growth")
POLICY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def is_imported(network: Any) -> bool:
    """Whether a network, well described or not, is any importable callable."""
    name = str(network.get("name")) if isinstance(network, Mapping) else ""
    return ":" in name and not name.startswith("torchvision:")


def data_are_imported(data: Any) -> bool:
    """Whether data, well described or not, are made by any importable callable."""
    name = named(data).get("name") if isinstance(named(data), Mapping) else None
    if name not in names("data"):
        return False
    kind: Any = lookup("data", str(name))
    return bool(kind.imports)


def grown_width(growth: GrowthConfig, network: Mapping[str, Any]) -> float | None:
    """The budget's width as a multiple of the seed network's widths; None where the budget is no width.

    A file gives it on the scale of `network.width`: a network of width 0.25 with a budget of width 1.0 grows to
    4 times its size.
    """
    width = (growth.budget or {}).get("width")
    return None if width is None else width / network.get("width", 1.0)


def check_sections(data: Mapping[str, Any], allow_import: bool = False) -> tuple[dict[str, Any], list[Problem]]:
    """The sections of a plain file with all defaults filled in, by key, and all that is wrong with them.

    The overrides in `policies` are taken as they are: each has to be merged and checked as a file of its own.
    `allow_import`: whether network and data may be made by any importable callable, which runs code.
    """
    problems = [problem((key,), f"unknown key {key!r}", allowed=KEYS, name=key) for key in data if key not in KEYS]
    problems += [problem((key,), "missing", allowed=["a mapping"]) for key in KEYS[:3] if data.get(key) is None]
    sections: dict[str, Any] = {"policies": data.get("policies") or {}, "allow_import": allow_import}
    for key, checker in (
        ("data", _check_data),
        ("network", _check_network),
        ("training", _check_training),
        ("growth", _check_growth),
        ("task", _check_task),
        ("search", _check_search),
        ("seeds", _check_seeds),
        ("reference", _check_reference),
        ("controls", _check_controls),
        ("tune", _check_tune),
    ):
        if data.get(key) is not None:
            sections[key], more = checker(data[key])
            problems += more
    for key, imports in (("network", is_imported), ("data", data_are_imported)):
        if not allow_import and imports(data.get(key)):
            advice = "it is imported, which runs its code: pass --allow-import to allow that"
            problems.append(problem((key, "name"), advice, found=named(data[key])["name"]))
    if not problems:
        problems += _check_budget(sections) + _check_length(sections) + _check_pilots(sections)
    return sections, problems


def named(value: Any) -> Any:
    """A bare name as the mapping that it stands for."""
    return {"name": value} if isinstance(value, str) else value


def _registered(group: str, name: str, parameters: Any, path: KeyPath) -> tuple[BaseModel | None, list[Problem]]:
    """The registered model of that name with its parameters, or what is wrong."""
    if name not in names(group):
        return None, [problem(path, f"unknown {NOUNS[group]}", found=name, allowed=names(group), name=name)]
    return check_model(lookup(group, name), parameters, path)


def _check_named(group: str, value: Any, path: KeyPath, known: Sequence[str]) -> tuple[dict[str, Any], list[Problem]]:
    """`{"name": NAME, **parameters}` with defaults filled in, or what is wrong; `known` are the names to choose."""
    value = named(value)
    if not isinstance(value, Mapping) or not isinstance(value.get("name"), str):
        return {}, [problem(path, "needs a name", found=show(value), allowed=[f"{{name: {n}}}" for n in known])]
    name = value["name"]
    if name not in names(group):
        return {}, [problem((*path, "name"), f"unknown {NOUNS[group]}", found=name, allowed=known, name=name)]
    model, problems = _registered(group, name, {k: v for k, v in value.items() if k != "name"}, path)
    return ({"name": name, **model.model_dump(mode="json", exclude_none=True)} if model else {}), problems


def _check_data(value: Any) -> tuple[dict[str, Any], list[Problem]]:
    return _check_named("data", value, ("data",), names("data"))


def _check_task(value: Any) -> tuple[dict[str, Any], list[Problem]]:
    return _check_named("tasks", value, ("task",), names("tasks"))


def _check_network(value: Any) -> tuple[dict[str, Any], list[Problem]]:
    value = named(value)
    name = str(value.get("name")) if isinstance(value, Mapping) else ""
    from growsearch.networks import torchvision_network, validate_network

    if ":" not in name and (not isinstance(value, Mapping) or "layers" not in value):
        known = names("networks")
        if name and name not in known and (meant := torchvision_network(name)) is not None:
            allowed = [*known, meant]
            return {}, [problem(("network", "name"), "unknown network", found=name, allowed=allowed, name=meant)]
        return _check_named("networks", value, ("network",), known)

    try:
        validate_network(value)
    except InputError as error:
        return {}, [Problem(("network",), line) for line in str(error).splitlines()]
    return dict(value), []


def _check_training(value: Any) -> tuple[TrainingConfig | None, list[Problem]]:
    if isinstance(value, Mapping) and isinstance(value.get("schedule"), str):
        value = {**value, "schedule": named(value["schedule"])}
    value, problems = _without_nulls(value), list[Problem]()
    if isinstance(value, Mapping) and "optimizer" in value:
        optimizer, problems = _check_optimizer(value["optimizer"])
        value = {**value, "optimizer": optimizer}
    training, more = check_model(TrainingConfig, value, ("training",))
    return (None if problems else training), problems + more


def _check_optimizer(value: Any) -> tuple[dict[str, Any], list[Problem]]:
    from growsearch.optimizers import offered_names

    path: KeyPath = ("training", "optimizer")
    name = value.get("name") if isinstance(value, Mapping) else value
    if name in names("optimizers") and (reason := getattr(lookup("optimizers", name), "refused", None)):
        return {}, [problem((*path, "name"), f"{name} cannot follow a growth: {reason}", allowed=offered_names())]
    return _check_named("optimizers", value, path, offered_names())


def _check_search(value: Any) -> tuple[SearchConfig | None, list[Problem]]:
    return check_model(SearchConfig, value, ("search",))


def _check_seeds(value: Any) -> tuple[int, list[Problem]]:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        return 1, [problem(("seeds",), "must be a whole number of at least 1", found=show(value))]
    return value, []


def _check_reference(value: Any) -> tuple[str, list[Problem]]:
    if not isinstance(value, str):
        return "", [problem(("reference",), "must be the name of a policy", found=show(value))]
    return value, []


def _check_controls(value: Any) -> tuple[tuple[str | EnvelopeControl, ...], list[Problem]]:
    """The kinds of controls in their usual order, `envelope` with its options where it has any."""
    if not isinstance(value, list):
        return (), [problem(("controls",), "must be a list", found=show(value), allowed=CONTROL_KINDS)]
    problems: list[Problem] = []
    found: dict[str, str | EnvelopeControl] = {}
    for index, one in enumerate(value):
        path: KeyPath = ("controls", index)
        if isinstance(one, Mapping) and list(one) == ["envelope"]:
            envelope, more = check_model(EnvelopeControl, one, path)
            problems += more
            if envelope is not None:
                found["envelope"] = envelope if envelope.envelope.sizes else "envelope"
        elif one in CONTROL_KINDS:
            found.setdefault(one, one)
        else:
            problems.append(problem(path, "unknown control", found=show(one), allowed=CONTROL_KINDS, name=str(one)))
    return tuple(found[kind] for kind in CONTROL_KINDS if kind in found), problems


def _check_tune(value: Any) -> tuple[TuneConfig | None, list[Problem]]:
    return check_model(TuneConfig, value, ("tune",))


def _check_growth(value: Any) -> tuple[GrowthConfig | None, list[Problem]]:
    problems: list[Problem] = []
    if not isinstance(value, Mapping):
        return check_model(GrowthConfig, value, ("growth",))
    strategies: dict[str, Any] = {}
    value = _without_nulls(value)
    for group in STRATEGY_GROUPS:
        if group in value:
            strategies[group], more = _check_strategy(group, value[group])
            problems += more
    if "how" not in strategies and "never" not in strategies.get("when", {"never": {}}):
        problems.append(problem(("growth", "how"), "missing: how new units start", allowed=names("how")))
    if "soft" in value:
        problems += _check_soft(value, strategies)
    if "budget" in value:
        problems += check_model(BudgetConfig, value["budget"], ("growth", "budget"))[1]
    plain = {key: item for key, item in value.items() if key not in (*STRATEGY_GROUPS, "budget")}
    rest, more = check_model(GrowthConfig, plain, ("growth",))
    if rest is None or problems or more:
        return None, problems + more
    return rest.model_copy(update={**strategies, "budget": value.get("budget")}), []


def _check_soft(value: Mapping[str, Any], strategies: Mapping[str, Any]) -> list[Problem]:
    """Gradient descent chooses the sizes: what would choose them in events may only be as it is by default."""
    advice = "growth.soft lets gradient descent choose the sizes, so this has no place beside it: leave one of them out"
    problems = []
    for group, default in (("when", "never"), ("where", "uniform"), ("how", "zero")):
        if default not in strategies.get(group, {default: {}}):
            problems.append(problem(("growth", group), advice, found=show(value[group])))
    for key, nothing in (("budget", None), ("amount", None), ("round_to", 1), ("limits", None)):
        if value.get(key, nothing) != nothing:
            problems.append(problem(("growth", key), advice, found=show(value[key])))
    return problems


def _check_strategy(group: str, value: Any) -> tuple[dict[str, dict[str, Any]], list[Problem]]:
    """`name` or `{name: {parameter: value}}` as the latter, with the strategy's defaults filled in."""
    path: KeyPath = ("growth", group)
    if isinstance(value, str):
        value = {value: {}}
    if not isinstance(value, Mapping) or len(value) != 1:
        found = show(list(value)) if isinstance(value, Mapping) else show(value)
        message = "name exactly one, as {name: {parameter: value}}"
        return {}, [problem(path, message, found=found, allowed=names(group))]
    [(name, parameters)] = value.items()
    model, problems = _registered(group, name, {} if parameters is None else parameters, (*path, name))
    return ({name: model.model_dump(mode="json")} if model else {}), problems


def _check_budget(sections: Mapping[str, Any]) -> list[Problem]:
    growth: GrowthConfig = sections.get("growth", GrowthConfig())
    share = grown_width(growth, sections["network"])
    if share is None or share >= 1 or not growth.grows:
        return []
    seed = sections["network"].get("width", 1.0)
    path = ("growth", "budget", "width")
    found = f"width {share * seed:g}"
    return [problem(path, "budget below the seed network", found=found, allowed=[f"{seed:g} or more"])]


def _check_length(sections: Mapping[str, Any]) -> list[Problem]:
    """What a step costs is counted anew at growth events, which a size that gradient descent moves does not have."""
    growth: GrowthConfig = sections.get("growth", GrowthConfig())
    if sections["training"].flops is None or growth.soft is None:
        return []
    advice = "the cost of a step is not followed where gradient descent chooses the size: give epochs or steps"
    found = f"flops {sections['training'].flops:g}, soft {next(iter(growth.soft))}"
    return [problem(("training", "flops"), advice, found=found)]


def _check_pilots(sections: Mapping[str, Any]) -> list[Problem]:
    """The seeds that choose a learning rate are none of those that are compared."""
    tune: TuneConfig | None = sections.get("tune")
    seeds = sections.get("seeds", 1)
    both = [seed for seed in tune.pilot_seeds if seed < seeds] if tune is not None else []
    if not both:
        return []
    advice = f"pilot seeds choose the learning rate, so they must not be among the seeds compared, 0 to {seeds - 1}"
    return [problem(("tune", "pilot_seeds"), advice, found=show(both), allowed=[f"{seeds} and above"])]


def _without_nulls(value: Any) -> Any:
    """A mapping without the keys that are null: a policy takes a value of the file away by null."""
    return {key: item for key, item in value.items() if item is not None} if isinstance(value, Mapping) else value
