"""All commands together."""

from __future__ import annotations

import re
import sys

import typer

from growsearch.cli.audit import audit
from growsearch.cli.compare import compare
from growsearch.cli.dashboard import dashboard
from growsearch.cli.diff import diff
from growsearch.cli.doctor import doctor
from growsearch.cli.export import export
from growsearch.cli.handling import BAD_INPUT
from growsearch.cli.init import init
from growsearch.cli.inspect import inspect
from growsearch.cli.list_runs import list_runs
from growsearch.cli.new import new
from growsearch.cli.output import say
from growsearch.cli.proxy import proxy
from growsearch.cli.report import report
from growsearch.cli.resume import resume
from growsearch.cli.run import run
from growsearch.cli.schema import schema
from growsearch.cli.search import search
from growsearch.cli.strategies import strategies
from growsearch.cli.upscale import upscale
from growsearch.cli.validate import validate
from growsearch.cli.watch import watch
from growsearch.cli.worker import worker

_NO_VALUE = re.compile("--[a-z-]+=")
EXIT_CODES = "Exit codes: 0 done, 2 the input cannot be used, 3 a run failed, 130 interrupted (continue with resume)."


app = typer.Typer(
    name="growsearch",
    help="Search architectures by growing networks while they train.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (
    init,
    compare,
    run,
    search,
    resume,
    watch,
    worker,
    proxy,
    dashboard,
    inspect,
    export,
    upscale,
    audit,
    report,
    diff,
    validate,
    strategies,
    schema,
    doctor,
    new,
):
    app.command()(command)
app.command("list")(list_runs)


@app.callback()
def _version(
    version: bool = typer.Option(False, "--version", help="Print the version and leave.", is_eager=True),
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"growsearch {installed('growsearch')}")
        raise typer.Exit


def main() -> None:
    """Entry point of the `growsearch` program.

    An argument that is empty, as of a variable of the shell without a value, is refused: an empty path would be the
    current folder.
    """
    for before, argument in zip(sys.argv, sys.argv[1:], strict=False):
        if not argument or _NO_VALUE.fullmatch(argument):
            flag = argument.rstrip("=") or before
            what = flag if flag.startswith("-") else "an argument"
            say(f"error: {what} is empty: give a value, or leave it out")
            sys.exit(BAD_INPUT)
    app()
