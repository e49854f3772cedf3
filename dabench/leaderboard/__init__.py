"""What people see of scores: terminal tables, result files, figures and pages; no JAX.

terminal    tables of a run and of a comparison     results        committed result files
vocabulary  the words of tables and pages           result_schema  what such a file may hold
format      numbers, units and names in print       packed_series  series as short text
row, board  a method, and all of them on a problem  stale          rows that are out of date
site        all pages                               serve          a small web server
thumbnails  maps in result files                    figures/       plots
"""
