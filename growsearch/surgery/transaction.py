"""Edits applied as a whole, or not at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from growsearch.errors import GrowthRefused
from growsearch.surgery.attributes import resize, sync_module
from growsearch.surgery.blocks import insert_blocks, join_copies
from growsearch.surgery.edits import AttributeEdit, BlockInsertion, Deepening, Edit, Insertion, SizeEdit
from growsearch.surgery.gradients import is_used
from growsearch.surgery.insertion import check_insertions, insert, insert_copy, join_optimizers
from growsearch.surgery.journal import Journal
from growsearch.surgery.masks import mask_momentum, place_mask, reindexed_mask
from growsearch.surgery.moves import moves_of
from growsearch.surgery.optimizer import optimizers_of, replace_parameter, supported_optimizer
from growsearch.surgery.plan import TensorChange, companion_prefix, plan_attributes, plan_changes, touched
from growsearch.surgery.reindex import reindex


class Transaction:
    """Changes a model in place, together with all that follows it.

    A context manager. When the block ends without an exception, everything stays as applied; with one, or after
    `rollback()`, the model, its attributes, the optimizers and the companions are what they were: the very same
    parameter objects, values, attributes and state. A `GrowthRefused` of `apply` comes before anything was changed.
    Besides the tensors of before and after, nothing is held.

    Args:
        model: the module itself, not a wrapper; tied parameters stay tied.
        optimizer: one or several whose state and groups follow; the objects stay, so schedulers stay valid.
        companions: modules of the same architecture, such as an average of the model in an `AveragedModel`. Their own
            values are kept; at new positions they take the model's.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer | Sequence[Optimizer] | None = None,
        companions: Sequence[nn.Module] = (),
    ) -> None:
        self._model = model
        self._optimizers = optimizers_of(optimizer)
        self._companions = tuple(companions)
        self._journal = Journal()

    def __enter__(self) -> Transaction:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self._journal.commit()
        else:
            self.rollback()

    def rollback(self) -> None:
        """Take back everything applied so far; after the block there is nothing left to take back."""
        self._journal.undo()

    def on_rollback(self, undo: Callable[[], None]) -> None:
        """Let `undo` take back what the caller changes together with the model."""
        self._journal.on_undo(undo)

    def apply(self, edits: Sequence[Edit]) -> None:
        """Apply `edits`, all in the coordinates and names of before.

        Raises:
            GrowthRefused: an edit does not fit, a tensor cannot change its shape, or the optimizer cannot follow.
        """
        insertions = [edit for edit in edits if isinstance(edit, Insertion | BlockInsertion)]
        attribute_edits = [edit for edit in edits if isinstance(edit, AttributeEdit)]
        other = Insertion | BlockInsertion | AttributeEdit | SizeEdit
        tensor_edits = [edit for edit in edits if not isinstance(edit, other)]
        changes = plan_changes(self._model, self._companions, tensor_edits)
        check_insertions(self._model, insertions)
        attributes = plan_attributes(self._model, self._companions, attribute_edits)
        self._check_optimizers(changes)
        try:
            self._change_tensors(changes)
            for module in touched(changes):
                sync_module(module, self._journal)
            for owner, name, value in attributes:
                self._journal.set_attribute(owner, name, value)
            for edit in edits:
                if isinstance(edit, SizeEdit):
                    self._resize(edit)
            self._insert(insertions)
        except BaseException:
            self.rollback()
            raise

    def _check_optimizers(self, changes: Sequence[TensorChange]) -> None:
        for optimizer in self._optimizers:
            if reason := supported_optimizer(optimizer):
                raise GrowthRefused(f"the optimizer cannot follow a growth: {reason}")
        held = {id(p) for optimizer in self._optimizers for group in optimizer.param_groups for p in group["params"]}
        for change in changes:
            gradient = change.old.grad if id(change.old) in held else None
            if gradient is not None and not is_used(gradient):
                raise GrowthRefused(
                    f"{change.name!r} has a gradient that no step has used yet, and that would be lost: growth happens "
                    "between steps, call optimizer.step() first (and optimizer.zero_grad(), if there is no Grower)"
                )

    def _change_tensors(self, changes: Sequence[TensorChange]) -> None:
        replaced: dict[int, Tensor] = {}
        for change in changes:
            if change.leader is None:
                new = reindex(change.old, change.edits, change.offset)
            else:
                new = _follow(change, replaced[id(change.leader)])
            mask = None if change.mask is None else reindexed_mask(change.mask, change.edits)
            if mask is not None:
                # Neither what is pruned nor an offset or a shift stays at a dormant connection.
                new.detach().masked_fill_(~mask, 0.0)
                place_mask(change.slots, mask.to(new.device, copy=True), self._journal)
            replaced[id(change.old)] = new
            for slot in change.slots:
                self._journal.set_item(slot.store, slot.key, new)
            if isinstance(change.old, nn.Parameter) and isinstance(new, nn.Parameter):
                replace_parameter(self._optimizers, change.old, new, change.edits, self._journal)
                if mask is not None:
                    mask_momentum(self._optimizers, new, mask)

    def _resize(self, edit: SizeEdit) -> None:
        modules = {id(self._model): self._model.get_submodule(edit.module)}
        for companion in self._companions:
            found = companion.get_submodule(companion_prefix(companion, self._model) + edit.module)
            modules.setdefault(id(found), found)
        for module in {id(module): module for module in modules.values()}.values():
            resize(module, edit.axis, edit.added, self._journal)

    def _insert(self, insertions: Sequence[Deepening]) -> None:
        if not insertions:
            return
        before = {id(parameter): name for name, parameter in self._model.named_parameters()}
        prefixes = [companion_prefix(companion, self._model) for companion in self._companions]
        for insertion in insertions:
            if isinstance(insertion, BlockInsertion):
                copies = insert_blocks(self._model, insertion, self._journal)
                for companion, prefix in zip(self._companions, prefixes, strict=True):
                    _follow_blocks(companion, prefix, insertion, self._model, self._journal)
                before |= join_copies(self._optimizers, self._model, copies, insertion.state, self._journal)
                continue
            inserted = insert(self._model, insertion, self._journal)
            for companion, prefix in zip(self._companions, prefixes, strict=True):
                insert_copy(companion, prefix + insertion.path, inserted, self._journal)
        if self._optimizers:
            join_optimizers(self._optimizers, self._model, before, self._journal)


def apply_edits(
    model: nn.Module,
    edits: Sequence[Edit],
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
    companions: Sequence[nn.Module] = (),
) -> None:
    """Apply `edits` in one `Transaction`.

    Args:
        model: changed in place.
        edits: in their order.
        optimizer: one or several, whose state follows.
        companions: modules of the same architecture, which follow too.
    """
    with Transaction(model, optimizer, companions) as transaction:
        transaction.apply(edits)


def _follow_blocks(
    companion: nn.Module, prefix: str, insertion: BlockInsertion, model: nn.Module, journal: Journal
) -> None:
    """The same insertion in a companion: its copies are of its own blocks, unless these are the model's own.

    Args:
        companion: a module of the model's architecture.
        prefix: before the model's names in it.
        insertion: made in the model.
        model: the network.
        journal: what can undo it.
    """
    own = companion.get_submodule((prefix + insertion.path).rstrip("."))
    if own is not model.get_submodule(insertion.path):
        insert_blocks(companion, replace(insertion, path=(prefix + insertion.path).rstrip(".")), journal)


def _follow(change: TensorChange, leader: Tensor) -> Tensor:
    """A companion's tensor: its own values at old positions, the model's at new ones."""
    new = reindex(change.old, [replace(edit, fill=0.0) for edit in change.edits], change.offset)
    with torch.no_grad():
        for step in moves_of(change.old.shape, change.edits):
            added = torch.tensor(step.added, dtype=torch.long, device=new.device)
            new.index_copy_(step.axis, added, leader.index_select(step.axis, added.to(leader.device)).to(new))
    return new
