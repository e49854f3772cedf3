"""Scores: from the archive of a run to numbers, without JAX.

record       the scores of one run, typed     metrics/        the table of metrics and their code
score        an archive to its scores         files           scores.json and its table
cycles       every cycle, region and level    time_means      means over cycles, roots last
spectra      zonal power spectra              diagnostics     weights, ancestors, cost
departures   fit to observations              interpolated    fields where they are observed
headlines    cells that stand for a state     further         scores made on demand
identity     runs of one problem              seeds           several seeds together
intervals    intervals of means in time       multiple_tests  many comparisons at once
paired       differences of two runs          compare         who is better, how surely
select       the runs that words mean         run             a run as notebooks see it
"""
