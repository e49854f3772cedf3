"""The documentation, and what keeps it true: its blocks are run, its outputs are made.

python -m docs.refresh          # all outputs, figures and the command line's reference, anew
sphinx-build -W -n docs build/docs
"""
