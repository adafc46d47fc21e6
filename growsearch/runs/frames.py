"""Records as a data frame, for whoever has pandas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from growsearch.errors import InputError
from growsearch.installing import command_for

if TYPE_CHECKING:
    import pandas


def frame_of(records: Sequence[Mapping[str, Any]]) -> pandas.DataFrame:
    """Return a data frame with a row a record; raises `InputError` where pandas is not installed."""
    try:
        import pandas
    except ImportError as error:
        raise InputError(
            f"frame() needs pandas, which is not installed: {command_for('pandas')}, or take records(), a plain list"
        ) from error
    return pandas.DataFrame.from_records(list(records))
