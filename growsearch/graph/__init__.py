"""From a module to its channel spaces and the sites that can grow."""

from growsearch.graph.as_json import to_json
from growsearch.graph.block_site import BlockSite
from growsearch.graph.call import Call, Ref, function_name
from growsearch.graph.network import NetworkGraph
from growsearch.graph.path import Path, PathStep
from growsearch.graph.rules import Operation, operation, rule
from growsearch.graph.rules.step import Step, Value
from growsearch.graph.site import AxisUse, DepthSite, Kind, Role, Run, Site
from growsearch.graph.spaces import Unsupported, unify
from growsearch.graph.tracing import trace

__all__ = [
    "AxisUse",
    "BlockSite",
    "Call",
    "DepthSite",
    "Kind",
    "NetworkGraph",
    "Operation",
    "Path",
    "PathStep",
    "Ref",
    "Role",
    "Run",
    "Site",
    "Step",
    "Unsupported",
    "Value",
    "function_name",
    "operation",
    "rule",
    "to_json",
    "trace",
    "unify",
]
