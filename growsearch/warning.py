"""Warnings that point to the user's own line."""

from __future__ import annotations

import sys
import warnings


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn at the line that called this package in the first place, however deep inside it what is told was found."""
    frame, level, found = sys._getframe(1), 2, 2
    while frame.f_back is not None:
        inside = frame.f_globals.get("__name__", "").partition(".")[0] == "growsearch"
        frame, level = frame.f_back, level + 1
        if inside:
            found = level
    warnings.warn(message, category, stacklevel=found)
