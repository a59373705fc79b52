"""The HTML page of a report: one file that asks nothing of any network."""

from reports.html.page import render

__all__ = ["render"]
