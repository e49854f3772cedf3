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
    "residual": "median share of y - h(D) left by solves of guidance",
    "clipped": "share of humidity and precipitation cut off at zero",
}


BRIEFLY = {
    "ess": "N_eff",
    "max_weight": "largest weight",
    "alpha": "alpha",
    "unique_ancestors": "ancestors",
    "genealogy_depth": "genealogy, cycles",
    "guarded": "guarded",
    "residual": "residual",
    "clipped": "clipped",
}
"""The same as heads of columns."""


COSTS = {
    "evaluations": "denoiser evaluations for a member, whole run",
    "products": "Jacobian products for a member, whole run",
    "seconds_a_cycle": "time of the device for a cycle",
    "wall_seconds_a_cycle": "time for a cycle",
    "device_peak_bytes": "peak memory of the device",
    "device_peak_bytes_a_member": "peak memory of the device for each member",
    "compiled_step_bytes": "memory of a compiled step",
    "compiled_step_bytes_a_member": "memory of a compiled step for each member",
}


MEMORY = ("device_peak_bytes_a_member", "compiled_step_bytes_a_member")
"""Peak memory for each member: measured on a device, or told by the compiler."""


INNOVATIONS = {
    "count": "values",
    "error_std": "error std",
    "bias": "bias",
    "rms": "rms innovation",
    "expected_rms": "expected",
    "chi2": "chi²",
    "desroziers": "Desroziers",
}


VALUES = {
    "values": {"used": "used", "missing": "missing"},
    "rejected by": {"background_check": "background", "buddy_check": "buddies"},
}
"""What became of values, as heads of columns by the part of the table that they are in."""


MONITORING = {
    "network": {"count": "values", "error_std": "error std"},
    **VALUES,
    "O−B": {"bias": "bias", "rms": "rms", "expected_rms": "expected"},
    "O−A": {"analysis_bias": "bias", "analysis_rms": "rms"},
    "consistency": {
        "chi2": "chi²",
        "desroziers": "R",
        "desroziers_background": "HBHᵀ",
    },
}
"""Heads of columns of the fit to observations, likewise."""


BY_GROUP = {
    "network": {"count": "a cycle"},
    **VALUES,
    "rms over error std": {"rms": "O−B", "analysis_rms": "O−A"},
}
"""The same for whole groups."""


WITHHELD = {
    "count": "values",
    "error_std": "error std",
    "bias": "bias",
    "rms": "rms departure",
    "expected_rms": "expected",
    "error": "error",
    "chi2": "chi²",
}
