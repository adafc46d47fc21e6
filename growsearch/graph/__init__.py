"""From a module to its channel spaces and the sites that can grow."""

from growsearch.graph.call import Call, Ref, function_name
from growsearch.graph.drawing import to_svg
from growsearch.graph.network import NetworkGraph
from growsearch.graph.path import Path, PathStep
from growsearch.graph.render import network_tree, site_table, to_json
from growsearch.graph.rules import Operation, operation, rule
from growsearch.graph.rules.step import Step, Value
from growsearch.graph.site import AxisUse, DepthSite, Kind, Role, Run, Site
from growsearch.graph.spaces import Unsupported, unify
from growsearch.graph.tracing import trace

__all__ = [
    "AxisUse",
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
    "network_tree",
    "operation",
    "rule",
    "site_table",
    "to_json",
    "to_svg",
    "trace",
    "unify",
]
