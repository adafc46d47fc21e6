"""How the site is built: Sphinx over the pages as they stand, and over those that docs/site/generate.py makes."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

project = "growsearch"
author = copyright = "The growsearch developers"
html_title = "growsearch"
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "docs.site.generate",
    "docs.site.links",
    "docs.site.mathml",
    "docs.site.code",
]

root_doc = "docs/index"
include_patterns = ["*.md", "docs/*.md", "docs/_generated/**", "experiments/*/README.md", "growsearch/graph/README.md"]
exclude_patterns = [".*", "dist", "runs", "search_spaces", "strategies", "tests"]
# A reference that leads nowhere is a warning, and warnings are errors.
nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]

myst_heading_anchors = 4
myst_fence_as_directive = ["math"]
myst_enable_extensions = ["attrs_inline", "colon_fence"]

autodoc_typehints = "signature"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
default_role = "code"
add_module_names = False
python_use_unqualified_type_names = True
toc_object_entries_show_parents = "hide"
maximum_signature_line_length = 88

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_extra_path = ["extra"]
html_math_renderer = "mathml"
html_copy_source = False
html_show_sphinx = False
pygments_style = "friendly"
pygments_dark_style = "github-dark"
html_theme_options = {"navigation_with_keys": True}
