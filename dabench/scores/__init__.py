"""Scores: from the archive of a run to numbers, without JAX.

score        archive to scores.json         metrics/        pointwise, tested definitions
cycles       every cycle, region, level     spectra         zonal power spectra
diagnostics  weights, ranks, innovations    headlines       cells that stand for a state
identity     runs of one problem            seeds           several seeds together
intervals    of means in time               multiple_tests  many comparisons at once
paired       differences of two runs        compare         who is better, how surely
select       the runs that words mean
"""
