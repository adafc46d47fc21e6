"""Tables of growth as files: arrays in an .npz, which is read without running anything that is in it."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from growsearch.errors import InputError
from growsearch.runs.files import write_atomically
from growsearch.search.space import distributions
from growsearch.tables.table import GrowthTable

SCHEMA = 1
_FOLDER = Path(__file__).resolve().parents[2] / "experiments" / "growth_tables"  # of a checkout
_ELSEWHERE = "the wheel has none: take experiments/growth_tables/NAME.npz of the repository, and give its path"
_CURVE, _FINAL = "curve.", "final."

Arrays = Mapping[str, NDArray[Any]]


def names() -> list[str]:
    """Return the tables that this checkout has; a wheel has none."""
    return sorted(path.stem for path in _FOLDER.glob("*.npz"))


def load(name_or_path: str | Path) -> GrowthTable:
    """Return a table of a checkout, by its name, or the one in an .npz file; `InputError` where there is none."""
    path = Path(name_or_path)
    if not path.is_file() and path.name == str(name_or_path):
        path = _FOLDER / f"{path.name}.npz"
    if not path.is_file():
        known = ", ".join(names())
        allowed = f"allowed {known}, or the path of an .npz file" if known else _ELSEWHERE
        raise InputError(f"there is no table {str(name_or_path)!r} ({allowed})")
    return read(path)


def read(path: Path) -> GrowthTable:
    """Return the table in a file; `InputError` where it is none, or of a later schema."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        about = json.loads(str(arrays["about"]))
        if about["schema"] != SCHEMA:
            raise InputError(f"{path} has schema {about['schema']}, and this growsearch reads {SCHEMA}: update it")
        table = _table(arrays, about)
    except (KeyError, TypeError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is no table of growth: {error}") from error
    if (wrong := _misshapen(table)) is not None:
        raise InputError(f"{path} is no table of growth: {wrong}")
    return table


def save(table: GrowthTable, path: Path) -> None:
    """Write a table, whole or not at all."""
    reasons = [[configuration, seed, why] for (configuration, seed), why in table.reasons.items()]
    about = {**table.about, "schema": SCHEMA, "name": table.name, "space": table.space, "reasons": reasons}
    arrays: dict[str, NDArray[Any]] = {
        "about": np.array(json.dumps(about)),
        "parameters": np.array(table.parameters),
        "values": table.values,
        "seeds": table.seeds,
        "shares": table.shares,
        "states": table.states,
    }
    arrays |= {_CURVE + name: array for name, array in table.curves.items()}
    arrays |= {_FINAL + name: array for name, array in table.final.items()}
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    write_atomically(path, lambda file: file.write(content.getvalue()))


def _table(arrays: Arrays, about: dict[str, Any]) -> GrowthTable:
    rest = {key: value for key, value in about.items() if key not in ("schema", "name", "space", "reasons")}
    return GrowthTable(
        name=about["name"],
        space=about["space"],
        parameters=tuple(map(str, arrays["parameters"])),
        values=arrays["values"],
        seeds=arrays["seeds"],
        shares=arrays["shares"],
        curves={name.removeprefix(_CURVE): array for name, array in arrays.items() if name.startswith(_CURVE)},
        final={name.removeprefix(_FINAL): array for name, array in arrays.items() if name.startswith(_FINAL)},
        states=arrays["states"],
        reasons={(configuration, seed): why for configuration, seed, why in about["reasons"]},
        about=rest,
    )


def _misshapen(table: GrowthTable) -> str | None:
    """What does not fit together; None where all does."""
    runs = (len(table.values), len(table.seeds))
    if table.parameters != tuple(distributions(table.space)):
        return "its parameters are not those of its space"
    wanted: dict[str, tuple[NDArray[Any], tuple[int, ...]]] = {
        "values": (table.values, (runs[0], len(table.parameters))),
        "states": (table.states, runs),
        **{_CURVE + name: (array, (*runs, len(table.shares))) for name, array in table.curves.items()},
        **{_FINAL + name: (array, runs) for name, array in table.final.items()},
    }
    for name, (array, shape) in wanted.items():
        if array.shape != shape:
            return f"{name} has shape {list(array.shape)}, and {list(shape)} is needed"
    return None
