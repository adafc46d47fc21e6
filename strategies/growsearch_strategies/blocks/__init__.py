"""Depth by copies of whole blocks."""

from growsearch_strategies.blocks.copying import Copying
from growsearch_strategies.blocks.orders import Order, copies

__all__ = ["Copying", "Order", "copies"]
