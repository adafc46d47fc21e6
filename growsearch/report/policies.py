"""What each policy is: its network, and when, where and how it grows."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from growsearch.comparison import ComparisonResults
from growsearch.config.merge import merge
from growsearch.config.run_config import normalized
from growsearch.errors import GrowsearchError
from growsearch.number_format import counted
from growsearch.registry import lookup
from growsearch.report.markup import details, stacked_table
from growsearch.report.tables import Table

_GROUPS = ("when", "where", "how", "soft")


def policy_section(config: dict[str, Any], results: ComparisonResults) -> str:
    """A row for each policy, and in a closed part what the strategies do; empty for a run without policies."""
    policies = _merged(config)
    if len(policies) < 2:
        return ""
    shown = [row.policy for row in results.rows() if row.policy in policies]
    reference = results.conclusions.reference
    networks = _differing([policies[name]["network"] for name in shown])
    others = _others([policies[name] for name in shown])
    rows: tuple[tuple[str, ...], ...] = tuple(
        (*_row(name, network, policies[name]["growth"], results.policies[name], name == reference), other)
        for name, network, other in zip(shown, networks, others, strict=True)
    )
    caption = (
        f"What is not named here is the same for all, and in the configuration below. {reference} is the "
        "reference: the policy that the others are tested against."
    )
    titles: tuple[str, ...] = ("policy", "network", "when", "where", "how", "parameters at the end", "else of its own")
    if not any(others):
        titles, rows = titles[:-1], tuple(row[:-1] for row in rows)
    summaries = _summaries([policies[name]["growth"] for name in shown])
    listed = "".join(f"<li><strong>{escape(name)}</strong>: {escape(said)}</li>" for name, said in summaries)
    glossary = details("What the strategies do", f"<ul>{listed}</ul>") if listed else ""
    return f'<div class="words">{stacked_table(Table("policies", "Policies", caption, titles, rows))}</div>{glossary}'


def _merged(config: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The configuration of each policy, with all defaults."""
    base = {key: value for key, value in config.items() if key != "policies"}
    return {name: _resolved(merge(base, overrides or {})) for name, overrides in (config.get("policies") or {}).items()}


def _resolved(config: dict[str, Any]) -> dict[str, Any]:
    """With the defaults; as it is where something that it names is not installed here."""
    try:
        return normalized(config, allow_import=True).to_dict()
    except GrowsearchError:
        network = config["network"]
        plain = {"name": network} if isinstance(network, str) else network
        return {**config, "network": plain, "growth": config.get("growth") or {}}


def _others(configs: Sequence[dict[str, Any]]) -> list[str]:
    """What each policy has in training and data, and in limits of its growth, that another one has otherwise."""
    common = [_flat({part: one.get(part) or {} for part in ("data", "training")}) for one in configs]
    limits = [_limits(one["growth"]) for one in configs]
    telling = {*_differing_keys(common), *_differing_keys([one for one in limits if one is not None])}
    both = [{**one, **(more or {})} for one, more in zip(common, limits, strict=True)]
    return [", ".join(f"{key} {_value(value)}" for key, value in one.items() if key in telling) for one in both]


def _limits(growth: dict[str, Any]) -> dict[str, Any] | None:
    """Budget, amount, sites and the like; None for a network that does not grow."""
    return None if _still(growth) else _flat({key: value for key, value in growth.items() if key not in _GROUPS})


def _differing_keys(flat: Sequence[dict[str, Any]]) -> list[str]:
    keys = dict.fromkeys(key for one in flat for key in one)
    return [key for key in keys if len({str(one.get(key)) for one in flat}) > 1]


def _still(growth: dict[str, Any]) -> bool:
    return not growth.get("soft") and _named(growth.get("when") or "never")[0] == "never"


def _flat(plain: dict[str, Any], path: str = "") -> dict[str, Any]:
    """`{"training.epochs": 3}`."""
    found: dict[str, Any] = {}
    for key, value in plain.items():
        found |= _flat(value, f"{path}{key}.") if isinstance(value, dict) else {f"{path}{key}": value}
    return found


def _differing(networks: Sequence[dict[str, Any]]) -> list[str]:
    """Each network by its name and the parameters in which it differs from another one."""
    parameters = [{key: value for key, value in one.items() if key not in ("name", "layers")} for one in networks]
    telling = sorted(_differing_keys(parameters))
    names = [str(one.get("name") or f"{len(one['layers'])} layers") for one in networks]
    return [_words({name: {k: one.get(k) for k in telling}}) for name, one in zip(names, networks, strict=True)]


def _row(name: str, network: str, growth: dict[str, Any], rows: dict[str, Any], reference: bool) -> tuple[str, ...]:
    sizes = sorted(set(rows["parameters"]))
    size = " to ".join(counted(each) for each in dict.fromkeys((*sizes[:1], *sizes[-1:])))
    title = f"{name} (reference)" if reference else name
    if growth.get("soft"):
        parts = ("by gradient descent", "", _words(growth["soft"]))
    elif _still(growth):
        parts = ("does not grow", "", "")
    else:
        parts = (_words(growth["when"]), _words(growth.get("where") or "uniform"), _words(growth.get("how") or ""))
    return (title, network, *parts, size)


def _named(spec: Any) -> tuple[str, dict[str, Any]]:
    """The name and the parameters of a strategy as a file gives it."""
    if isinstance(spec, dict):
        name, values = next(iter(spec.items()))
        return str(name), dict(values or {})
    return str(spec), {}


def _words(spec: Any) -> str:
    """`interval (every 16, count 6)`; a list of many values by its ends."""
    name, values = _named(spec)
    given = ", ".join(f"{key} {_value(value)}" for key, value in values.items() if value is not None)
    return f"{name} ({given})" if given else name


def _value(value: Any) -> str:
    if isinstance(value, list | tuple) and len(value) > 4:
        return f"{value[0]}, {value[1]}, … {value[-1]}"
    return str(value).strip("[]")


def _summaries(growths: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """What every strategy in use says of itself; nothing of one that is not installed here."""
    used = {(group, _named(growth[group])[0]) for growth in growths for group in _GROUPS if growth.get(group)}
    found = []
    for group, name in sorted(used, key=lambda one: (_GROUPS.index(one[0]), one[1])):
        try:
            strategy: Any = lookup(group, name)
        except GrowsearchError:
            continue
        found.append((f"{group}: {name}", f"{strategy.summary} ({strategy.source})"))
    return found
