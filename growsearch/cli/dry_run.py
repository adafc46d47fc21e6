"""`--dry-run`: the resolved policies, the sites they can grow, and what seed and budget cost."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from growsearch.cli.output import emit, show
from growsearch.comparison.controls import planned_controls
from growsearch.config import RunConfig
from growsearch.data import load_data
from growsearch.execution.forecast import Forecast, forecast_warnings, forecasts
from growsearch.graph import NetworkGraph, trace
from growsearch.networks import build_network
from growsearch.number_format import plural


def dry_run(config: RunConfig, as_json: bool) -> None:
    """Print what a configuration would run; its data is read and its networks are built, nothing is trained."""
    policies = config.policy_configs()
    coming = forecasts(policies)
    plans = {name: plan_of(policy, coming.get(name)) for name, policy in policies.items()}
    controls = planned_controls(policies, config.control_kinds, config.envelope_sizes)
    warnings = forecast_warnings(coming)
    if as_json:
        named = [control.name for control in controls]
        emit({"seeds": config.seeds, "policies": plans, "controls": named, "warnings": warnings})
        return
    from rich.table import Table

    table = Table("policy", "network", "grows", "sites", "parameters", "budget", "events", "parameters at the end")
    for name, plan in plans.items():
        table.add_row(
            name,
            str(plan["config"]["network"].get("name", "layers")),
            plan["growth"],
            ", ".join(f"{count} {kind}" for kind, count in plan["kinds"].items()),
            f"{plan['parameters']:,}",
            plan["budget"],
            plan["events"],
            plan["end"],
        )
    show(table)
    for network, names in _by_network(plans).items():
        show(f"sites of {', '.join(names)}: {network or 'none'}")
    beside = f" and {len(controls)} controls ({', '.join(control.name for control in controls)})" if controls else ""
    runs = (len(plans) + len(controls)) * config.seeds
    show(*(f"warning: {warning}" for warning in warnings))
    pilots = _pilot_words(config, len(plans) + len(controls))
    kinds = "1 policy" if len(plans) == 1 else f"{len(plans)} policies"
    show(f"{kinds}{beside} x {plural(config.seeds, 'seed')} = {plural(runs, 'run')}{pilots}")


def _pilot_words(config: RunConfig, arms: int) -> str:
    """What tuning adds."""
    if config.tune is None:
        return ""
    rates, seeds = len(config.tune.learning_rates), len(config.tune.pilot_seeds)
    return f", and before them {rates} learning rates x {seeds} pilot seeds of each = {arms * rates * seeds} pilot runs"


def _by_network(plans: dict[str, Any]) -> dict[str, list[str]]:
    """Policies by the widths of their seed network's sites."""
    found: dict[str, list[str]] = {}
    for name, plan in plans.items():
        found.setdefault(", ".join(f"{site} {width}" for site, width in plan["widths"].items()), []).append(name)
    return found


def plan_of(config: RunConfig, coming: Forecast | None) -> dict[str, Any]:
    """Sites, parameters and FLOPs of a configuration's seed network, and what is known of its growth."""
    data = load_data(config.data, 0, config.allow_import)
    graph = _graph(config, config.network, data)
    growth, budget = config.growth, config.growth.budget or {}
    sites = [site for site in graph.sites.values() if _may_grow(site.name, growth.sites)]
    kinds = [site.kind for site in sites]
    parts = ("when", "where", "how") if growth.soft is None else ("soft",)
    text = " + ".join(f"{part} {next(iter(getattr(growth, part)))}" for part in parts)
    full = _at_budget(config, data) if growth.grows else {}
    return {
        "config": config.to_dict(),
        "growth": text if growth.grows or growth.soft is not None else "never",
        "parameters": graph.parameters,
        "flops": graph.flops,
        "kinds": {kind: kinds.count(kind) for kind in dict.fromkeys(kinds)},
        "widths": {site.name: site.width for site in sites if site.kind != "frozen"},
        "budget": ", ".join(f"{measure} {_shown(value)}" for measure, value in budget.items()) if growth.grows else "",
        "budget_parameters": full.get("parameters"),
        "budget_flops": full.get("flops"),
        "events": coming.events_words() if coming else "",
        "end": coming.size_words() if coming else "",
        "steps": coming.firing.steps if coming else None,
        "event_steps": coming.firing.events if coming else None,
        "most_events": coming.firing.most if coming else None,
        "end_parameters": coming.parameters if coming else None,
        "end_flops": coming.flops if coming else None,
    }


def _may_grow(site: str, patterns: tuple[str, ...] | None) -> bool:
    return patterns is None or any(fnmatchcase(site, pattern) for pattern in patterns)


def _graph(config: RunConfig, network: dict[str, Any], data: Any) -> NetworkGraph:
    model = build_network(network, data.input_shape, data.outputs, config.allow_import)
    return trace(model, data.example())


def _shown(limit: Any) -> str:
    """A budget's limit, or its limits by event."""
    return ", ".join(f"{one:g}" for one in limit) if isinstance(limit, list | tuple) else f"{limit:g}"


def _at_budget(config: RunConfig, data: Any) -> dict[str, int]:
    """Parameters and FLOPs of the network at its budget, where they are known before growing."""
    budget = config.growth.budget or {}
    known = {measure: budget[measure] for measure in ("parameters", "flops") if measure in budget}
    if "width" in budget and not config.growth.limits and ("width" in config.network or "layers" in config.network):
        graph = _graph(config, {**config.network, "width": budget["width"]}, data)
        known = {"parameters": graph.parameters, "flops": graph.flops}
    return {key: max(value) if isinstance(value, list | tuple) else value for key, value in known.items()}
