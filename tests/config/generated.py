"""Files that the JSON Schema describes, and nearly so: a Hypothesis strategy made from the schema itself."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from growsearch.config.schema import file_schema

Strategy = st.SearchStrategy[Any]
DEEPEST = 6

_SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 2000), st.floats(), st.text(max_size=4), st.sampled_from(["mlp", "sgd"])
)
ANYTHING: Strategy = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


def files() -> Strategy:
    """Whole files, some of whose values the schema does not allow."""
    schema = file_schema()
    return _of(schema, schema["$defs"], 0)


def _of(schema: dict[str, Any], definitions: dict[str, Any], depth: int) -> Strategy:
    """What a schema allows, and now and then something else."""
    if depth > DEEPEST:
        return _SCALARS
    if "$ref" in schema:
        return _of(definitions[schema["$ref"].rpartition("/")[2]], definitions, depth + 1)
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return st.one_of([_of(one, definitions, depth + 1) for one in schema[several]])
    if "const" in schema or "enum" in schema:
        return _mostly(st.sampled_from(schema.get("enum") or [schema["const"]]))
    kind = schema.get("type")
    match kind[0] if isinstance(kind, list) else kind:
        case "object":
            return _mostly(_mapping(schema, definitions, depth))
        case "array":
            return _mostly(st.lists(_of(schema.get("items") or {}, definitions, depth + 1), max_size=3))
        case "integer":
            return _mostly(st.integers(*_limits(schema, 0, 300)))
        case "number":
            return _mostly(st.floats(*_limits(schema, 0, 1)))
        case "boolean":
            return _mostly(st.booleans())
        case "string":
            return _mostly(st.text(max_size=6))
    return ANYTHING


def _mostly(allowed: Strategy) -> Strategy:
    return st.integers(0, 59).flatmap(lambda drawn: ANYTHING if drawn == 0 else allowed)


def _limits(schema: dict[str, Any], low: int, high: int) -> tuple[int, int]:
    least = int(schema.get("minimum", schema.get("exclusiveMinimum", low)))
    return least, max(least, int(schema.get("maximum", schema.get("exclusiveMaximum", max(high, least)))))


def _mapping(schema: dict[str, Any], definitions: dict[str, Any], depth: int) -> Strategy:
    known = {key: _of(one, definitions, depth + 1) for key, one in (schema.get("properties") or {}).items()}
    needed = {key: known.pop(key) for key in schema.get("required", ()) if key in known}
    others = schema.get("additionalProperties")
    made: Strategy = st.fixed_dictionaries(needed, optional=known)
    if isinstance(others, dict) and others:
        more = st.dictionaries(st.text("abc", min_size=1, max_size=3), _of(others, definitions, depth + 1), max_size=2)
        return st.tuples(made, more).map(lambda pair: {**pair[1], **pair[0]})
    return made
