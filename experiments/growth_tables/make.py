"""Make a table: the first configurations of a quasi-random sequence over a space, each with some seeds; resumes.

python -m experiments.growth_tables.make digits --out runs/growth_tables/digits

Every run is a line of `runs.jsonl`, written when it ends, so a kill costs the runs in progress; the same command goes
on with what is missing, and more configurations or seeds may be asked for later. All seeds of a configuration come
before the next configuration: an unfinished table is a smaller whole one, since the beginning of the sequence is spread
over the space as all of it is, and every configuration in it has the seeds that a race and the truth beside it need.
With `--after FILE.npz` what that table has is not trained again: `assemble --after` puts both together.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import asdict
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from experiments.growth_tables.run import DRAWN, line_of
from growsearch.config import load_space
from growsearch.errors import InputError
from growsearch.execution.environment import describe_environment
from growsearch.runs.files import write_json
from growsearch.runs.lock import held
from growsearch.tables import load

HERE = Path(__file__).parent
RUNS, HEAD = "runs.jsonl", "table.json"
Place = tuple[int, int]  # a configuration and a seed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("space", help="a name in spaces/, or a file")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--configurations", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--after", type=Path, help="a table, whose configurations are left out")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--set", dest="overrides", action="append", default=[], help="path.in.file=value")
    parser.add_argument("--scratch", type=Path, help="folder for the files of a run while it runs")
    options = parser.parse_args()
    named = HERE / "spaces" / f"{options.space}.yaml"
    data = load_space(named if named.is_file() else options.space, options.overrides).data
    first = len(load(options.after)) if options.after else 0
    make(data, options.out, options.configurations, options.seeds, options.workers, options.scratch, first)


def make(
    data: dict[str, Any],
    folder: Path,
    configurations: int,
    seeds: int,
    workers: int = 1,
    scratch: Path | None = None,
    first: int = 0,
) -> None:
    """Run what a table lacks; `InputError` where the folder has one of another space.

    Args:
        data: the space's file.
        folder: of the table.
        configurations: how many of the sequence.
        seeds: how many, from 0.
        workers: processes; with 1, this one.
        scratch: see `line_of`.
        first: the place in the sequence to begin at; those before it are not trained.
    """
    with held(folder):
        done = {place for place in _begin(data, folder, workers) if place[0] >= first}
        wanted = ((c, s) for c in range(first, configurations) for s in range(seeds) if (c, s) not in done)
        train = partial(line_of, data, scratch=scratch)
        started, total = time.monotonic(), (configurations - first) * seeds
        with (folder / RUNS).open("a") as file:
            for count, line in enumerate(_lines(train, wanted, workers), start=1):
                file.write(json.dumps(line) + "\n")
                file.flush()
                os.fsync(file.fileno())
                if count % 100 == 0:
                    pace = (time.monotonic() - started) / count
                    print(f"{len(done) + count} of {total}, {pace:.2f} s a run", flush=True)


def _begin(data: dict[str, Any], folder: Path, workers: int) -> set[Place]:
    """The places that are done; notes what this process runs on."""
    plain = json.loads(json.dumps(data))
    head = {"space": plain, "drawn": DRAWN, "begun": []}
    if (folder / HEAD).exists():
        head = json.loads((folder / HEAD).read_text())
        if head["space"] != plain or head["drawn"] != DRAWN:
            raise InputError(f"{folder} has a table of another space: choose another folder with --out")
    torch.set_num_threads(1)
    environment = asdict(describe_environment("cpu", workers, 1, 0))
    head["begun"].append({"at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **environment})
    write_json(folder / HEAD, head)
    lines = read_lines(folder)
    (folder / RUNS).write_text("".join(json.dumps(line) + "\n" for line in lines))
    return {(line["configuration"], line["seed"]) for line in lines}


def read_lines(folder: Path) -> list[dict[str, Any]]:
    """The runs that are finished; a last line that a kill cut off is none."""
    path = folder / RUNS
    whole = path.read_text().split("\n")[:-1] if path.exists() else []
    return [json.loads(line) for line in whole]


def _lines(train: Any, wanted: Iterator[Place], workers: int) -> Iterator[dict[str, Any]]:
    """What the runs come to, as they end."""
    if workers == 1:
        yield from (train(*place) for place in wanted)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        going: set[Future[dict[str, Any]]] = {pool.submit(train, *place) for place in islice(wanted, workers)}
        while going:
            finished, going = wait(going, return_when=FIRST_COMPLETED)
            going |= {pool.submit(train, *place) for place in islice(wanted, len(finished))}
            yield from (one.result() for one in finished)


if __name__ == "__main__":
    main()
