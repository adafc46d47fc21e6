"""How a package that is missing comes into this environment."""

from __future__ import annotations

from importlib.util import find_spec


def command_for(package: str, *, editable: bool = False) -> str:
    """The command that installs it where this interpreter looks: an environment that uv made has no pip of its own.

    Args:
        package: a requirement, or a folder.
        editable: whether changes in the folder are to count at once.
    """
    return f'{"" if find_spec("pip") else "uv "}pip install {"-e " * editable}"{package}"'


def command_for_extra(extra: str) -> str:
    """The command that installs what an extra of this package names."""
    return command_for(f"growsearch[{extra}]")
