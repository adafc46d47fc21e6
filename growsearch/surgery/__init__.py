"""Change a network in place: modules, parameters, buffers and optimizer state."""

from growsearch.surgery.attributes import sync_module
from growsearch.surgery.compact import compact, dead_units
from growsearch.surgery.edits import (
    AttributeEdit,
    AxisEdit,
    BlockInsertion,
    Deepening,
    Edit,
    Insertion,
    MaskEdit,
    Offset,
    SiteEdit,
    SizeEdit,
    Span,
    changed_attributes,
    deepening_of,
    site_edits,
)
from growsearch.surgery.gradients import watch_steps
from growsearch.surgery.layers import ResidualBlock
from growsearch.surgery.masks import active_parameters, apply_masks, masks_of
from growsearch.surgery.optimizer import embed_state, optimizers_of, supported_optimizer
from growsearch.surgery.preservation import holds_values, outputs_of, relative_difference, seed_generators, undisturbed
from growsearch.surgery.rebuild import rebuild
from growsearch.surgery.reindex import reindex
from growsearch.surgery.renaming import carried_attributes, origin, rename
from growsearch.surgery.sparse import from_sparse, to_sparse
from growsearch.surgery.substitution import grown_values, substituted
from growsearch.surgery.transaction import Transaction, apply_edits

__all__ = [
    "AttributeEdit",
    "AxisEdit",
    "BlockInsertion",
    "Deepening",
    "Edit",
    "Insertion",
    "MaskEdit",
    "Offset",
    "ResidualBlock",
    "SizeEdit",
    "SiteEdit",
    "SizeEdit",
    "Span",
    "Transaction",
    "active_parameters",
    "apply_edits",
    "carried_attributes",
    "changed_attributes",
    "compact",
    "dead_units",
    "deepening_of",
    "embed_state",
    "from_sparse",
    "grown_values",
    "apply_masks",
    "masks_of",
    "optimizers_of",
    "origin",
    "holds_values",
    "outputs_of",
    "rebuild",
    "reindex",
    "relative_difference",
    "rename",
    "seed_generators",
    "site_edits",
    "substituted",
    "supported_optimizer",
    "sync_module",
    "to_sparse",
    "undisturbed",
    "watch_steps",
]
