"""Change a network in place: modules, parameters, buffers and optimizer state."""

from growsearch.surgery.attributes import sync_module
from growsearch.surgery.edits import AxisEdit, Edit, Insertion, Span, site_edits
from growsearch.surgery.optimizer import embed_state, supported_optimizer
from growsearch.surgery.preservation import outputs_of, relative_difference, undisturbed
from growsearch.surgery.reindex import reindex
from growsearch.surgery.transaction import Transaction, apply_edits

__all__ = [
    "AxisEdit",
    "Edit",
    "Insertion",
    "Span",
    "Transaction",
    "apply_edits",
    "embed_state",
    "outputs_of",
    "reindex",
    "relative_difference",
    "site_edits",
    "supported_optimizer",
    "sync_module",
    "undisturbed",
]
