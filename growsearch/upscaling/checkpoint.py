"""A checkpoint folder of Hugging Face `transformers`: looked at before anything is loaded, then loaded."""

from __future__ import annotations

import json
import logging
import pickle
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from growsearch.errors import InputError
from growsearch.installing import command_for_extra
from growsearch.registry import nearest

CONFIG = "config.json"
WEIGHTS = ("model.safetensors", "pytorch_model.bin")
INDEX = ".index.json"
_UNREADABLE = (SafetensorError, OSError, RuntimeError, ValueError, KeyError, EOFError, pickle.UnpicklingError)


@dataclass(frozen=True)
class Checkpoint:
    """`kind` is the `model_type`, `files` are those with the weights, `config` is `transformers`' own."""

    folder: Path
    kind: str
    files: tuple[str, ...]
    config: Any

    @property
    def model_class(self) -> Any:
        """The class of `transformers` that the checkpoint names."""
        return getattr(import_module("transformers"), self.config.architectures[0])


def read_checkpoint(folder: Path) -> Checkpoint:
    """Return what is known of the checkpoint in `folder`, without its weights.

    Raises `InputError` where `transformers` is not installed, the folder lacks a part, or the architecture is unknown.
    """
    if find_spec("transformers") is None:
        raise InputError(f"upscale needs transformers, not installed here: {command_for_extra('transformers')}")
    if not folder.is_dir():
        raise InputError(f"{folder}: is not a folder: give one that holds config.json and the weights")
    content = _json(folder / CONFIG, "the folder of a checkpoint has one beside the weights")
    kind = content.get("model_type")
    with quiet_transformers() as transformers:
        known = list(transformers.CONFIG_MAPPING)
        if kind not in known or "auto_map" in content:
            raise InputError(
                f"{folder / CONFIG}: model_type {kind!r} is not one that transformers {transformers.__version__} has "
                f"itself{nearest(str(kind), known)}: code from a checkpoint is not run"
            )
        try:
            config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
        except Exception as error:  # whatever a class of transformers does with values that it does not understand
            raise InputError(f"{folder / CONFIG}: transformers cannot use it: {first_line(error)}") from error
        _require_class(transformers, config, folder)
    return Checkpoint(folder, str(kind), _weight_files(folder), config)


def load_model(checkpoint: Checkpoint, config: Any) -> nn.Module:
    """Return the checkpoint's model with `config`, in float32 and evaluation mode.

    Raises `InputError` where weights cannot be read, or are not all there.
    """
    for file in checkpoint.files:
        if file.endswith(".safetensors"):
            _open_all(checkpoint.folder / file)
    try:
        with quiet_transformers():
            model, found = checkpoint.model_class.from_pretrained(
                checkpoint.folder,
                config=config,
                dtype=torch.float32,
                local_files_only=True,
                use_safetensors=checkpoint.files[0].endswith(".safetensors"),
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # they are told below, by name
            )
    except _UNREADABLE as error:
        raise InputError(f"{checkpoint.folder}: the weights cannot be read: {first_line(error)}") from error
    absent = sorted([*found["missing_keys"], *(each[0] for each in found["mismatched_keys"])])
    if absent:
        raise InputError(
            f"{checkpoint.folder}: the weights are not those of its {CONFIG}: {absent[0]!r} is missing or has another "
            f"shape ({len(absent)} in all)"
        )
    loaded: nn.Module = model
    return loaded.eval()


@contextmanager
def quiet_transformers() -> Iterator[Any]:
    """`transformers`, imported, that says nothing on the terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        transformers: Any = import_module("transformers")
        say: Any = import_module("transformers.utils.logging")
        level, bars = say.get_verbosity(), say.is_progress_bar_enabled()
        say.set_verbosity(logging.CRITICAL)
        say.disable_progress_bar()
        try:
            yield transformers
        finally:
            say.set_verbosity(level)
            if bars:
                say.enable_progress_bar()


def _require_class(transformers: Any, config: Any, folder: Path) -> None:
    if getattr(config, "is_encoder_decoder", False):
        raise InputError(
            f"{folder}: {config.model_type} has an encoder and a decoder, and a size would not say which of them: only "
            "networks with one stack of blocks can be upscaled"
        )
    names = config.architectures or []
    if len(names) != 1 or not hasattr(transformers, names[0]):
        raise InputError(
            f"{folder / CONFIG}: architectures has to name one class of transformers {transformers.__version__}, such "
            f"as GPT2LMHeadModel, found {names or 'none'}"
        )


def _weight_files(folder: Path) -> tuple[str, ...]:
    """The files with the weights; all shards are there."""
    for name in WEIGHTS:
        if (folder / name).is_file():
            return (name,)
        index = folder / (name + INDEX)
        if not index.is_file():
            continue
        shards = sorted(set(_json(index, "").get("weight_map", {}).values()))
        absent = [shard for shard in shards if not (folder / shard).is_file()]
        if absent or not shards:
            what = f"{len(absent)} of {len(shards)} shards are missing, such as {absent[0]}" if absent else "no shards"
            raise InputError(f"{index}: {what}: download the whole checkpoint")
        return tuple(shards)
    names = " or ".join((*WEIGHTS, *(name + INDEX for name in WEIGHTS)))
    raise InputError(f"{folder}: has no weights: there is no {names}")


def _open_all(file: Path) -> None:
    try:
        with safe_open(file, "pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118  # it is no mapping
                tensors.get_slice(name)
    except _UNREADABLE as error:
        raise InputError(f"{file}: is damaged, or no safetensors file: {first_line(error)}") from error


def _json(file: Path, hint: str) -> dict[str, Any]:
    if not file.is_file():
        raise InputError(f"{file}: does not exist: {hint}")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file}: is no JSON: {first_line(error)}") from error
    if not isinstance(content, dict):
        raise InputError(f"{file}: has to hold a JSON object, found {type(content).__name__}")
    return content


def first_line(error: BaseException) -> str:
    """Return what an error says first."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
