"""From a trained network to a larger one that computes the same."""

from growsearch.upscaling.checkpoint import Checkpoint, read_checkpoint
from growsearch.upscaling.folder import Written, upscale_folder
from growsearch.upscaling.model import Upscaled, upscale
from growsearch.upscaling.presets import PRESETS, preset_named
from growsearch.upscaling.wishes import Wishes, parse_size

__all__ = [
    "PRESETS",
    "preset_named",
    "Checkpoint",
    "Upscaled",
    "Wishes",
    "Written",
    "parse_size",
    "read_checkpoint",
    "upscale",
    "upscale_folder",
]
