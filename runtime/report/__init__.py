"""The report of a mapping: one HTML page for people who do not code."""

from __future__ import annotations

from cellport.runtime.report.collect import Collector, Findings
from cellport.runtime.report.write import ReportMaker, appearing, check_report, write_report

__all__ = ["Collector", "Findings", "ReportMaker", "appearing", "check_report", "write_report"]
