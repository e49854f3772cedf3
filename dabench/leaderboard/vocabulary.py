"""The words of tables and pages: metrics, diagnostics, costs."""

from dabench.scores.metrics.registry import titles

METRICS = titles()
"""Titles of metrics by name."""


DIAGNOSTICS = {
    "ess": "effective sample size N_eff",
    "max_weight": "largest weight",
    "alpha": "tempering exponent alpha",
    "unique_ancestors": "members with children",
    "genealogy_depth": "cycles back to the last common ancestor",
    "guarded": "share of linear solves that a guard stopped",
}


BRIEFLY = {
    "ess": "N_eff",
    "max_weight": "largest weight",
    "alpha": "alpha",
    "unique_ancestors": "ancestors",
    "genealogy_depth": "genealogy, cycles",
    "guarded": "guarded",
}
"""The same as heads of columns."""


COSTS = {
    "evaluations": "denoiser evaluations a member, whole run",
    "products": "Jacobian products a member, whole run",
    "seconds_a_cycle": "device seconds a cycle",
    "wall_seconds_a_cycle": "wall seconds a cycle",
    "device_peak_bytes": "peak memory of the device",
    "device_peak_bytes_a_member": "the same a member",
    "compiled_step_bytes": "memory of a compiled step",
    "compiled_step_bytes_a_member": "memory of a compiled step a member",
}


BYTES = {"MB": 1e6, "kB": 1e3}


MEMORY = ("device_peak_bytes_a_member", "compiled_step_bytes_a_member")
"""Of which a run knows one."""


INNOVATIONS = {
    "count": "values",
    "error_std": "error std",
    "bias": "bias",
    "rms": "rms innovation",
    "expected_rms": "expected",
    "chi2": "chi²",
    "desroziers": "Desroziers",
}


WITHHELD = {
    "count": "values",
    "error_std": "error std",
    "bias": "bias",
    "rms": "rms departure",
    "expected_rms": "expected",
    "error": "error",
    "chi2": "chi²",
}
