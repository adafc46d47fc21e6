"""The report of a comparison, a run or a search: one self-contained HTML page, and its tables for other programs."""

from growsearch.report.exports import FORMATS, write_reports
from growsearch.report.page import write_report

__all__ = ["FORMATS", "write_report", "write_reports"]
