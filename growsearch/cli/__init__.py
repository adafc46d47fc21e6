"""The command line: one small file for each command."""

from growsearch.cli.app import app, main

__all__ = ["app", "main"]
