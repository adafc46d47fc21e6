"""A strict reader of YAML files: YAML 1.2 core values, no duplicate keys, the position of every value kept.

PyYAML reads YAML 1.1, where `1e-3` is a string, `010` is 8 and `no` is False. Here plain values are resolved by the
core schema of YAML 1.2 (section 10.3.2), and what a configuration does not need is refused: tags, anchors and aliases,
several documents in a file, keys that are not strings.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from growsearch.errors import ConfigError

Key = str | int
KeyPath = tuple[Key, ...]

MAX_DEPTH = 40


@dataclass(frozen=True)
class Source:
    """A parsed file: `data` as plain Python values, and where each value stands (line and column from 1)."""

    name: str
    data: dict[str, Any]
    marks: dict[KeyPath, tuple[int, int]]

    def mark(self, path: KeyPath) -> tuple[int, int]:
        """Line and column of the key at `path`, or of the nearest thing above it that the file has."""
        while path and path not in self.marks:
            path = path[:-1]
        return self.marks.get(path, (1, 1))


class CoreLoader(yaml.SafeLoader):
    """PyYAML's safe loader with the implicit types of YAML 1.2's core schema; used for its node tree only."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}


_PLAIN = (
    ("null", r"null|Null|NULL|~|", ["n", "N", "~", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.")),
)
for _name, _pattern, _first in _PLAIN:
    CoreLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(rf"^(?:{_pattern})$"), _first)


def read_source(path: Path) -> Source:
    """Read a YAML file; `ConfigError` lists what is wrong with it as YAML, with line and column."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not a YAML file: it is not UTF-8 text (byte {error.start})") from error
    return parse_source(text, str(path))


def parse_source(text: str, name: str) -> Source:
    """Parse YAML text that must hold one mapping; `name` is shown in messages."""
    reader = _Reader(name)
    node = reader.compose(text)
    if node is None:
        raise ConfigError(f"{name}:1:1: the file is empty (allowed: a mapping with data, network, training, ...)")
    data = reader.build(node, ())
    if not isinstance(data, dict) and not reader.problems:
        found = "a list" if isinstance(data, list) else f"the value {data!r}"
        reader.problem(node.start_mark, f"the file must be a mapping such as `network: {{name: mlp}}` (found {found})")
    if reader.problems:
        raise ConfigError("\n".join(reader.problems))
    return Source(name, data, reader.marks)


def parse_value(text: str, name: str) -> Any:
    """Parse one YAML value, such as the right side of `--set path=value`."""
    reader = _Reader(name)
    node = reader.compose(text)
    value = None if node is None else reader.build(node, ())
    if reader.problems:
        raise ConfigError("\n".join(reader.problems))
    return value


class _Reader:
    """Turns YAML text into plain values, collecting problems instead of stopping at the first."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.problems: list[str] = []
        self.marks: dict[KeyPath, tuple[int, int]] = {}

    def problem(self, mark: Any, message: str) -> None:
        """Note a problem at a position."""
        position = "" if mark is None else f":{mark.line + 1}:{mark.column + 1}"
        self.problems.append(f"{self.name}{position}: {message}")

    def compose(self, text: str) -> yaml.Node | None:
        """The tree of the text's only document, or None where it is empty."""
        try:
            self._refuse_events(text)
            if self.problems:
                raise ConfigError("\n".join(self.problems))
            node: yaml.Node | None = yaml.compose(text, CoreLoader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            self.problem(mark, "not valid YAML: " + " ".join(filter(None, (error.context, error.problem))))
            raise ConfigError("\n".join(self.problems)) from error
        except yaml.YAMLError as error:
            raise ConfigError(f"{self.name}: not a YAML file: {str(error).splitlines()[0]}") from error
        return node

    def _refuse_events(self, text: str) -> None:
        """Look at the flat stream of events first: composing would already follow aliases and deep nesting."""
        documents = depth = 0
        for event in yaml.parse(text, CoreLoader):
            if isinstance(event, yaml.AliasEvent):
                self.problem(
                    event.start_mark, f"aliases are not supported (found *{event.anchor}): write the value out"
                )
            elif isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents == 2:
                    self.problem(event.start_mark, "a second document: a file holds one")
            elif isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    self.problem(event.start_mark, f"nested more than {MAX_DEPTH} deep")
                    return
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if isinstance(event, yaml.NodeEvent) and not isinstance(event, yaml.AliasEvent):
                self._refuse_decoration(event)

    def _refuse_decoration(self, event: yaml.NodeEvent) -> None:
        tag = getattr(event, "tag", None)
        if event.anchor:
            self.problem(event.start_mark, f"anchors are not supported (found &{event.anchor}): leave it out")
        if tag:
            self.problem(event.start_mark, f"tags are not supported (found {tag}): leave it out")

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        """The plain value of a node; the marks of all that is in it are kept."""
        self.marks.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            mark = key_node.start_mark
            key = key_node.value
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != "tag:yaml.org,2002:str":
                self.problem(mark, f"a key must be a string (found {key if isinstance(key, str) else 'a collection'})")
                continue
            if key in data:
                first = self.marks[(*path, key)][0]
                self.problem(mark, f"{'.'.join(map(str, (*path, key)))}: duplicate key (first on line {first})")
                continue
            self.marks[(*path, key)] = (mark.line + 1, mark.column + 1)
            data[key] = self.build(value_node, (*path, key))
        return data

    def _scalar(self, node: yaml.Node) -> Any:
        kind, text = node.tag.rpartition(":")[2], node.value
        if kind == "null":
            return None
        if kind == "bool":
            return text.lower() == "true"
        if kind == "int":
            return self._integer(node, text)
        if kind == "float":
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        return text

    def _integer(self, node: yaml.Node, text: str) -> int:
        try:
            return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        except ValueError:
            self.problem(node.start_mark, f"an integer of {len(text)} digits is too long")
            return 0
