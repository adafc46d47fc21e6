"""What can go wrong, as a small hierarchy.

The command line turns an `InputError` into one message and exit code 2, and any other `GrowsearchError` into one
message and exit code 3.
"""

from __future__ import annotations


class GrowsearchError(Exception):
    """Base of every error that growsearch raises on purpose."""


class InputError(GrowsearchError):
    """The user's input cannot be used: the message says what was found, what is allowed and what to do."""


class CannotWrite(InputError, OSError):
    """A file or folder cannot be written: the disk is full, the folder is read-only, or it is another's."""


class ConfigError(InputError):
    """A file has problems; the message lists all of them, each with file, line and column."""


class TraceError(InputError):
    """A model cannot be traced: it is wrapped, or running it on the example inputs failed."""


class DataError(InputError):
    """A data set is missing, empty or corrupt."""


class GrowthRefused(InputError):
    """A site or a model cannot be grown as asked; the message gives the reason and a way that works."""


class GrowthFailed(GrowsearchError):
    """A growth step failed its checks and was rolled back: model, optimizer, graph and log are as they were."""


class TraceWarning(UserWarning):
    """A part of a model was not seen by `trace`: it stays as it is, and what shares an axis with it does not grow."""


class DamageWarning(UserWarning):
    """A file of a run is damaged; what depends on it is done again, or left out."""


class GrowthWarning(UserWarning):
    """Growth goes on with less than was asked for."""


class ClusterWarning(UserWarning):
    """A cluster cannot do now what is asked of it; what was asked waits."""
