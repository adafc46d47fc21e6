"""The report of a comparison: one self-contained HTML page."""

from growsearch.report.page import write_report

__all__ = ["write_report"]
