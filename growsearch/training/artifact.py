"""A trained network on disk: `model.safetensors` beside the `network.json` that says how to rebuild it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from growsearch.errors import InputError
from growsearch.networks import build_network
from growsearch.runs.files import write_atomically, write_json
from growsearch.runs.layout import DESCRIPTION, WEIGHTS
from growsearch.runs.reading import DamagedFile, read_json, record_of
from growsearch.surgery import BlockInsertion, Deepening, Insertion, rebuild
from growsearch.surgery.packing import pack, unpack


@dataclass(frozen=True, kw_only=True)
class NetworkDescription:
    """The content of `network.json`: how the network is rebuilt from its seed, beside its weights.

    `network` is the seed network as a file names it, `input_shape` without the batch. `insertions`, `attributes` and
    `sizes` are what growth did beside the shapes. `shared` names for every tied tensor the one that is stored, `packed`
    has the shapes of weights stored by their living entries. `normalisation` are the data's mean and standard deviation
    by channel, where they are normalised. Fields with defaults are missing in files of older versions, and in those of
    networks that were described by hand.
    """

    network: Mapping[str, Any]
    input_shape: Sequence[int]
    outputs: int
    insertions: Sequence[Insertion | BlockInsertion]
    attributes: Mapping[str, float] = field(default_factory=dict)
    sizes: Mapping[str, Sequence[int]] | None = None
    shared: Mapping[str, str] = field(default_factory=dict)
    packed: Mapping[str, Sequence[int]] = field(default_factory=dict)
    input_dtype: str = "float32"
    normalisation: Mapping[str, Any] | None = None
    widths: Mapping[str, int] = field(default_factory=dict)
    parameters: int | None = None
    active_parameters: int | None = None

    def plain(self) -> dict[str, Any]:
        """Return the content as it is in the file."""
        return asdict(self)


def save_network(folder: Path, model: nn.Module, description: NetworkDescription, sparse: bool = False) -> None:
    """Write the weights and the description, which gets what of the weights is shared and packed.

    Args:
        folder: where to.
        model: the network.
        description: how it is rebuilt.
        sparse: keep only the living entries of weights with dormant connections, and their masks as bits.
    """
    tensors, shared = _distinct(model.state_dict())
    tensors, packed = pack(tensors) if sparse else (tensors, {})
    content = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    write_atomically(folder / WEIGHTS, lambda file: file.write(content))
    write_json(folder / DESCRIPTION, replace(description, shared=shared, packed=packed).plain())


def load_network(path: Path | str, allow_import: bool = False) -> nn.Module:
    """Return the trained, grown network in the folder `path`, on the CPU, in evaluation mode.

    The folder is a finished run's (`RUN/POLICY/seed-K`) or one that `growsearch export` wrote. Builds the seed network
    from `network.json`, repeats its `insertions`, sets its `attributes` and loads the weights; nothing that could run
    code is read. Raises `InputError` where a file is missing or damaged; a network that is imported from the user's own
    package needs `allow_import`, because importing runs code.
    """
    found, weights = read_description(path), Path(path) / WEIGHTS
    if not weights.is_file():
        raise InputError(f"{weights} does not exist: name a finished run, such as RUN/POLICY/seed-0")
    try:
        tensors = unpack(load_file(weights), found.packed)
        tensors |= {alias: tensors[name] for alias, name in found.shared.items()}
    except (SafetensorError, KeyError) as error:
        raise DamagedFile(f"{weights}: is damaged ({error!r}): make it again") from error
    seed_network = build_network(found.network, tuple(found.input_shape), found.outputs, allow_import=allow_import)
    return rebuild(seed_network, found.insertions, tensors, found.attributes, found.sizes).eval()


def read_description(path: Path | str) -> NetworkDescription:
    """Return the content of a network's `network.json`; raises `InputError` where there is none, or it is damaged."""
    file = Path(path) / DESCRIPTION
    if not file.is_file():
        raise InputError(f"{file} does not exist: name a finished run, such as RUN/POLICY/seed-0, or an export of one")
    return record_of(NetworkDescription, read_json(file), str(file))


def insertions_of(architecture: Mapping[str, Any]) -> list[Deepening]:
    """Return the inserted layers and blocks of a `Grower.architecture()`; raises `DamagedFile` where they are none."""
    found: list[Deepening] = []
    for plain in architecture["insertions"]:
        kind: type[Deepening] = BlockInsertion if "copies" in plain else Insertion
        found.append(record_of(kind, plain, "a saved architecture"))
    return found


def _distinct(state: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors without their aliases (tied weights), and for every alias the name that it stands for."""
    first: dict[tuple[int, tuple[int, ...]], str] = {}
    shared = {}
    for name, tensor in state.items():
        owner = first.setdefault((tensor.data_ptr(), tuple(tensor.shape)), name) if tensor.numel() else name
        if owner != name:
            shared[name] = owner
    return {name: tensor for name, tensor in state.items() if name not in shared}, shared
