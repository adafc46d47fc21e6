"""An undo log of changes in place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor


class Journal:
    """Makes changes that can be taken back, in reverse order; what was there before is put back, not copied."""

    def __init__(self) -> None:
        self._undo: list[Callable[[], None]] = []

    def set_item(self, container: Any, key: Any, value: Any) -> None:
        """`container[key] = value`, where the key exists already (its place in a dict is kept)."""
        old = container[key]
        self._undo.append(lambda: container.__setitem__(key, old))
        container[key] = value

    def add_item(self, container: Any, key: Any, value: Any) -> None:
        """`container[key] = value`, where there is no such key yet."""
        self._undo.append(lambda: container.pop(key))
        container[key] = value

    def set_attribute(self, owner: Any, name: str, value: Any) -> None:
        """`owner.name = value`, where the attribute exists already."""
        old = getattr(owner, name)
        self._undo.append(lambda: setattr(owner, name, old))
        setattr(owner, name, value)

    def set_items(self, mapping: Any, items: Mapping[str, Any]) -> None:
        """Give `mapping` these items, in this order, in place of its own."""
        before = dict(mapping)

        def restore() -> None:
            mapping.clear()
            mapping.update(before)

        self._undo.append(restore)
        mapping.clear()
        mapping.update(items)

    def multiply(self, tensor: Tensor, factor: float) -> None:
        """`tensor *= factor`, outside autograd."""
        before = tensor.detach().clone()

        def restore() -> None:
            with torch.no_grad():
                tensor.copy_(before)

        self._undo.append(restore)
        with torch.no_grad():
            tensor.mul_(factor)

    def append(self, items: list[Any], value: Any) -> None:
        """`items.append(value)`."""
        before = list(items)
        self._undo.append(lambda: items.__setitem__(slice(None), before))
        items.append(value)

    def rename_key(self, mapping: Any, old: Any, new: Any, value: Any) -> None:
        """`mapping[new] = value` in place of `mapping[old]`; the order of all other keys comes back with undo.

        Args:
            mapping: a mutable mapping.
            old: the key that goes.
            new: the key that comes, last in order.
            value: its value.
        """
        before = list(mapping.items())

        def restore() -> None:
            mapping.clear()
            mapping.update(before)

        self._undo.append(restore)
        del mapping[old]
        mapping[new] = value

    def on_undo(self, undo: Callable[[], None]) -> None:
        """Take back by `undo` what is changed elsewhere."""
        self._undo.append(undo)

    def commit(self) -> None:
        """Keep everything as it is now, and let go of what was there before."""
        self._undo.clear()

    def undo(self) -> None:
        """Take everything back; a second call does nothing."""
        while self._undo:
            self._undo[-1]()
            self._undo.pop()
