"""From a file's `network` mapping to a plain module."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from growsearch.errors import InputError
from growsearch.importing import imported
from growsearch.networks import layer_list
from growsearch.networks.base import Network
from growsearch.networks.parameters import make
from growsearch.registry import lookup, nearest


def build_network(
    spec: Mapping[str, Any], input_shape: tuple[int, ...], outputs: int, allow_import: bool = False
) -> nn.Module:
    """The module that `spec` describes, for inputs `[N, *input_shape]` and `outputs` outputs.

    `spec` is `{"name": NAME, **parameters}`, NAME a seed network, `torchvision:NAME` or `package.module:callable`
    (imported only with `allow_import`), or `{"layers": [...], "width": 1.0}`. Raises `InputError`.

    Args:
        spec: the file's `network`, checked.
        input_shape: of one sample.
        outputs: number of outputs.
        allow_import: whether a network named by import path may be imported.
    """
    name, values = _split(spec)
    if name is None:
        nodes = layer_list.parse(values["layers"])
        return layer_list.build(nodes, input_shape, outputs, _width(values))
    if name.startswith("torchvision:"):
        return _torchvision(name, values, outputs)
    if ":" in name:
        return _imported(name, values, allow_import)
    return _named(name, values).build(input_shape, outputs)


def reads_tokens(spec: Mapping[str, Any]) -> bool:
    """Whether samples of the network that `spec` describes are rows of whole numbers, as far as it is known."""
    name, values = _split(spec)
    return name is not None and ":" not in name and _named(name, values).reads_tokens


def initialise_network(spec: Mapping[str, Any], network: nn.Module) -> None:
    """Do to the weights of `network`, in place, what building from `spec` does after the layers have drawn theirs."""
    name, values = _split(spec)
    if name is not None and ":" not in name:
        _named(name, values).initialise(network)


def validate_network(spec: Mapping[str, Any]) -> None:
    """Raise `InputError`, one problem a line, unless `spec` is well formed; builds and imports no user's code."""
    name, values = _split(spec)
    if name is None:
        layer_list.parse(values["layers"])
        _width(values)
    elif name.startswith("torchvision:"):
        _torchvision_name(name)
    elif ":" not in name:
        _named(name, values)


def _split(spec: Mapping[str, Any]) -> tuple[str | None, dict[str, Any]]:
    """The name, None for a layer list, and everything else."""
    values = dict(spec)
    if "layers" in values:
        unknown = sorted(set(values) - {"layers", "width"})
        if unknown:
            raise InputError(f"network: beside layers only width is allowed, found {', '.join(unknown)}")
        return None, values
    name = values.pop("name", None)
    if not isinstance(name, str):
        raise InputError(f"network: needs a name or layers, found {dict(spec)!r}")
    return name, values


def _width(values: Mapping[str, Any]) -> float:
    width = values.get("width", 1.0)
    if isinstance(width, bool) or not isinstance(width, int | float) or not 0 < width < float("inf"):
        raise InputError(f"network: width has to be a number above 0, found {width!r}")
    return float(width)


def _named(name: str, values: Mapping[str, Any]) -> Network:
    network: Network = make(lookup("networks", name), values, f"network {name!r}")
    return network


def torchvision_network(bare: str) -> str | None:
    """The name in files of torchvision's classification model `bare`; None: there is none of that name."""
    return f"torchvision:{bare}" if bare in _torchvision_models() else None


def _torchvision_models() -> list[str]:
    from torchvision import models  # slow to import, and needed by these networks only

    found: list[str] = models.list_models(module=models)
    return found


def _torchvision_name(name: str) -> str:
    known = _torchvision_models()
    bare = name.removeprefix("torchvision:")
    if bare not in known:
        raise InputError(f"network: torchvision has no classification model {bare!r}{nearest(bare, known)}")
    return bare


def _torchvision(name: str, values: Mapping[str, Any], outputs: int) -> nn.Module:
    from torchvision import models

    arguments = {"weights": None, "num_classes": outputs, **values}
    return _called(lambda **kwargs: models.get_model(_torchvision_name(name), **kwargs), arguments, name)


def _imported(name: str, values: Mapping[str, Any], allow_import: bool) -> nn.Module:
    function = imported(name, f"network {name!r}", allow_import)
    return _called(function, values, name)


def _called(function: Callable[..., Any], arguments: Mapping[str, Any], name: str) -> nn.Module:
    try:
        module = function(**arguments)
    except (TypeError, ValueError) as error:
        raise InputError(f"network {name!r} cannot be built with {dict(arguments)!r}: {error}") from error
    if not isinstance(module, nn.Module):
        raise InputError(f"network {name!r} made a {type(module).__name__}: a torch.nn.Module is needed")
    return module
