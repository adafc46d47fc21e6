"""`growsearch validate`."""

from __future__ import annotations

from growsearch.cli.handling import handled
from growsearch.cli.loading import loading
from growsearch.cli.options import AllowImport, File, Json, Quiet, Sets
from growsearch.cli.output import emit, show
from growsearch.errors import InputError


@handled
def validate(
    file: File,
    set_: Sets = None,
    as_json: Json = False,
    quiet: Quiet = False,
    allow_import: AllowImport = False,
) -> None:
    """Check FILE without running anything: what is written, the data, every policy's first growth, its schedule."""
    with loading():
        from growsearch.config import load_space
        from growsearch.execution.readiness import check_ready

    try:
        space = load_space(file, set_ or [], allow_import=allow_import)
        ready = check_ready(space.first().policy_configs())
    except InputError as error:
        if as_json:
            emit({"file": file, "valid": False, "error": str(error)})
        raise
    ranges = [".".join(map(str, path)) for path in space.ranges]
    policies = list(space.data.get("policies") or {})
    unseen = [*ready.not_checked, *(["all but the first value of every range"] if ranges else [])]
    if as_json:
        found = {
            "file": str(space.path),
            "valid": True,
            "data": list(ready.data),
            "policies": policies,
            "ranges": ranges,
        }
        emit({**found, "warnings": list(ready.warnings), "not_checked": unseen})
    elif not quiet:
        but = f", but for what was not looked at: {'; '.join(unseen)}" if unseen else ""
        show(f"{space.path}: valid{but}", *([f"policies: {', '.join(policies)}"] if policies else []))
        show(*(f"data: {data}" for data in ready.data))
        show(*([f"ranges: {', '.join(ranges)}"] if ranges else []))
        show(*(f"warning: {warning}" for warning in ready.warnings))
