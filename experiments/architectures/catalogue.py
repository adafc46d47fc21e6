"""The architectures, in the order of the table."""

from __future__ import annotations

from . import own_models, timm_models, torchvision_models, transformers_models
from .architecture import Architecture


def catalogue() -> dict[str, Architecture]:
    """Every architecture by "source: name"."""
    modules = (timm_models, torchvision_models, transformers_models, own_models)
    return {f"{each.source}: {each.name}": each for module in modules for each in module.architectures()}
