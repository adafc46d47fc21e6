"""The JSON Schema of files (draft 2020-12), made from the models and from whatever is installed."""

from __future__ import annotations

from collections.abc import Sequence
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
from growsearch.config.ranges import Choice, FloatRange, IntRange
from growsearch.config.search_config import SearchConfig
from growsearch.optimizers import offered_names
from growsearch.registry import STRATEGY_GROUPS, lookup, names

Schema = dict[str, Any]

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def file_schema() -> Schema:
    """Schema of a whole file; a range is accepted wherever a value is."""
    definitions: Schema = {
        name: _inline(model.model_json_schema())
        for name, model in (("float_range", FloatRange), ("int_range", IntRange), ("choice", Choice))
    }
    definitions |= {"data": _named("data", whole=True), "network": _network(whole=True)}
    definitions["training"] = _training()
    definitions["growth"] = _growth()
    sections = {name: _reference(name) for name in ("data", "network", "training", "growth")}
    overrides = {**sections, "data": _named("data", whole=False), "network": _network(whole=False)}
    definitions["policy"] = _object({name: _optional(schema) for name, schema in overrides.items()})
    return {
        "$schema": DRAFT,
        "title": "growsearch file",
        **_object(
            {
                **sections,
                "growth": _optional(sections["growth"]),
                "task": _optional(_named("tasks", whole=True)),
                "search": _inline(SearchConfig.model_json_schema()),
                "policies": {"type": "object", "additionalProperties": _reference("policy"), "minProperties": 1},
                "seeds": {"type": "integer", "minimum": 1, "description": "runs of every policy: seeds 0 to N-1"},
                "reference": {"type": "string", "description": "policy that the others are tested against"},
                "controls": {
                    "type": "array",
                    "items": {"anyOf": [{"enum": list(CONTROL_KINDS)}, _inline(EnvelopeControl.model_json_schema())]},
                    "description": "what is trained beside each policy that grows",
                },
                "tune": _inline(TuneConfig.model_json_schema()),
            },
            required=["data", "network", "training"],
        ),
        "$defs": definitions,
    }


def _object(properties: Schema, required: list[str] | None = None) -> Schema:
    needed = {"required": required} if required else {}
    return {"type": "object", "additionalProperties": False, "properties": properties, **needed}


def _reference(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}


def _optional(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _inline(schema: Schema) -> Schema:
    """A model's schema with the definitions of the models inside it put in their places."""
    definitions = schema.pop("$defs", {})

    def resolve(node: Any) -> Any:
        if isinstance(node, list):
            return [resolve(child) for child in node]
        if not isinstance(node, dict):
            return node
        if "$ref" in node:
            resolved: Schema = resolve(definitions[node["$ref"].rpartition("/")[2]])
            return {**resolved, **{key: value for key, value in node.items() if key != "$ref"}}
        return {key: resolve(child) for key, child in node.items()}

    inlined: Schema = resolve(schema)
    return inlined


def _open(model: type[BaseModel], **sections: Schema) -> Schema:
    """A model's schema in which every value may be a range, and every key may be left out.

    Keys are not required, because a policy gives some of them only; loading a file checks the whole. `sections`
    replaces the schemas of some keys.
    """
    schema = _inline(model.model_json_schema())
    properties = {
        key: sections[key] if key in sections else _or_range(value)
        for key, value in schema.get("properties", {}).items()
    }
    about: Schema = {"description": schema["description"]} if "description" in schema else {}
    return about | _object(properties)


def _or_range(schema: Schema) -> Schema:
    """A value's schema, or a range of such values."""
    if schema.get("type") == "object" and "properties" in schema:
        return {**schema, "properties": {key: _or_range(value) for key, value in schema["properties"].items()}}
    if isinstance(schema.get("items"), dict):
        schema = {**schema, "items": _or_range(schema["items"])}
    kinds = {one.get("type") for one in (schema, *schema.get("anyOf", []))}
    ranges = [_reference("choice")]
    ranges += [_reference("int_range")] if kinds & {"integer", "number"} else []
    ranges += [_reference("float_range")] if "number" in kinds else []
    about: Schema = {key: schema[key] for key in ("description", "default") if key in schema}
    bare = {key: value for key, value in schema.items() if key not in ("description", "default", "title")}
    return {**about, "anyOf": [*bare.pop("anyOf", []), *([bare] if bare else []), *ranges]}


def _strategy(group: str) -> Schema:
    """A strategy's name, or its name with parameters, or a choice of them."""
    known = {name: _registered(group, name) for name in names(group)}
    options = {"type": "object", "minProperties": 1, "additionalProperties": False, "properties": known}
    return {
        "anyOf": [
            {"enum": list(known)},
            {**options, "maxProperties": 1},
            _object({"type": {"const": "choice"}, "options": options}, required=["type", "options"]),
        ]
    }


def _registered(group: str, name: str) -> Schema:
    model: Any = lookup(group, name)
    return _optional({**_open(model), "description": model.summary})


def _named(group: str, extra: Sequence[Schema] = (), *, whole: bool) -> Schema:
    """`{name: ..., parameters}` for everything in a group, the bare name, or a choice.

    A policy may leave the name out (not `whole`), to change some parameters of what the file names.
    """
    registered: dict[str, Any] = {name: lookup(group, name) for name in names(group)}
    mappings = _mappings(registered, {"required": ["name"]} if whole else {})
    return {"anyOf": [{"enum": list(registered)}, *mappings, *extra, _options({"type": "object"})]}


def _mappings(registered: dict[str, Any], needed: Schema) -> list[Schema]:
    """`{name: NAME, parameters}` for each model."""
    mappings = []
    for name, model in registered.items():
        schema = _open(model)
        properties = {"name": {"const": name}, **schema["properties"]}
        mappings.append({**schema, "description": model.summary, "properties": properties, **needed})
    return mappings


def _options(schema: Schema) -> Schema:
    options = {"type": "object", "minProperties": 1, "additionalProperties": _optional(schema)}
    return _object({"type": {"const": "choice"}, "options": options}, required=["type", "options"])


def _network(*, whole: bool) -> Schema:
    width = _or_range({"type": "number", "exclusiveMinimum": 0})
    layers = {**_object({"layers": {"type": "array"}, "width": width}), "required": ["layers"]}
    path = {"type": "string", "pattern": ":"}
    imported = {"type": "object", "properties": {"name": path}, "required": ["name"]}
    return _named("networks", [layers, path, imported], whole=whole)


def _training() -> Schema:
    schema = _open(TrainingConfig)
    schedule = _open_inline(TrainingConfig, "schedule")
    named = {"enum": schedule["properties"]["name"]["anyOf"][0]["enum"]}
    schema["properties"]["optimizer"] = {"anyOf": [*_optimizers(), _options({"type": "object"})]}
    schema["properties"]["schedule"] = {"anyOf": [named, schedule, _options({"type": "object"})]}
    return schema


def _optimizers() -> list[Schema]:
    known = {name: lookup("optimizers", name) for name in offered_names()}
    return _mappings(known, {})


def _open_inline(model: type[BaseModel], key: str) -> Schema:
    annotation: Any = model.model_fields[key].annotation
    return _open(annotation)


def _growth() -> Schema:
    groups = {group: _strategy(group) for group in STRATEGY_GROUPS}
    return _open(GrowthConfig, budget=_optional(_open(BudgetConfig)), **groups)
