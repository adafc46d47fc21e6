"""From errors to messages and exit codes."""

from __future__ import annotations

import errno
import functools
import os
import sys
from collections.abc import Callable
from typing import ParamSpec

import typer

from growsearch.cli.output import say
from growsearch.errors import GrowsearchError, InputError

DONE, BAD_INPUT, FAILED, INTERRUPTED = 0, 2, 3, 130
DEBUG = "GROWSEARCH_DEBUG"
_UNUSABLE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM)  # of files and folders

Parameters = ParamSpec("Parameters")


def handled(command: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """A command that ends in one message and an exit code, never in a traceback.

    With the environment variable GROWSEARCH_DEBUG=1 errors that growsearch did not raise on purpose are shown whole.
    """

    @functools.wraps(command)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        try:
            command(*args, **kwargs)
            sys.stdout.flush()
        except InputError as error:
            say(f"error: {error}" if "\n" not in str(error) else f"error:\n{error}")
            raise typer.Exit(BAD_INPUT) from error
        except GrowsearchError as error:
            say(f"failed: {error}")
            raise typer.Exit(FAILED) from error
        except KeyboardInterrupt as interrupt:
            say("interrupted")
            raise typer.Exit(INTERRUPTED) from interrupt
        except (typer.Exit, typer.Abort, typer.BadParameter):
            raise
        except BrokenPipeError as error:  # the reader of our output has left, as `| head` does
            _drop_output()
            raise typer.Exit(DONE) from error
        except Exception as error:
            if os.environ.get(DEBUG) == "1":
                raise
            raise typer.Exit(_told(error)) from error

    return run


def _told(error: Exception) -> int:
    """Say what growsearch did not raise on purpose; the exit code."""
    if isinstance(error, OSError) and error.errno in _UNUSABLE:
        if error.filename is None:  # what has no name here is written by `growsearch.runs.files.writing`, or printed
            _drop_output()
        say(f"error: {error.filename or 'standard output'}: {error.strerror}")
        return BAD_INPUT
    first = str(error).splitlines()[0] if str(error) else "no message"
    say(f"failed: {type(error).__name__}: {first} ({DEBUG}=1 shows where)")
    return FAILED


def _drop_output() -> None:
    """Let what is left of the output go nowhere: it cannot be written, and Python would complain at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
