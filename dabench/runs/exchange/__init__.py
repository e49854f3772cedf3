"""Runs as other tools have them, and other tools' analyses as runs.

weatherbench2   a run as a forecast store, with its truth      background   12-hour forecasts
external        an analysis store as a run
"""
