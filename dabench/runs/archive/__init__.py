"""The archive of a run: the seam between the half that needs JAX and the half that does not.

layout   names, dimensions and units      store    what writes
folder   one run's folder and its lock    read     what reads
status   running, complete or diverged          cf       metadata for any reader
"""
