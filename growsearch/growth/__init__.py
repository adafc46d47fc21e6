"""When, where and how a network grows."""

from growsearch.errors import GrowthFailed, GrowthRefused, InputError
from growsearch.growth.allowance import Allowance
from growsearch.growth.budget import Budget
from growsearch.growth.candidate import (
    ADDING,
    Candidate,
    FillKey,
    Kinds,
    NewLayer,
    NewUnit,
    Removal,
    Rescaling,
    Rewiring,
    Split,
    StackedBlock,
)
from growsearch.growth.candidate_edits import edits_of, planned_edits
from growsearch.growth.context import GrowthContext
from growsearch.growth.dropout import WithoutDropout, dropout_off
from growsearch.growth.event import GrowthEvent
from growsearch.growth.expanded_model import ExpandedModel
from growsearch.growth.grow import grow
from growsearch.growth.grower import Grower
from growsearch.growth.ledger import Ledger
from growsearch.growth.local_objective import LocalObjective
from growsearch.growth.new_layer import new_layer
from growsearch.growth.new_slices import NewSlices
from growsearch.growth.new_unit_settings import NewUnitSettings, Rewarm
from growsearch.growth.objective import Objective
from growsearch.growth.policy import Policy
from growsearch.growth.probe import Probes, gate_scores
from growsearch.growth.progress import Progress
from growsearch.growth.random_directions import random_directions
from growsearch.growth.reporting import Report, silent
from growsearch.growth.soft import SoftGrower, SoftSize
from growsearch.growth.strategy import Initializer, Need, Scheduler, Selector, Strategy
from growsearch.growth.stream_units import own_start, random_start, require_no_stream, require_written, stream_units
from growsearch.growth.trainable import require_distinct_copies, require_trained, require_untied
from growsearch.growth.units import Side, SiteEnds
from growsearch.surgery import Insertion

__all__ = [
    "ADDING",
    "Allowance",
    "Budget",
    "Candidate",
    "FillKey",
    "GrowthContext",
    "GrowthEvent",
    "GrowthFailed",
    "GrowthRefused",
    "Grower",
    "Initializer",
    "InputError",
    "Insertion",
    "Ledger",
    "Kinds",
    "LocalObjective",
    "NewUnitSettings",
    "Need",
    "NewLayer",
    "NewUnit",
    "Objective",
    "NewSlices",
    "ExpandedModel",
    "Policy",
    "Probes",
    "Report",
    "Progress",
    "Removal",
    "Rescaling",
    "Rewarm",
    "Rewiring",
    "Scheduler",
    "Selector",
    "Side",
    "SiteEnds",
    "SoftGrower",
    "SoftSize",
    "Split",
    "StackedBlock",
    "Strategy",
    "WithoutDropout",
    "dropout_off",
    "edits_of",
    "gate_scores",
    "grow",
    "new_layer",
    "own_start",
    "planned_edits",
    "random_directions",
    "random_start",
    "require_distinct_copies",
    "require_no_stream",
    "require_trained",
    "require_untied",
    "require_written",
    "silent",
    "stream_units",
]
