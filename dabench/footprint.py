"""How much memory a run took, and how that is known."""

from typing import Any


def peak_bytes() -> int | None:
    """The most that this process has held on the first device; None where it does not tell."""
    import jax

    return (jax.local_devices()[0].memory_stats() or {}).get("peak_bytes_in_use")


def used_by(step: Any, before: int | None, after: int | None) -> dict[str, int]:
    """Bytes that a run took, under the name of how they are known; empty if they are not.

    Arguments:
        step: Compiled; its arguments, outputs and temporaries are `compiled_step_bytes`.
        before, after: `peak_bytes`. If the run raised it, it is the run's `device_peak_bytes`.
    """
    if before is not None and after is not None and after > before:
        return {"device_peak_bytes": after}
    found = step.memory_analysis()
    if found is None:
        return {}
    sizes = found.argument_size_in_bytes, found.output_size_in_bytes, found.temp_size_in_bytes
    return {"compiled_step_bytes": sum(sizes) - found.alias_size_in_bytes}
