"""A larger checkpoint folder from a checkpoint folder of `transformers`, whole or not at all."""

from __future__ import annotations

import copy
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from growsearch.errors import GrowsearchError, InputError
from growsearch.graph import trace
from growsearch.growth import Initializer, Report
from growsearch.growth.policy import Spec, strategy
from growsearch.runs.files import write_json
from growsearch.surgery import outputs_of, relative_difference
from growsearch.upscaling.checkpoint import CONFIG, load_model, quiet_transformers, read_checkpoint
from growsearch.upscaling.config_sizes import changes, deepen, follow_norms, without_dropout
from growsearch.upscaling.example import example_of
from growsearch.upscaling.fitting import fitted
from growsearch.upscaling.model import Upscaled, require_any, upscale_planned
from growsearch.upscaling.wishes import Wishes
from growsearch.writing import on_a_full_disk, writing

_OTHER = (
    "what was written computes something else in transformers, whose code takes more from a size than its weights tell"
)
NEW_PARAMETERS = "new_parameters.json"
TOLERANCE = 1e-4  # of the outputs' largest magnitude
_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".h5", ".msgpack", ".ckpt", ".onnx", ".gguf", ".index.json")


@dataclass(frozen=True)
class Written:
    """A checkpoint that was written; `difference` is the largest of its outputs from the old one's, relative to these.

    `unrounded` is the same before weights were rounded to the number format `dtype`. `fields` are those of the
    configuration that changed, with both values, `parameters` the numbers before and after, `copied` the files that
    were taken over, `left_out` those of the old folder that were not.
    """

    folder: Path
    upscaled: Upscaled
    fields: dict[str, tuple[Any, Any]]
    parameters: tuple[int, int]
    difference: float
    unrounded: float
    dtype: str
    copied: Sequence[str]
    left_out: Sequence[str]


def upscale_folder(
    folder: Path | str,
    out: Path | str,
    wishes: Wishes,
    how: Spec = "zero",
    how_deep: Spec = "identity_blocks",
    seed: int = 0,
    float32: bool = False,
    report: Report | None = None,
) -> Written:
    """Write the checkpoint in `folder`, with the sizes that are wished for, into the new folder `out`.

    What is written is loaded again by `transformers` alone, and its outputs are compared with those of the old one. It
    has the old one's number format; everything is computed in float32. A wider residual stream scales the weights of
    norms, which a format of fewer digits rounds.

    Args:
        folder: of the checkpoint; stays as it is.
        out: does not exist yet.
        wishes: sizes, or multiples.
        how: the initializer of widths.
        how_deep: the initializer of blocks.
        seed: of what is drawn.
        float32: write this number format, whatever the old one is.
        report: progress, as in `growsearch.grow`.

    Raises:
        InputError: the folder cannot be used, a size cannot be reached, or `out` cannot be written.
        GrowsearchError: what was written computes something else; it was not kept.
    """
    folder, out = Path(folder), Path(out)
    _require_absent(out)
    require_any(wishes)
    for given in (how, how_deep):  # also the one that no size asks for
        strategy(Initializer, "how", given)  # type: ignore[type-abstract]  # only used for isinstance
    checkpoint = read_checkpoint(folder)
    with _workshop(out) as workshop:
        config = without_dropout(checkpoint.config)
        model = load_model(checkpoint, config)
        example = example_of(model, config)
        expected = outputs_of(model, example, False)
        before = _parameters(model)
        graph = trace(model, example)
        plan, final = fitted(checkpoint, model, graph, wishes)
        upscaled = upscale_planned(model, graph, example, plan, how, how_deep, seed, report)
        deepen(final, plan, upscaled.events)
        follow_norms(checkpoint, final, model, upscaled.events)
        after = _parameters(model)
        unrounded = relative_difference(expected, outputs_of(model, example, False))
        if upscaled.exact:
            _require_alike(unrounded, f"the larger network computes something else than {folder}")
        final.dtype = torch.float32 if float32 else final.dtype or torch.float32
        rounded = outputs_of(model.to(final.dtype).float(), example, False)
        _save(model, final, workshop)
        del model
        copied, left_out = _copy_rest(folder, workshop)
        write_json(workshop / NEW_PARAMETERS, {"parameters": upscaled.new_parameters})
        found = _outputs_again(workshop, example)
        _require_alike(relative_difference(rounded, found), _OTHER)
        os.replace(workshop, out)
    return Written(
        folder=out,
        upscaled=upscaled,
        fields=changes(checkpoint.config, final),
        parameters=(before, after),
        difference=relative_difference(expected, found),
        unrounded=unrounded,
        dtype=str(final.dtype).removeprefix("torch."),
        copied=copied,
        left_out=left_out,
    )


def _require_alike(difference: float, otherwise: str) -> None:
    if not difference <= TOLERANCE:
        raise GrowsearchError(f"{otherwise} (difference {difference:.2g}, allowed {TOLERANCE:.0e}): it was not kept")


def _parameters(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _save(model: Any, config: Any, workshop: Path) -> None:
    """Write weights and configuration, in the number format that this says."""
    model.to(config.dtype)
    model.config = copy.deepcopy(config)
    with quiet_transformers():
        model.save_pretrained(workshop, safe_serialization=True)


def _outputs_again(folder: Path, example: Any) -> Any:
    """The outputs of what was written, loaded as any checkpoint is."""
    written = read_checkpoint(folder)
    return outputs_of(load_model(written, without_dropout(written.config)), example, False)


def _copy_rest(folder: Path, workshop: Path) -> tuple[list[str], list[str]]:
    """Copy the tokenizer and whatever else is no weights; return the names copied and left out."""
    copied, left_out = [], []
    for path in sorted(folder.iterdir()):
        if path.name == CONFIG or path.name == NEW_PARAMETERS:
            continue
        if path.is_file() and not path.name.endswith(_WEIGHTS):
            shutil.copyfile(path, workshop / path.name)
            copied.append(path.name)
        elif not path.is_file():
            left_out.append(path.name)
    return copied, left_out


@contextmanager
def _workshop(out: Path) -> Iterator[Path]:
    """A folder beside `out` that becomes it; gone afterwards where it did not. `InputError` where none can be made."""
    with writing(out):
        made = Path(tempfile.mkdtemp(dir=out.absolute().parent, prefix=f".{out.name}-"))
        made.chmod(0o777 & ~_umask())
    try:
        with on_a_full_disk(out):
            yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _require_absent(out: Path) -> None:
    if out.exists() or out.is_symlink():
        raise InputError(f"{out}: exists already, and is not overwritten: choose another --out")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
