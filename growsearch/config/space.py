"""Loading a file: found, parsed, overridden, merged with its policies, expanded, checked, all problems at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from growsearch.config.check import KEYS, POLICY_KEYS, POLICY_NAME
from growsearch.config.merge import merge, origin
from growsearch.config.overrides import Overridden, apply_overrides
from growsearch.config.problems import Problem, problem
from growsearch.config.ranges import Variant, check_range, find_ranges, first_variant, variants
from growsearch.config.run_config import RunConfig, check, normalized
from growsearch.errors import ConfigError
from growsearch.pydantic_words import WHOLE, show
from growsearch.registry import closest
from growsearch.shipped import SHIPPED, shipped_names
from growsearch.yaml_source import KeyPath, read_source

SEARCHED = ("data", "network", "training", "growth", "task")  # sections in which a range may stand


@dataclass(frozen=True)
class Space:
    """A checked file, with its ranges if it has any."""

    path: Path
    overridden: Overridden
    allow_import: bool = False

    @property
    def data(self) -> dict[str, Any]:
        """The file as plain values, overrides applied."""
        return self.overridden.data

    @property
    def ranges(self) -> list[KeyPath]:
        """Paths of the ranges, in the order of the file."""
        return [path for path, _ in find_ranges(self.data)]

    def plain(self) -> RunConfig:
        """The file itself; `ConfigError` names its ranges where it has any."""
        if self.ranges:
            listed = [f"{self.overridden.where(path)}: {_dotted(path)} is a range" for path in self.ranges]
            advice = (
                f"ranges are for a search: to run or compare, give each a value: --set {_dotted(self.ranges[0])}=..."
            )
            raise ConfigError("\n".join([*listed, f"{self.path}: {advice}"]))
        return self._config(self.data)

    def first(self) -> RunConfig:
        """The file with every range at its low end or first option."""
        return self._config(first_variant(self.data).data)

    def _config(self, data: dict[str, Any]) -> RunConfig:
        return normalized(data, self.allow_import).model_copy(update={"path": self.path})


def load_config(
    file: str | Path, overrides: Sequence[str] = (), seeds: int | None = None, allow_import: bool = False
) -> RunConfig:
    """Load a file that leaves nothing open; `ConfigError` lists everything that is wrong with it.

    `file` is a path or the name of a shipped file; `overrides` are `path.in.file=value`.

    Args:
        file: a path, or the name of a shipped file.
        overrides: `path.in.file=value`.
        seeds: number of seeds in place of the file's.
        allow_import: whether the network may be any importable callable.
    """
    return load_space(file, overrides, seeds, allow_import).plain()


def load_space(
    file: str | Path, overrides: Sequence[str] = (), seeds: int | None = None, allow_import: bool = False
) -> Space:
    """Load a file that may have ranges; `ConfigError` lists everything that is wrong with it.

    Args:
        file: a path, or the name of a shipped file.
        overrides: `path.in.file=value`.
        seeds: number of seeds in place of the file's.
        allow_import: whether the network may be any importable callable.
    """
    path = find_file(file)
    if seeds is not None:
        overrides = [*overrides, f"seeds={seeds}"]
    overridden = apply_overrides(read_source(path), overrides)
    problems = _check_file(overridden.data, allow_import)
    if problems:
        raise ConfigError("\n".join(_ordered(problems, overridden)))
    return Space(path, overridden, allow_import)


def find_file(file: str | Path) -> Path:
    """The path of a file, or of the shipped file of that name."""
    path = Path(file)
    if path.is_file():
        return path
    if path.is_dir():
        raise ConfigError(f"{file}: is a folder (allowed: a YAML file, or a shipped file: {_listed()})")
    shipped = SHIPPED / f"{file}.yaml"
    if path.name == str(file) and shipped.is_file():
        return shipped
    near = closest(path.stem, shipped_names())
    hint = f"; did you mean {near!r}?" if near else ""
    raise ConfigError(f"{file}: no such file, nor a shipped file (allowed {_listed()}{hint})")


def _listed() -> str:
    return ", ".join(shipped_names())


def _check_file(data: dict[str, Any], allow_import: bool) -> list[Problem]:
    """Everything wrong with a file: its own part, then each policy merged into it, at every end of every range."""
    problems = _check_policies(data.get("policies"))
    base = {key: value for key, value in data.items() if key != "policies"}
    problems += _check_ends(base, allow_import)
    if not isinstance(data.get("policies"), dict):
        return problems
    reference, known = data.get("reference"), list(data["policies"])
    if isinstance(reference, str) and reference not in known:
        problems.append(problem(("reference",), "unknown policy", found=reference, allowed=known, name=reference))
    for name, override in data["policies"].items():
        if isinstance(override, dict):
            # What is no policy's to set is named above.
            own = {key: value for key, value in override.items() if key in POLICY_KEYS or key not in KEYS}
            merged = merge(base, own)
            problems += [one.at(origin(base, own, name, one.path)) for one in _check_ends(merged, allow_import)]
    return problems


def _check_policies(policies: Any) -> list[Problem]:
    if policies is None:
        return []
    if not isinstance(policies, dict) or not policies:
        return [problem(("policies",), "must be a mapping of names to overrides", found=show(policies))]
    problems = []
    for name, override in policies.items():
        path = ("policies", name)
        if not POLICY_NAME.fullmatch(name):
            allowed = ["letters, digits, - and _"]
            problems.append(problem(path, "not a name for a folder", found=show(name), allowed=allowed))
        if not isinstance(override, dict):
            problems.append(problem(path, "must be a mapping", found=show(override), allowed=POLICY_KEYS))
            continue
        problems += [
            problem((*path, key), f"not a policy's to set: {key}", allowed=POLICY_KEYS)
            for key in override
            if key in KEYS and key not in POLICY_KEYS
        ]
    return problems


def _check_ends(data: dict[str, Any], allow_import: bool) -> list[Problem]:
    broken = {path: problems for path, value in _all_ranges(data) if (problems := check_range(value, path))}
    problems = [one for found in broken.values() for one in found]
    misplaced = "is not searched: ranges stand in data, network, training, growth and task"
    problems += [
        problem(path, misplaced) for path, _ in find_ranges(data) if path[0] not in SEARCHED and path[0] in KEYS
    ]
    for variant in variants(data):
        _, found = check(variant.data, allow_import)
        mapped = [_for_range(one.at(_source(variant, one)), data) for one in found]
        problems += [one for one in mapped if not any(_overlap(one.path, path) for path in broken)]
    return problems


def _for_range(one: Problem, data: dict[str, Any]) -> Problem:
    """A problem with an end of a real range that stands where a whole number is needed, in words for the range."""
    where = one.path[:-1]
    value = next((found for path, found in _all_ranges(data) if path == where), None)
    if value is None or value.get("type") != "float" or WHOLE not in one.message:
        return one
    right = f"{{type: int, low: {round(value['low'])}, high: {round(value['high'])}}}"
    return problem(where, "a whole number is needed here", found="type float", allowed=[right])


def _source(variant: Variant, one: Problem) -> KeyPath:
    """Where a problem of a plain file stands in the file: a problem with a key is not one with an end of its range."""
    if one.about_key:
        return (*variant.source(one.path[:-1]), one.path[-1])
    return variant.source(one.path)


def _overlap(one: KeyPath, other: KeyPath) -> bool:
    """Whether one path lies on the other: a range that is wrong itself says nothing about what is around it."""
    common = min(len(one), len(other))
    return one[:common] == other[:common]


def _all_ranges(value: Any, path: KeyPath = ()) -> list[tuple[KeyPath, Any]]:
    """All ranges, those within the options of others included."""
    found = []
    for where, one in find_ranges(value, path):
        found.append((where, one))
        options = one.get("options")
        for name, chosen in options.items() if isinstance(options, dict) else ():
            found += _all_ranges(chosen, (*where, "options", name))
    return found


def _ordered(problems: list[Problem], overridden: Overridden) -> list[str]:
    """Messages in the order of the file, each once."""
    lines = {f"{overridden.where(one.path)}: {_dotted(one.path)}: {one.message}": one for one in problems}
    return sorted(lines, key=lambda line: overridden.source.mark(lines[line].path))


def _dotted(path: KeyPath) -> str:
    return ".".join(map(str, path))
