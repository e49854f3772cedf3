"""Problem files (scenarios) and method files (baselines), without JAX.

scenario   the problem, frozen                  load          read from YAML, or changed
baseline   a method's settings                  locations     where a group observes
settings   a factory's arguments as settings    plugins       systems and filters by name
catalogue  the folders of known files           yamlfile      YAML with line numbers
derived    observed variables that are computed from those of a state
validate   checks, and the words of errors      json_schema   the same for editors
"""
