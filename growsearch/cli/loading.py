"""Importing torch and what is built on it, without Python's garbage collector."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading() -> Iterator[None]:
    """Import inside what stays to the end of the process: the garbage collector waits meanwhile, and leaves it alone.

    It would visit all of torch several times during the import, and again and again afterwards, and find nothing to
    collect. Where torch is imported already, there is nothing to gain, and nothing is done.
    """
    if "torch" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()
