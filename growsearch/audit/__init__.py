"""What a growth event was worth: the run branched just before it, and continued with, without and otherwise."""

from growsearch.audit.calibration import Calibration, calibrate
from growsearch.audit.event import audit_event
from growsearch.audit.records import (
    Along,
    Audit,
    Branch,
    Comparison,
    Effect,
    FirstStep,
    Repetition,
    Summary,
    SummaryRow,
    read_audits,
    read_summaries,
)
from growsearch.audit.summary import summarize
from growsearch.audit.target import Target, find_run
from growsearch.audit.variant import Variant, parse_variants

__all__ = [
    "Along",
    "Audit",
    "Branch",
    "Calibration",
    "Comparison",
    "Effect",
    "FirstStep",
    "Repetition",
    "Summary",
    "SummaryRow",
    "Target",
    "Variant",
    "audit_event",
    "calibrate",
    "find_run",
    "parse_variants",
    "read_audits",
    "read_summaries",
    "summarize",
]
