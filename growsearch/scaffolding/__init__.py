"""The skeleton of a package that adds something to growsearch."""

from growsearch.scaffolding.kinds import KINDS
from growsearch.scaffolding.package import write_package

__all__ = ["KINDS", "write_package"]
