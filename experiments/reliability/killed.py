"""What `kills` changes about the commands that it kills: a checkpoint every fifth of a second, imports beforehand."""

from importlib import import_module

import growsearch.training.loop

growsearch.training.loop.CHECKPOINT_SECONDS = 0.2  # in the workers too, which import what their parent does

COMMANDS = ("cli", "cli.progress", "cli.search_table", "comparison", "report", "report.search_page", "search")


def import_commands() -> None:
    """Import what the commands import when they begin."""
    for name in COMMANDS:
        import_module(f"growsearch.{name}")
