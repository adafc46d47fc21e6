"""`growsearch validate`."""

from __future__ import annotations

from growsearch.cli.handling import handled
from growsearch.cli.options import AllowImport, File, Json, Quiet, Sets
from growsearch.cli.output import emit, show


@handled
def validate(
    file: File,
    set_: Sets = None,
    as_json: Json = False,
    quiet: Quiet = False,
    allow_import: AllowImport = False,
) -> None:
    """Check FILE without running anything; all problems at once."""
    from growsearch.config import load_space

    space = load_space(file, set_ or [], allow_import=allow_import)
    ranges = [".".join(map(str, path)) for path in space.ranges]
    policies = list(space.data.get("policies") or {})
    if as_json:
        emit({"file": str(space.path), "valid": True, "policies": policies, "ranges": ranges})
    elif not quiet:
        show(f"{space.path}: valid", *([f"policies: {', '.join(policies)}"] if policies else []))
        show(*([f"ranges: {', '.join(ranges)}"] if ranges else []))
