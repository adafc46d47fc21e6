"""From the runs of `make` to a table: arrays in one .npz with their data sheet.

python -m experiments.growth_tables.assemble digits runs/growth_tables/digits experiments/growth_tables/digits.npz

Only configurations of which every seed was run are taken, so that the table is whole however far the runs are. With
`--after FILE.npz` they are put behind those of that table, which `make --after` left out.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from experiments.growth_tables.make import HEAD, read_lines
from experiments.growth_tables.run import COMPLETE, FINAL
from growsearch.errors import InputError
from growsearch.search.space import distributions
from growsearch.tables import GrowthTable, load, save
from growsearch.tables.table import ABSENT

LICENCES = {
    "digits": "Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, UCI, 1998), CC BY 4.0",
    "cifar10_jpeg": "CIFAR-10 (Krizhevsky, 2009), re-encoded as JPEG; its authors name no licence: for research",
    "language": "tiny Shakespeare: the plays are in the public domain",
}
CURVES = ("step", "train_loss", "validation_loss", "validation_accuracy", "parameters", "training_flops", "seconds")
DIGITS = {"train_loss": 5, "validation_loss": 5, "validation_accuracy": 5, "seconds": 3}
TOLD = ("at", "python", "packages", "system", "processor", "cores", "threads_per_worker", "git")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name")
    parser.add_argument("folder", type=Path)
    parser.add_argument("file", type=Path)
    parser.add_argument("--after", type=Path, help="a table that the runs go on from")
    parser.add_argument("--wanted", type=int, default=0, help="configurations of the finished table")
    options = parser.parse_args()
    before = load(options.after) if options.after else None
    table = assemble(options.name, options.folder, options.wanted, len(before) if before else 0)
    if before is not None:
        table = joined(before, table)
    save(table, options.file)
    print(f"{len(table)} configurations x {len(table.seeds)} seeds x {len(table.shares)} evaluations")
    print(f"{dict(Counter(table.states.ravel().tolist()))}, {options.file.stat().st_size:,} bytes")


def assemble(name: str, folder: Path, wanted: int = 0, first: int = 0) -> GrowthTable:
    """The table of what a folder has, from its first configuration, which has this place in the sequence."""
    head, lines = json.loads((folder / HEAD).read_text()), read_lines(folder)
    space = {key: part for key, part in head["space"].items() if part is not None}
    seeds = sorted({line["seed"] for line in lines})
    runs = {(line["configuration"], line["seed"]): line for line in lines}
    count = next(c for c in range(len(lines) + 1) if any((first + c, seed) not in runs for seed in seeds))
    known = distributions(space)
    shape = (count, len(seeds))
    limit = None if (found := space["training"].get("flops")) is None else float(found)
    evaluations = space["training"]["rows"] if limit else max(len(line["rows"]["step"]) for line in lines)
    values = np.full((count, len(known)), np.nan)
    curves = {one: np.full((*shape, evaluations), np.nan, dtype=np.float32) for one in CURVES}
    tested = sorted({key for line in lines for key in line.get("final", {}) if key.startswith("test_")})
    final = {one: np.full(shape, np.nan) for one in (*FINAL, *tested)}
    states, reasons = np.full(shape, ABSENT, dtype="<U8"), {}
    for c in range(count):
        point = runs[first + c, seeds[0]]["parameters"]
        values[c] = [known[one].to_internal_repr(point[one]) if one in point else np.nan for one in known]
        for s, seed in enumerate(seeds):
            line = runs[first + c, seed]
            states[c, s] = line["state"]
            if "reason" in line:
                reasons[c, s] = line["reason"]
            _fill(curves, c, s, line, limit)
            for one, array in final.items():
                value = line.get("final", {}).get(one)
                array[c, s] = np.nan if value is None else value
    return GrowthTable(
        name=name,
        space=_without_paths(space),
        parameters=tuple(known),
        values=values,
        seeds=np.array(seeds, dtype=np.int64),
        shares=np.arange(1, evaluations + 1) / evaluations,
        curves={one: array for one, array in curves.items() if not np.isnan(array).all()},
        final={one: array for one, array in final.items() if not np.isnan(array).all()},
        states=states,
        reasons=reasons,
        about={
            "configurations wanted": max(wanted, first + count),
            "drawn": f"scrambled Sobol' sequence, seed {head['drawn']}",
            "licence of the data": LICENCES.get(name, "see the data's own"),
            "made": _once([{key: begun[key] for key in TOLD} for begun in head["begun"]]),
        },
    )


def joined(before: GrowthTable, after: GrowthTable) -> GrowthTable:
    """Return the configurations of two tables of one space and the same seeds; `InputError` where they are not."""
    for part in ("space", "parameters"):
        if getattr(before, part) != getattr(after, part):
            raise InputError(f"the runs go on with another {part} than the table has: {getattr(after, part)}")
    for part in ("seeds", "shares"):
        if not np.array_equal(getattr(before, part), getattr(after, part)):
            raise InputError(f"the runs go on with other {part} than the table has: {getattr(after, part)}")

    def put(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
        found = {}
        for name in {**one, **other}:
            shape = {**one, **other}[name].shape[1:]
            parts = ((one, len(before)), (other, len(after)))
            found[name] = np.concatenate([part.get(name, np.full((rows, *shape), np.nan)) for part, rows in parts])
        return found

    return replace(
        after,
        values=np.concatenate([before.values, after.values]),
        states=np.concatenate([before.states, after.states]),
        curves=put(before.curves, after.curves),
        final=put(before.final, after.final),
        reasons={**before.reasons, **{(len(before) + c, s): why for (c, s), why in after.reasons.items()}},
        about={**after.about, "made": _once([*before.about["made"], *after.about["made"]])},
    )


def _fill(curves: dict[str, Any], c: int, s: int, line: dict[str, Any], limit: float | None) -> None:
    """Put the rows of a run where they belong: by number, or by FLOPs where these end it.

    An event's own FLOPs may pass an evaluation, which then has the values of the next.
    """
    rows, evaluations = line["rows"], next(iter(curves.values())).shape[-1]
    places = list(range(len(rows["step"])))
    if limit is not None:
        places = [min(evaluations - 1, int(flops / limit * evaluations + 1e-9) - 1) for flops in rows["training_flops"]]
        if line["state"] == COMPLETE and places:
            places[-1] = evaluations - 1
    for one, array in curves.items():
        found = rows.get(one) or []
        for place, value in zip(reversed(places), reversed(found), strict=False):
            array[c, s, place] = np.nan if value is None else round(value, DIGITS.get(one, 0))
        if limit is not None:
            for place in range(max(places, default=-1) - 1, -1, -1):
                if np.isnan(array[c, s, place]):
                    array[c, s, place] = array[c, s, place + 1]


def _without_paths(space: dict[str, Any]) -> dict[str, Any]:
    """The space with files by their names only."""
    data = dict(space["data"])
    for key in ("file", "root"):
        if key in data:
            data[key] = Path(data[key]).name
    if "files" in data:
        data["files"] = [Path(file).name for file in data["files"]]
    return {**space, "data": data}


def _once(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without those that differ from one before only in their time."""
    found: list[dict[str, Any]] = []
    for entry in entries:
        if all({**entry, "at": None} != {**other, "at": None} for other in found):
            found.append(entry)
    return found


if __name__ == "__main__":
    main()
