"""Reference pages from docstrings: one a group of public names, in reStructuredText, which docstrings are close to."""

from __future__ import annotations

import inspect
from importlib import import_module
from typing import Any

import growsearch
import growsearch.testing

# What a class of one's own extends, and what it is given, by module.
BASES = {
    "growsearch.growth": ("Scheduler", "Selector", "Initializer", "GrowthContext", "Candidate", "SiteEnds"),
    "growsearch.data": ("DataSource", "DataSet"),
    "growsearch.networks": ("Network",),
    "growsearch.tasks": ("Task",),
    "growsearch.optimizers": ("OptimizerRecord",),
}


def pages() -> dict[str, str]:
    """Return the text of each page by its file."""
    public = {name: getattr(growsearch, name) for name in growsearch.__all__}
    laws = {name: getattr(growsearch.testing, name) for name in growsearch.testing.__all__}
    errors = {name: value for name, value in public.items() if _is_error(value)}
    rest = {name: value for name, value in public.items() if name not in errors}
    functions = {name: value for name, value in rest.items() if not inspect.isclass(value)}
    classes = {name: value for name, value in rest.items() if name not in functions}
    python = [
        _title("Python: growsearch", "="),
        "Everything that ``import growsearch`` promises.\n",
        _title("Functions", "-"),
        *(f".. autofunction:: growsearch.{name}\n" for name in functions),
        _title("Classes", "-"),
        *(_class("growsearch", name, value) for name, value in classes.items()),
        _title("Errors", "-"),
        *(f".. autoexception:: growsearch.{name}\n   :show-inheritance:\n" for name in errors),
    ]
    testing = [
        _title("Python: growsearch.testing", "="),
        "The laws that a plug-in has to keep, as pytest classes that its author subclasses. Each method is a law.\n",
        *(_class("growsearch.testing", name, value) for name, value in laws.items()),
    ]
    bases = [
        _title("Python: what plug-ins extend", "="),
        "How each is used: :doc:`/docs/extending`.\n",
        *(
            _class(module, name, getattr(import_module(module), name))
            for module, names in BASES.items()
            for name in names
        ),
    ]
    texts = {"python": python, "testing": testing, "bases": bases}
    return {f"reference/{name}.rst": "\n".join(parts) for name, parts in texts.items()}


def _is_error(value: Any) -> bool:
    return inspect.isclass(value) and issubclass(value, Exception)


def _class(module: str, name: str, value: type) -> str:
    """A class with those of its own methods and properties that have a docstring, inherited ones of ours included."""
    members = [
        each
        for each, member in inspect.getmembers(value)
        if not each.startswith("_") and inspect.getdoc(member) and _ours(value, each)
    ]
    options = f"   :members: {', '.join(members)}\n" if members else ""
    return f".. autoclass:: {module}.{name}\n{options}"


def _ours(value: type, name: str) -> bool:
    owner = next((base for base in value.__mro__ if name in vars(base)), None)
    return owner is not None and owner.__module__.startswith("growsearch")


def _title(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n"
