"""Filters that baselines may name; plug-ins add to them by the entry point `dabench.filters`."""

FILTERS = {
    "4dvar": "dabench.filters.var4d:var4d",
    "bootstrap": "dabench.filters.bootstrap:bootstrap",
    "climatology": "dabench.filters.climatology:climatology",
    "enkf": "dabench.filters.enkf:enkf",
    "ensf": "dabench.filters.ensf:ensf",
    "ensemble": "dabench.filters.ensemble:ensemble",
    "fa_apf": "dabench.filters.fa_apf:fa_apf",
    "fa_enkf": "dabench.filters.fa_enkf:fa_enkf",
    "guided": "dabench.filters.guided:guided",
    "guided_window": "dabench.filters.guided_window:guided_window",
    "hybrid_3dvar": "dabench.filters.hybrid_3dvar:hybrid_3dvar",
    "insertion": "dabench.filters.insertion:insertion",
    "kalman": "dabench.filters.kalman:kalman",
    "letkf": "dabench.filters.letkf:letkf",
    "lpf": "dabench.filters.lpf:lpf",
    "oi": "dabench.filters.oi:oi",
    "persistence": "dabench.filters.persistence:persistence",
}
"""Name: module and factory, which takes the Problem; keyword-only arguments are its settings."""
