"""Fixtures of all tests of figures."""

from figure_runs import files, folders, scores

__all__ = ["files", "folders", "scores"]
