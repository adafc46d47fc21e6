"""From errors to messages and exit codes."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import ParamSpec

import typer

from growsearch.cli.output import say
from growsearch.errors import GrowsearchError, InputError

DONE, BAD_INPUT, FAILED, INTERRUPTED = 0, 2, 3, 130
DEBUG = "GROWSEARCH_DEBUG"

Parameters = ParamSpec("Parameters")


def handled(command: Callable[Parameters, None]) -> Callable[Parameters, None]:
    """A command that ends in one message and an exit code, never in a traceback.

    With the environment variable GROWSEARCH_DEBUG=1 errors that growsearch did not raise on purpose are shown whole.
    """

    @functools.wraps(command)
    def run(*args: Parameters.args, **kwargs: Parameters.kwargs) -> None:
        try:
            command(*args, **kwargs)
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
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            raise typer.Exit(DONE) from error
        except Exception as error:
            if os.environ.get(DEBUG) == "1":
                raise
            first = str(error).splitlines()[0] if str(error) else "no message"
            say(f"failed: {type(error).__name__}: {first} ({DEBUG}=1 shows where)")
            raise typer.Exit(FAILED) from error

    return run
