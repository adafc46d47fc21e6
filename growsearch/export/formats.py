"""The formats that a network can be written in, and how each is read again to see that it is right."""

from __future__ import annotations

import copy
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from growsearch.errors import GrowsearchError
from growsearch.runs.files import write_atomically
from growsearch.runs.layout import DESCRIPTION, WEIGHTS
from growsearch.surgery import masks_of
from growsearch.surgery.masks import SUFFIX
from growsearch.training.artifact import NetworkDescription, load_network, save_network
from growsearch.writing import writing

Run = Callable[[Tensor], Tensor]

INPUT, OUTPUT, BATCH = "inputs", "outputs", "batch"


@dataclass(frozen=True)
class Network:
    """What is exported: a module in evaluation mode on the CPU, its `network.json`, and inputs for it.

    `examples(n)` makes `[n, *input_shape]`, the same ones every time; `sparse` whether weights with dormant connections
    are stored by their living entries.
    """

    model: nn.Module
    description: NetworkDescription
    examples: Callable[[int], Tensor]
    sparse: bool = False
    allow_import: bool = False


class Format(ABC):
    """A format: its files, the packages it needs, and those without which its file is not read again."""

    file: ClassVar[str]
    beside: ClassVar[tuple[str, ...]] = ()
    needs: ClassVar[tuple[str, ...]] = ()
    check_needs: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def write(self, network: Network, folder: Path) -> None:
        """Write the files into `folder`; where there is only one, the description is within it."""

    @abstractmethod
    def read(self, network: Network, folder: Path) -> Run:
        """What the file computes, read again."""


class Safetensors(Format):
    """Weights beside a description, from which `growsearch.load` builds the module."""

    file = WEIGHTS
    beside = (DESCRIPTION,)

    def write(self, network: Network, folder: Path) -> None:
        """`model.safetensors` and `network.json`."""
        save_network(folder, network.model, network.description, network.sparse)

    def read(self, network: Network, folder: Path) -> Run:
        """The rebuilt module."""
        return load_network(folder, network.allow_import)


class Torch(Format):
    """`torch.export`: PyTorch runs it without the network's Python code."""

    file = "model.pt2"

    def write(self, network: Network, folder: Path) -> None:
        """The exported program, for batches of any size."""
        model, example = _without_masks(network.model), network.examples(2)
        with _explained("torch.export"):
            program = torch.export.export(model, (example,), dynamic_shapes=_dynamic(), strict=False)
            content = BytesIO()  # torch ends the process where it cannot write to a file
            torch.export.save(program, content, extra_files={DESCRIPTION: json.dumps(network.description.plain())})
        write_atomically(folder / self.file, lambda file: file.write(content.getbuffer()))

    def read(self, network: Network, folder: Path) -> Run:
        """The exported program's module."""
        return torch.export.load(folder / self.file).module()


class Onnx(Format):
    """ONNX: for ONNX Runtime and other programs."""

    file = "model.onnx"
    needs = ("onnx", "onnxscript")
    check_needs = ("onnxruntime",)

    def write(self, network: Network, folder: Path) -> None:
        """The model in one file, for batches of any size."""
        model, example = _without_masks(network.model), network.examples(2)
        with _explained("torch.onnx"):
            program = torch.onnx.export(
                model,
                (example,),
                dynamo=True,
                dynamic_shapes=_dynamic(),
                input_names=[INPUT],
                output_names=[OUTPUT],
                verbose=False,
            )
        assert program is not None  # it is with dynamo
        program.model.metadata_props[DESCRIPTION] = json.dumps(network.description.plain())
        with writing(folder / self.file):
            program.save(folder / self.file, external_data=False)

    def read(self, network: Network, folder: Path) -> Run:
        """ONNX Runtime on the CPU."""
        onnxruntime: Any = import_module("onnxruntime")
        session = onnxruntime.InferenceSession(folder / self.file, providers=["CPUExecutionProvider"])
        return lambda inputs: torch.from_numpy(session.run(None, {INPUT: inputs.numpy()})[0])


FORMATS: dict[str, Format] = {"safetensors": Safetensors(), "torch": Torch(), "onnx": Onnx()}


def missing(packages: tuple[str, ...]) -> list[str]:
    """Those that are not installed."""
    return [package for package in packages if find_spec(package) is None]


def _dynamic() -> tuple[dict[int, Any]]:
    """Only the first dimension of the only input may vary."""
    return ({0: torch.export.Dim(BATCH)},)


def _without_masks(model: nn.Module) -> nn.Module:
    """A copy that computes the same: dormant weights are 0 already."""
    plain = copy.deepcopy(model)
    for name in masks_of(plain):
        path, _, key = name.rpartition(".")
        plain.get_submodule(path)._buffers.pop(key + SUFFIX, None)
    return plain


@contextmanager
def _explained(exporter: str) -> Iterator[None]:
    """What an exporter raises, of whatever kind, in one line."""
    try:
        yield
    except Exception as error:
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise GrowsearchError(
            f"{exporter} cannot export this network: {first} (--format safetensors takes every network)"
        ) from error
