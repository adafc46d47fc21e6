"""From an image file to pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError

from growsearch.errors import DataError

FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""What is decoded, whatever a file is called: some of Pillow's other formats start programs."""
_MOST_PIXELS = 89_478_485  # Pillow's own limit, where it begins to warn
SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")

Pixels = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Decoding:
    """How a file becomes pixels: RGB or grey, and resized and cropped to a square where `size` is given."""

    size: int | None = None
    grayscale: bool = False

    @property
    def key(self) -> str:
        """Tells apart the pixels that different decodings make of the same files."""
        return f"{self.size or 'as-is'}-{'grey' if self.grayscale else 'rgb'}"

    def read(self, path: Path) -> Pixels:
        """Pixels `[channels, height, width]`; `DataError` names a file that cannot be decoded."""
        try:
            with Image.open(path, formats=FORMATS) as file:
                if file.width * file.height > _MOST_PIXELS:
                    raise Image.DecompressionBombError(f"{file.width} x {file.height} pixels")
                image: Image.Image = file.convert("L" if self.grayscale else "RGB")
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise DataError(
                f"image {path} has more than {_MOST_PIXELS:,} pixels ({error}): resize it, or remove it"
            ) from error
        except UnidentifiedImageError as error:
            raise DataError(
                f"cannot decode the image {path}: it is none of {', '.join(FORMATS)}; convert or remove it"
            ) from error
        except (OSError, SyntaxError, ValueError) as error:  # what Pillow raises on damaged files
            raise DataError(f"cannot decode the image {path}: {error}; replace or remove it") from error
        if self.size is not None:
            image = ImageOps.fit(image, (self.size, self.size), Image.Resampling.BILINEAR)
        pixels = np.asarray(image)
        return pixels[None] if self.grayscale else pixels.transpose(2, 0, 1)
