"""Kill `compare`, `search` and `run` at random moments, resume them each time, and compare what they end with.

    python -m experiments.reliability.kills [--kills 200] [--folder runs/kills]

The commands are forked from this program, so that a start costs little, and run with as many workers as they take by
default. A kill is SIGKILL to all processes, to the command alone or to one of the processes below it, SIGINT to all, or
SIGTERM to the command. Once a command is done, its trainings are compared, bit for bit, with those of one that was left
alone. What was found is in `kills.json` after every round; the same command again goes on with the next.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from experiments.reliability import killed  # and nothing more: the workers of the commands import this module too


def main() -> None:
    """Play rounds until there were as many kills as asked for."""
    from experiments.reliability.rounds import play_rounds

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--folder", type=Path, default=Path("runs/kills"))
    options = parser.parse_args()
    killed.import_commands()
    play_rounds(options.kills, options.folder.resolve())


if __name__ == "__main__":
    main()
