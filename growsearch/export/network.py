"""A trained network written in one or several formats, each read again and compared."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from growsearch.errors import GrowsearchError, InputError
from growsearch.export.formats import FORMATS, Network, Run, missing
from growsearch.graph import trace
from growsearch.installing import command_for_extra
from growsearch.registry import nearest
from growsearch.runs.layout import RESULT
from growsearch.surgery import active_parameters, compact, masks_of
from growsearch.training.artifact import load_network, read_description
from growsearch.writing import on_a_full_disk, writing

FOLDER = "export"
TOLERANCE = 1e-4  # of the outputs' largest magnitude
BATCHES = (1, 5)  # samples; exporters are shown another number, to see that any will do


@dataclass(frozen=True)
class Exported:
    """A written file; `difference` is the largest of its outputs from the trained network's, None if not compared."""

    format: str
    path: Path
    bytes: int
    difference: float | None


def export_network(
    folder: Path | str,
    formats: Sequence[str] = ("safetensors",),
    out: Path | str | None = None,
    sparse: bool = False,
    allow_import: bool = False,
) -> list[Exported]:
    """Write the network of the finished run in `folder` (`RUN/POLICY/seed-K`) into `out`, by default its `export`.

    `formats`: safetensors, torch (`torch.export`), onnx. Every file is read again and run on random inputs beside the
    network as it was trained, and only then put into `out`. `sparse` first removes the
    units that masks have cut off, and stores the other weights by their living entries where the format can.

    Raises `InputError` for unknown formats, missing packages, folders without a network or that cannot be written, and
    for `sparse` where nothing is dormant; `GrowsearchError` where an exporter fails, or its file computes something
    else.

    Args:
        folder: a finished run's, `RUN/POLICY/seed-K`.
        formats: names of formats.
        out: where the files go; None: `export` in the run's folder.
        sparse: whether dormant connections are left out.
        allow_import: whether a network that is named by import path may be imported.
    """
    folder = Path(folder)
    chosen = _require_formats(formats)
    target = Path(out) if out is not None else folder / FOLDER
    if target.resolve() == folder.resolve():
        raise InputError(f"{target}: holds the run itself: choose another folder with --out")
    network = _load(folder, allow_import)
    batches = [network.examples(samples) for samples in BATCHES]
    expected = [_outputs(network.model, batch) for batch in batches]
    if sparse:
        network = _compacted(network, folder)
    with _workshop(target) as workshop:
        exported = [_written(name, network, workshop, batches, expected) for name in chosen]
        for file in workshop.iterdir():
            file.replace(target / file.name)
    return [replace(one, path=target / one.path.name) for one in exported]


def _require_formats(formats: Sequence[str]) -> list[str]:
    """The formats, each once; `InputError` where one is unknown or lacks its packages."""
    for name in formats:
        if name not in FORMATS:
            raise InputError(f"unknown format {name!r}: allowed are {', '.join(FORMATS)}{nearest(name, FORMATS)}")
        absent = missing(FORMATS[name].needs)
        if absent:
            packages = " and ".join(absent)
            raise InputError(f"format {name} needs {packages}, not installed here: {command_for_extra(name)}")
    return list(dict.fromkeys(formats))


def _load(folder: Path, allow_import: bool) -> Network:
    if not (folder / RESULT).is_file():
        raise InputError(f"{folder}: is not the folder of a finished run: name one, such as RUN/POLICY/seed-0")
    description = read_description(folder)
    shape, tokens = description.input_shape, description.input_dtype == "int64"

    def examples(samples: int) -> Tensor:
        generator = torch.Generator().manual_seed(samples)
        if tokens:
            return torch.randint(0, description.outputs, (samples, *shape), generator=generator)
        return torch.randn(samples, *shape, generator=generator)

    return Network(load_network(folder, allow_import), description, examples, allow_import=allow_import)


def _compacted(network: Network, folder: Path) -> Network:
    """The network without dead units, to be stored by its living entries."""
    model, example = network.model, network.examples(2)
    if not masks_of(model):
        raise InputError(f"{folder}: no connection of this network is dormant, so it has no sparse form: leave it out")
    compact(model, example)
    described = replace(
        network.description,
        widths={name: site.width for name, site in trace(model, example).sites.items() if site.kind != "frozen"},
        parameters=sum(parameter.numel() for parameter in model.parameters()),
        active_parameters=active_parameters(model),
    )
    return replace(network, description=described, sparse=True)


def _written(
    name: str, network: Network, folder: Path, batches: Sequence[Tensor], expected: Sequence[Tensor]
) -> Exported:
    """Write one format, read it again, and compare what it computes."""
    form = FORMATS[name]
    form.write(network, folder)
    size = sum((folder / file).stat().st_size for file in (form.file, *form.beside))
    if missing(form.check_needs):
        return Exported(name, folder / form.file, size, None)
    run = form.read(network, folder)
    found = [_outputs(run, batch) for batch in batches]
    difference = max(float((one - other).abs().max()) for one, other in zip(found, expected, strict=True))
    limit = TOLERANCE * max(1.0, *(float(one.abs().max()) for one in expected))
    if not difference <= limit:
        raise GrowsearchError(
            f"the network in format {name} computes something else than the trained one (difference {difference:.2g}, "
            f"allowed {limit:.2g}): it was not kept; other formats may do"
        )
    return Exported(name, folder / form.file, size, difference)


def _outputs(run: Run, inputs: Tensor) -> Tensor:
    with torch.no_grad():
        return run(inputs)


@contextmanager
def _workshop(target: Path) -> Iterator[Path]:
    """A folder inside `target` for files that are not checked yet; `InputError` where none can be made."""
    with writing(target):
        target.mkdir(parents=True, exist_ok=True)
        made = tempfile.TemporaryDirectory(dir=target, prefix=".export-")
    with made as folder, on_a_full_disk(target):
        yield Path(folder)
